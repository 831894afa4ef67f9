"""A mixture of Gaussians that is fitted to latents."""

import pytest
import torch
from torch import nn

from vae.evaluation.evidence import estimate_evidence
from vae.evaluation.sampler import fit_mixture
from vae.models import VAE
from vae.models.likelihoods.normal import Normal
from vae.models.priors import StandardNormal

pytest.importorskip("sklearn")


class Narrow(nn.Module):
    """q(z|x) = N(x, 0.1^2 I)."""

    def forward(self, vectors):
        return vectors, torch.full_like(vectors, 0.01).log()


@pytest.fixture
def model():
    decoder = nn.Linear(2, 2)
    with torch.no_grad():
        decoder.weight.copy_(torch.eye(2))
        decoder.bias.zero_()
    return VAE(Narrow(), decoder, StandardNormal(2), Normal()).eval()


@pytest.fixture
def data():
    """Two clusters, far from the prior's mean."""
    torch.manual_seed(0)
    centres = torch.tensor([[6.0, 0.0], [-6.0, 2.0]])
    return centres.repeat(500, 1) + 0.3 * torch.randn(1000, 2)


def test_it_has_the_density_of_the_aggregate_posterior(model, data):
    mixture = fit_mixture(model, data, seed=1)
    torch.manual_seed(0)
    drawn = mixture.sample((20_000,))
    torch.testing.assert_close(drawn.mean(0), data.mean(0), atol=0.15, rtol=0)
    torch.testing.assert_close(drawn.mT.cov(), data.mT.cov() + 0.01 * torch.eye(2), rtol=0.05, atol=0.1)
    assert mixture.log_prob(data).mean() > model.prior.log_prob(data).mean() + 10


def test_the_seed_fixes_it_and_the_random_stream_is_as_before(model, data):
    state = torch.random.get_rng_state()
    first, again, other = (fit_mixture(model, data, seed=seed) for seed in (1, 1, 2))
    assert torch.random.get_rng_state().equal(state)
    assert first.component_distribution.loc.equal(again.component_distribution.loc)
    assert not first.component_distribution.loc.equal(other.component_distribution.loc)


def test_few_examples_have_few_components(model, data):
    assert fit_mixture(model, data[:3], seed=1).mixture_distribution.logits.shape == (3,)


def test_evidence_by_its_draws_is_beside_that_by_the_priors_and_changes_nothing_else(model, data):
    mixture = fit_mixture(model, data, seed=1)
    alone = estimate_evidence(model, data[:40], 50, seed=1)
    beside = estimate_evidence(model, data[:40], 50, seed=1, sampler=mixture)
    low, high = beside.pop("sampler_sampling_interval")
    assert low <= beside.pop("sampler_sampling") <= high
    assert low > alone["prior_sampling"] + 10
    assert beside == alone
