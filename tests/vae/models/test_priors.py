"""The priors against scipy, closed forms and Monte Carlo."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch.distributions import Independent, Laplace, Normal

from vae.divergences import kl_divergence
from vae.models.priors import GaussianMixture, Mixture, Prior, StandardNormal, SubspaceMixture
from vae.models.priors.gaussian_mixture import LOGVAR_LIMIT


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
        found = mixture(centre, width).eval().kl_divergence(mean, logvar)
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


class Laplaces(Prior):
    """Of these scales: a prior that says what its distribution is, and nothing else."""

    def __init__(self, *scales):
        super().__init__(len(scales))
        self.register_buffer("scale", torch.tensor(scales, dtype=torch.float64))

    def distribution(self):
        return Independent(Laplace(torch.zeros_like(self.scale), self.scale), 1)


EVERY_PRIOR = {
    "normal": StandardNormal(4).double(),
    "classes": SubspaceMixture(classes=2, subspace_dim=2, scale=3.0).double(),
    "learnt": GaussianMixture(3, 4, network=True).double(),
    "own": Laplaces(0.5, 1.0, 1.0, 2.0),
}


@pytest.mark.parametrize("prior", EVERY_PRIOR.values(), ids=EVERY_PRIOR)
def test_every_prior_offers_what_is_asked_of_it_in_these_shapes(prior):
    torch.manual_seed(0)
    with torch.no_grad():
        z, (mean, logvar) = prior.sample(7), torch.randn(2, 5, 4, dtype=torch.float64)
        assert z.shape == (7, prior.latent_dim) == (7, 4)
        assert prior.log_prob(z.view(7, 1, 4)).shape == (7, 1)
        assert prior.distribution().event_shape == (4,)
        assert prior.log_prob(z.double()).allclose(prior.distribution().log_prob(z.double()))
        assert prior.kl_divergence(mean, logvar).shape == (5,)
        assert prior.kl_divergence(mean, logvar).isfinite().all()
        origins, unit = prior.traversal()
        assert (origins.shape, unit.shape) == ((4, 4), (4,))
        assert (unit > 0).all()
        assert prior.precision(mean).shape == (5, 4)
        assert (prior.precision(mean) > 0).all()


@pytest.mark.parametrize("prior", EVERY_PRIOR.values(), ids=EVERY_PRIOR)
def test_means_and_standard_deviations_are_those_of_samples(prior):
    torch.manual_seed(0)
    with torch.no_grad():
        z = prior.sample(40_000).double()
        mean, sd = prior.mean_and_sd()
    torch.testing.assert_close(mean.double(), z.mean(0), rtol=0, atol=0.1)
    torch.testing.assert_close(sd.double(), z.std(0), rtol=0.05, atol=0)


@pytest.mark.parametrize("prior", [StandardNormal(2).double(), Laplaces(0.5, 2.0)], ids=["closed form", "by draws"])
def test_kl_divergence_is_that_of_quadrature(prior):
    torch.manual_seed(0)
    mean, logvar = torch.tensor([0.7, -0.4]).double(), torch.tensor([-1.0, 0.3]).double()
    axis = torch.arange(-9, 9, 0.02, dtype=torch.float64)
    z = torch.cartesian_prod(axis, axis)
    log_q = Independent(Normal(mean, (0.5 * logvar).exp()), 1).log_prob(z)
    expected = (log_q.exp() * (log_q - prior.log_prob(z))).sum().item() * 0.02**2
    found = prior.kl_divergence(mean.expand(2000, 2), logvar.expand(2000, 2)).mean().item()
    assert found == pytest.approx(expected, abs=0.01)


def test_a_prior_that_is_no_mixture_has_no_components():
    assert not hasattr(Laplaces(1.0), "components")
    assert all(hasattr(prior, "components") == isinstance(prior, Mixture) for prior in EVERY_PRIOR.values())


def test_a_prior_without_a_distribution_is_refused_at_once():
    with pytest.raises(TypeError, match="abstract.*distribution"):
        type("Nothing", (Prior,), {})(3)


def test_precision_of_a_mixture_is_that_of_the_component_that_is_near():
    narrow = mixture(torch.tensor([[0.0], [10.0]]), torch.tensor([[0.0], [-1.0]]))
    with torch.no_grad():
        found = narrow.precision(torch.tensor([[0.0], [10.0]], dtype=torch.float64))
    torch.testing.assert_close(found, torch.tensor([[1.0], [math.e]], dtype=torch.float64))


@pytest.mark.parametrize("prior", [StandardNormal(2), GaussianMixture(3, 2, network=False), SubspaceMixture(3, 2, 1.0)])
def test_draws_have_the_type_of_the_prior(prior):
    assert prior.double().sample(4).dtype == torch.float64
