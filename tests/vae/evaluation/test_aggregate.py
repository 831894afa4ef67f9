"""The aggregate posterior: its distance from the prior, and a mixture of Gaussians that is fitted to it."""

import importlib.util
import math

import pytest
import torch
from torch import nn

from vae.divergences.aggregate.energy import gaussian_energy_distance
from vae.evaluation.aggregate import MOST_PAIRED, aggregate_distance, fit_mixture
from vae.evaluation.evidence import estimate_evidence
from vae.means import NonFiniteError
from vae.models import VAE
from vae.models.likelihoods.normal import Normal
from vae.models.priors import StandardNormal

needs_sklearn = pytest.mark.skipif(importlib.util.find_spec("sklearn") is None, reason="scikit-learn is not installed")


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


@pytest.mark.parametrize(("mean", "sd"), [(0.0, 1.0), (0.5, 1.0), (0.0, 0.1), (1.0, 2.0)])
def test_the_distance_of_a_gaussian_from_the_prior_is_that_of_the_closed_form(mean, sd, model):
    torch.manual_seed(0)
    data = mean + (sd**2 - 0.1**2) ** 0.5 * torch.randn(MOST_PAIRED, 2)
    found = torch.tensor([aggregate_distance(model, data, seed=seed) for seed in range(5)])
    logvar = torch.full((2,), 2 * math.log(sd))
    exact = gaussian_energy_distance(torch.full((2,), mean), logvar)
    assert found.mean().item() == pytest.approx(exact.item(), abs=0.03)
    assert found.std() > 0


def test_the_seed_fixes_the_distance_which_is_of_the_first_examples(model, data):
    state = torch.random.get_rng_state()
    many = data.repeat(6, 1)
    first = aggregate_distance(model, many, seed=1)
    assert aggregate_distance(model, many[:MOST_PAIRED], seed=1) == first
    assert torch.random.get_rng_state().equal(state)
    assert first > 3, "two clusters far from the prior"


def test_a_distance_that_is_not_finite_is_an_error(model, data):
    with pytest.raises(NonFiniteError, match="the distance of the aggregate posterior from the prior is not finite"):
        aggregate_distance(model, data * math.inf, seed=1)


@needs_sklearn
def test_it_has_the_density_of_the_aggregate_posterior(model, data):
    mixture = fit_mixture(model, data, seed=1)
    torch.manual_seed(0)
    drawn = mixture.sample((20_000,))
    torch.testing.assert_close(drawn.mean(0), data.mean(0), atol=0.15, rtol=0)
    torch.testing.assert_close(drawn.mT.cov(), data.mT.cov() + 0.01 * torch.eye(2), rtol=0.05, atol=0.1)
    assert mixture.log_prob(data).mean() > model.prior.log_prob(data).mean() + 10


@needs_sklearn
def test_the_seed_fixes_it_and_the_random_stream_is_as_before(model, data):
    state = torch.random.get_rng_state()
    first, again, other = (fit_mixture(model, data, seed=seed) for seed in (1, 1, 2))
    assert torch.random.get_rng_state().equal(state)
    assert first.component_distribution.loc.equal(again.component_distribution.loc)
    assert not first.component_distribution.loc.equal(other.component_distribution.loc)


@needs_sklearn
@pytest.mark.parametrize("largest", [math.inf, 1e20])
def test_latents_that_no_mixture_can_be_fitted_to_are_an_error(largest, model, data):
    data[0] = largest
    with pytest.raises(NonFiniteError, match="no Gaussians can be fitted to the latents, which are not finite or too"):
        fit_mixture(model, data, seed=1)


@needs_sklearn
def test_latents_that_are_all_the_same_have_their_density_too(model, data):
    assert fit_mixture(model, data[:1].expand(20, 2), seed=1).mean.isfinite().all()


@needs_sklearn
def test_few_examples_have_few_components(model, data):
    assert fit_mixture(model, data[:3], seed=1).mixture_distribution.logits.shape == (3,)


@needs_sklearn
def test_evidence_by_its_draws_is_beside_that_by_the_priors_and_changes_nothing_else(model, data):
    mixture = fit_mixture(model, data, seed=1)
    alone = estimate_evidence(model, data[:40], 50, seed=1)
    beside = estimate_evidence(model, data[:40], 50, seed=1, sampler=mixture)
    low, high = beside.pop("sampler_sampling_interval")
    assert low <= beside.pop("sampler_sampling") <= high
    assert low > alone["prior_sampling"] + 10
    assert beside == alone
