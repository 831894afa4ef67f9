"""A prior of one's own, which is no Gaussian: from its distribution alone follows all that a run asks of it."""

from dataclasses import replace

import pytest
import torch
from torch.distributions import Independent, Laplace

import vae
from registries import set_free
from small_runs import config, metrics_of
from utils.figures.one_run import draw_run
from utils.runs.folder import LATENT, RECONSTRUCTIONS, SAMPLES, TRAVERSALS
from utils.runs.run import run
from vae.losses import LOSSES, register
from vae.losses.kl import KLLoss
from vae.models.priors import Prior


class ProductOfLaplaces(Prior):
    """p(z) = prod_j exp(-|z_j| / b_j) / (2 b_j), with learnt scales b."""

    def __init__(self, latent_dim):
        super().__init__(latent_dim)
        self.log_scale = torch.nn.Parameter(torch.zeros(latent_dim))

    def distribution(self):
        laplace = Laplace(torch.zeros_like(self.log_scale), self.log_scale.exp(), validate_args=False)
        return Independent(laplace, 1, validate_args=False)


@pytest.fixture
def own_loss(monkeypatch):
    """The name of a loss with that prior."""
    set_free(monkeypatch, LOSSES, "sparse")

    @register("sparse")
    class SparseLoss(KLLoss):
        """KL(q(z|x) || p(z)) with a product of Laplace distributions."""

        summary = "KL from Laplace distributions"
        formula = "KL(q‖p)"

        @classmethod
        def build_prior(cls, latent_dim, options):
            return ProductOfLaplaces(latent_dim)

    return "sparse"


@pytest.mark.slow
@pytest.mark.parametrize("dataset", ["digits", "mixture2d"])
def test_it_trains_evaluates_estimates_the_evidence_and_draws(dataset, own_loss, runtime):
    small = config(dataset=dataset, loss=own_loss, network=None, importance_samples=20, latent_dim=3, epochs=3)
    evaluation = run(small, replace(runtime, draw=draw_run))
    folder = runtime.results_dir / "exp"
    pictures = (RECONSTRUCTIONS, TRAVERSALS, SAMPLES) if dataset == "digits" else (LATENT, SAMPLES)
    assert all((folder / name).stat().st_size for name in pictures)
    first, *_, last = (record["loss"] for record in metrics_of(folder))
    assert last < first
    model, _, _ = vae.load(folder)
    assert isinstance(model.prior, ProductOfLaplaces)
    assert model.prior.log_scale.abs().min() > 0, "every scale is learnt"
    for split in ("train", "test"):
        values = evaluation[split]
        assert values["divergence"] > 0
        assert values["elbo"] == pytest.approx(-values["reconstruction"] - values["divergence"], abs=1)
    evidence = evaluation["test"]["evidence"]
    assert evidence["interval"][0] < evidence["mean"] < evidence["interval"][1]
    assert evidence["mean"] > evidence["prior_sampling"]
    assert 1 < evidence["effective_sample_size"] <= 20
