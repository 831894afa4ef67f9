"""The Cauchy-Schwarz divergence of Gaussians and mixtures of them."""

import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from vae.divergences import cauchy_schwarz_divergence, full, mixture_cauchy_schwarz_divergence

PROPERTY = settings(max_examples=40, deadline=None, derandomize=True)
close = partial(torch.testing.assert_close, rtol=1e-9, atol=1e-12)


def arrays(low, high, *shape):
    numbers = st.floats(low, high, allow_subnormal=False)
    flat = st.lists(numbers, min_size=math.prod(shape), max_size=math.prod(shape))
    return flat.map(lambda x: torch.tensor(x, dtype=torch.float64).reshape(shape))


def mixtures(components):
    return st.tuples(arrays(-5, 5, components, 2), arrays(-4, 4, components, 2), arrays(-3, 3, components))


def random_mixture(components, latent_dim=2, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    mean, logvar = torch.randn(2, components, latent_dim, generator=generator, dtype=dtype)
    return mean, logvar, torch.randn(components, generator=generator, dtype=dtype)


def distribution(mean, logvar, logweight):
    return MixtureSameFamily(
        Categorical(logits=logweight),
        Independent(Normal(mean, torch.exp(logvar / 2)), 1),
        validate_args=False,
    )


@PROPERTY
@given(mixtures(3), mixtures(2))
def test_properties_of_two_mixtures(q, p):
    divergence = mixture_cauchy_schwarz_divergence(*q, *p)
    assert divergence >= -1e-12
    close(mixture_cauchy_schwarz_divergence(*p, *q), divergence)
    assert mixture_cauchy_schwarz_divergence(*q, *q) == 0


@PROPERTY
@given(mixtures(3), mixtures(2), arrays(-5, 5, 2), arrays(-2, 2, 2))
def test_affine_invariance(q, p, shift, log_scale):
    def transform(mean, logvar, logweight):
        return mean * log_scale.exp() + shift, logvar + 2 * log_scale, logweight

    before = mixture_cauchy_schwarz_divergence(*q, *p)
    after = mixture_cauchy_schwarz_divergence(*transform(*q), *transform(*p))
    torch.testing.assert_close(after, before, rtol=1e-8, atol=1e-8)


@PROPERTY
@given(arrays(-5, 5, 2), arrays(-4, 4, 2), mixtures(3))
def test_gaussian_is_a_mixture_of_one(mean, logvar, mixture):
    value = cauchy_schwarz_divergence(mean, logvar, *mixture)
    close(value, mixture_cauchy_schwarz_divergence(mean[None], logvar[None], None, *mixture))
    permutation = torch.tensor([2, 0, 1])
    close(value, cauchy_schwarz_divergence(mean, logvar, *(x[permutation] for x in mixture)))
    close(value, cauchy_schwarz_divergence(mean, logvar, *mixture[:2], mixture[2] + 7))


@PROPERTY
@given(arrays(-5, 5, 2), arrays(-4, 4, 2), arrays(-5, 5, 1, 2), arrays(-4, 4, 1, 2))
def test_one_component(mean, logvar, component_mean, component_logvar):
    value = cauchy_schwarz_divergence(mean, logvar, component_mean, component_logvar)
    covariances = torch.diag_embed(logvar.exp()), torch.diag_embed(component_logvar[0].exp())
    close(value, full.cauchy_schwarz_divergence(mean, covariances[0], component_mean[0], covariances[1]))
    assert value >= 0
    assert cauchy_schwarz_divergence(mean, logvar, mean[None], logvar[None]) == 0


def test_splitting_a_component_changes_nothing():
    mean, logvar, logweight = random_mixture(2)
    split = (
        mean[[0, 0, 1]],
        logvar[[0, 0, 1]],
        torch.stack([*(logweight[[0, 0]] - math.log(2)), logweight[1]]),
    )
    close(mixture_cauchy_schwarz_divergence(mean, logvar, logweight, *split).abs(), torch.zeros(()).double())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_component_is_never_negative_near_it(dtype):
    generator = torch.Generator().manual_seed(0)
    component_mean, component_logvar = torch.zeros(2, 1, 3, dtype=dtype)
    for size in 10.0 ** torch.arange(-12, 0):
        mean, logvar = size * torch.randn(2, 500, 3, generator=generator, dtype=dtype)
        assert cauchy_schwarz_divergence(mean, logvar, component_mean, component_logvar).min() >= 0


def test_by_monte_carlo():
    """Each of the three overlaps, from samples of one of its two factors."""
    torch.manual_seed(0)
    q, p = random_mixture(2), random_mixture(3, seed=1)
    value = mixture_cauchy_schwarz_divergence(*q, *p)
    q, p = distribution(*q), distribution(*p)

    def log_overlap(sampled, other):
        density = other.log_prob(sampled.sample((200_000,))).exp()
        return density.mean().log(), density.std() / density.mean() / math.sqrt(len(density))

    (cross, error), (self_q, error_q), (self_p, error_p) = map(log_overlap, (q, q, p), (p, q, p))
    standard_error = math.hypot(error, error_q / 2, error_p / 2)
    assert abs(value - (self_q / 2 + self_p / 2 - cross)) < 4 * standard_error


def test_gradcheck():
    q, p = random_mixture(2), random_mixture(3, seed=1)
    q, p = ([x.requires_grad_() for x in mixture] for mixture in (q, p))
    assert torch.autograd.gradcheck(mixture_cauchy_schwarz_divergence, (*q, *p))
    assert torch.autograd.gradcheck(cauchy_schwarz_divergence, (*q[:2], *p))
    assert torch.autograd.gradcheck(cauchy_schwarz_divergence, (*q[:2], *p[:2]))


def test_finite_in_float32():
    logvar = torch.cartesian_prod(*[torch.tensor([-30.0, -10.0, -1e-4, 0.0, 1e-4, 10.0, 30.0])] * 2)
    for size in (0.0, 1.0, 50.0):
        components = [x.requires_grad_() for x in random_mixture(3, dtype=torch.float32)]
        mean, leaf = torch.full_like(logvar, size).requires_grad_(), logvar.clone().requires_grad_()
        value = cauchy_schwarz_divergence(mean, leaf, *components)
        value.sum().backward()
        assert value.isfinite().all() and (value > 0).all()
        assert all(x.grad.isfinite().all() for x in (mean, leaf, *components))


def test_shapes():
    mean, logvar = torch.randn(2, 4, 5, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mixture = random_mixture(3)
    value = cauchy_schwarz_divergence(mean, logvar, *mixture)
    assert value.shape == (4, 5)
    close(value[1, 2], cauchy_schwarz_divergence(mean[1, 2], logvar[1, 2], *mixture))
    members = [torch.stack([x] * 4).unsqueeze(1) for x in mixture]
    close(cauchy_schwarz_divergence(mean, logvar, *members), value)
    members = [torch.stack([x] * 4) for x in mixture]
    assert mixture_cauchy_schwarz_divergence(*members, *random_mixture(2, seed=1)).shape == (4,)


def test_autocast_changes_nothing():
    mean, logvar, _ = random_mixture(5, dtype=torch.float32)
    mixture = random_mixture(3, seed=1, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = cauchy_schwarz_divergence(mean, logvar, *mixture)
        half = cauchy_schwarz_divergence(mean.bfloat16(), logvar.bfloat16(), *mixture)
    close(value, cauchy_schwarz_divergence(mean, logvar, *mixture), rtol=0, atol=0)
    assert half.dtype == torch.float32


def test_errors():
    mean, logvar, logweight = random_mixture(3)
    with pytest.raises(ValueError, match=r"component_mean \(3, 2\)"):
        cauchy_schwarz_divergence(torch.zeros(4, 5), torch.zeros(4, 5), mean, logvar)
    with pytest.raises(ValueError, match=r"one log-weight per component, 3, got shape \(2,\)"):
        cauchy_schwarz_divergence(mean[0], logvar[0], mean, logvar, logweight[:2])
    with pytest.raises(ValueError, match=r"mean1 \(1, 2\), mean2 \(1, 3\)"):
        mixture_cauchy_schwarz_divergence(mean, logvar, logweight, *random_mixture(3, latent_dim=3))
