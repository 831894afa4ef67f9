"""The priors against scipy, closed forms and Monte Carlo."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from vae.divergences import kl_divergence
from vae.models.priors.gaussian_mixture import LOGVAR_LIMIT, GaussianMixture
from vae.models.priors.standard_normal import StandardNormal
from vae.models.priors.subspace_mixture import SubspaceMixture


def mixture(mean, logvar):
    """A mixture of these components, (K, latent_dim) each, in float64."""
    prior = GaussianMixture(len(mean), mean.shape[-1], network=False).double()
    free = LOGVAR_LIMIT * (logvar.double() / LOGVAR_LIMIT).atanh()
    with torch.no_grad():
        prior.moments.copy_(torch.cat([mean, free], dim=-1))
    return prior


@pytest.fixture
def prior():
    return mixture(
        torch.tensor([[0.0, 1.0], [3.0, -1.0], [-2.0, 0.5]]), torch.tensor([[0.0, 1.0], [-1.0, 0.5], [0.3, 0]])
    )


def test_density_is_scipys(prior):
    mean, logvar = (moments.detach().numpy() for moments in prior.components())
    z = torch.randn(20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    density = (
        sum(multivariate_normal(m, v).pdf(z.numpy()) for m, v in zip(mean, torch.tensor(logvar).exp().numpy())) / 3
    )
    assert prior.log_prob(z).exp().detach().numpy() == pytest.approx(density, rel=1e-9)
    assert prior.log_prob(z.view(4, 5, 2)).shape == (4, 5)


def test_samples_have_the_mixtures_moments_and_each_has_its_own_component(prior):
    torch.manual_seed(0)
    with torch.no_grad():
        z = prior.sample(40_000)
        mean, logvar = prior.components()
        share = prior.component_log_prob(z).softmax(-1).mean(0)
        variance = mean.var(0, correction=0) + logvar.exp().mean(0)
    assert z.mean(0).allclose(mean.mean(0), atol=0.05)
    assert z.var(0).allclose(variance, rtol=0.03)
    assert share.allclose(torch.full((3,), 1 / 3, dtype=torch.float64), atol=0.01)
    assert prior.traversal()[1].allclose(variance.sqrt())


def test_kl_divergence_from_a_single_component_is_the_closed_form_in_the_mean():
    torch.manual_seed(0)
    mean, logvar = torch.randn(2, 400, 2, dtype=torch.float64)
    centre, width = torch.tensor([[0.5, -1.0]]), torch.tensor([[0.4, -0.2]])
    with torch.no_grad():
        found = mixture(centre, width).kl_divergence(mean, logvar)
    difference = found - kl_divergence(mean, logvar, centre.double(), width.double())
    assert difference.mean().abs() < 4 * difference.std() / 400**0.5
    assert difference.std() < 0.5


def test_kl_divergence_from_a_mixture_is_monte_carlos(prior):
    torch.manual_seed(0)
    mean, logvar = torch.tensor([0.3, 0.2]).double(), torch.tensor([-0.5, 0.1]).double()
    with torch.no_grad():
        draws = mean + (0.5 * logvar).exp() * torch.randn(100_000, 2, dtype=torch.float64)
        normal = torch.distributions.Normal(mean, (0.5 * logvar).exp())
        expected = (normal.log_prob(draws).sum(-1) - prior.log_prob(draws)).mean().item()
        found = prior.kl_divergence(mean.expand(2000, 2), logvar.expand(2000, 2)).mean().item()
    assert found == pytest.approx(expected, abs=0.02)


def test_effective_components_show_both_ways_to_collapse():
    centres = torch.tensor([[-20.0], [0.0], [20.0]])
    narrow = torch.zeros(3, 1)
    z = centres.double().repeat(50, 1)
    assert mixture(centres, narrow).effective_components(z).item() == pytest.approx(3)
    assert mixture(centres, narrow).effective_components(z[:1].repeat(50, 1)).item() == pytest.approx(1)
    assert mixture(torch.zeros(3, 1), narrow).effective_components(z).item() == pytest.approx(1)


@pytest.mark.parametrize("network", [True, False])
def test_every_parameter_is_learnt_and_no_two_components_start_the_same(network):
    torch.manual_seed(0)
    prior = GaussianMixture(5, 3, network=network)
    mean, _ = prior.components()
    assert torch.pdist(mean).min() > 0.1
    prior.log_prob(torch.randn(10, 3)).sum().backward()
    for name, parameter in prior.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("free", [-1e4, 1e4])
def test_widths_stay_in_their_bounds_with_a_finite_density_far_out(free):
    prior = GaussianMixture(2, 1, network=False)
    with torch.no_grad():
        prior.moments[:, 1] = free
    _, logvar = prior.components()
    assert logvar.allclose(torch.full((2, 1), math.copysign(LOGVAR_LIMIT, free)))
    density = prior.log_prob(torch.tensor([[1e6]]))
    density.backward()
    assert torch.isfinite(density)
    assert torch.isfinite(prior.moments.grad).all()


@pytest.mark.parametrize("prior", [StandardNormal(4), SubspaceMixture(classes=2, subspace_dim=2, scale=3.0)])
def test_densities_of_the_fixed_priors_are_scipys_and_sit_where_samples_do(prior):
    torch.manual_seed(0)
    z = prior.sample(50)
    means, logvars = (moments.numpy() for moments in prior.components())
    density = sum(multivariate_normal(mean, np.exp(logvar)).pdf(z.numpy()) for mean, logvar in zip(means, logvars))
    assert prior.log_prob(z).exp().numpy() == pytest.approx(density / len(means), rel=1e-4)
    assert prior.log_prob(z.view(5, 10, 4)).shape == (5, 10)
    assert prior.state_dict() == {}
