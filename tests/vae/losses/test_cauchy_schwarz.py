"""CS against the closed form of two Gaussians, and on data with two modes."""

import pytest
import torch

from utils.datasets import load_dataset
from vae.divergences import full, maximum_mean_discrepancy, mixture_cauchy_schwarz_divergence
from vae.losses import LOSSES, build_loss
from vae.models import sample_posterior
from vae.random import seed_everything
from vae.training.settings import TrainingSettings
from vae.training.trainer import Trainer


def make(shape, latent_dim, rec_dist="gaussian", **given):
    options = LOSSES.resolve_options("CS", given)
    seed_everything(0, 0)
    model = LOSSES["CS"].build_model(shape, latent_dim, rec_dist, options)
    return build_loss("CS", dataset_size=8, latent_dim=latent_dim, **options), model


def test_one_component_at_the_standard_normal_is_the_closed_form_of_two_gaussians():
    loss, model = make((1, 32, 32), 3, components=1, prior_network=False)
    loss, model = loss.double(), model.double()
    with torch.no_grad():
        model.prior.moments.zero_()  # N(0, I)
    images = torch.rand(8, 1, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    terms = loss(model, images)
    mean, logvar = model.encode(images)
    zero, identity = torch.zeros(3, dtype=torch.float64), torch.eye(3, dtype=torch.float64)
    expected = full.cauchy_schwarz_divergence(mean, torch.diag_embed(logvar.exp()), zero, identity).mean()
    assert terms.divergence.item() == pytest.approx(expected.item(), rel=1e-10)
    assert terms.extras["effective_components"].item() == pytest.approx(1)


@pytest.mark.parametrize("logvar", [-30.0, 30.0])
def test_extreme_log_variances_are_finite_with_their_gradients(logvar):
    loss, model = make((1, 32, 32), 3)
    with torch.no_grad():
        model.encoder.layers[-1].bias[3:] = logvar
    total = loss(model, torch.rand(8, 1, 32, 32, generator=torch.Generator().manual_seed(1))).divergence
    total.backward()
    assert torch.isfinite(total)
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.prior.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("network", [True, False])
def test_both_modes_come_back_and_the_aggregate_is_nearer_to_the_mixture_than_to_the_standard_normal(network, tmp_path):
    """In two latent dimensions: in one, the encoder of some seeds folds a mode around the other and stays so."""
    data = load_dataset("mixture2d", "train", tmp_path, 4000)
    loss, model = make((2,), 2, "normal-diagonal", components=4, prior_network=network)
    trainer = Trainer(model, loss, data.vectors, TrainingSettings(lr=2e-3, seed=1))
    *_, last = trainer.train(20)
    assert last["effective_components"] > 1.5
    model.eval()
    with torch.no_grad():
        of_components = model.decode(model.prior.components()[0])[:, 0]
        assert of_components.min() < -0.5
        assert of_components.max() > 0.5
        drawn = model.likelihood.sample(model.decoder(model.prior.sample(4000)))[:, 0]
        left, right = (drawn < -0.5).double().mean().item(), (drawn > 0.5).double().mean().item()
        assert 0.3 < left < 0.6
        assert 0.3 < right < 0.6
        assert left + right > 0.8
        mean, logvar = model.encode(data.vectors[:1000])
        learnt, normal = (*model.prior.components(), None), (torch.zeros(1, 2), torch.zeros(1, 2), None)
        to_learnt, to_normal = (mixture_cauchy_schwarz_divergence(mean, logvar, None, *p) for p in (learnt, normal))
        assert to_learnt < 0.5 * to_normal
        z = sample_posterior(mean, logvar)
        to_learnt = maximum_mean_discrepancy(z, model.prior.sample(1000), unbiased=True)
        assert to_learnt < 0.5 * maximum_mean_discrepancy(z, unbiased=True)
