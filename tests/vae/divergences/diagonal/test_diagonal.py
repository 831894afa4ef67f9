"""Properties of the divergences of diagonal Gaussians, for each of them alike."""

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Normal
from torch.distributions import kl_divergence as torch_kl_divergence

from vae import divergences

PROPERTY = settings(max_examples=40, deadline=None, derandomize=True)


def gjs(mean, logvar, prior_mean=None, prior_logvar=None, *, alpha, dual, skew):
    options = {"dual": dual, "skew": skew, "prior_mean": prior_mean, "prior_logvar": prior_logvar}
    return divergences.geometric_js_divergence(mean, logvar, alpha, **options)


def extended(mean, logvar, prior_mean=None, prior_logvar=None, *, alpha, dual, skew):
    options = {"dual": dual, "skew": skew, "prior_mean": prior_mean, "prior_logvar": prior_logvar}
    return divergences.extended_geometric_js_divergence(mean, logvar, alpha, **options)


def bhattacharyya(mean, logvar, prior_mean=None, prior_logvar=None, *, alpha):
    return divergences.bhattacharyya_divergence(mean, logvar, alpha, prior_mean, prior_logvar)


def renyi(mean, logvar, prior_mean=None, prior_logvar=None, *, order):
    return divergences.renyi_divergence(mean, logvar, order, prior_mean, prior_logvar)


AFFINE_INVARIANT = {
    "kl": divergences.kl_divergence,
    "reverse_kl": divergences.reverse_kl_divergence,
    "jeffreys": divergences.jeffreys_divergence,
    "hellinger": divergences.squared_hellinger_distance,
    "bhattacharyya": partial(bhattacharyya, alpha=0.3),
    "renyi_0.4": partial(renyi, order=0.4),
    **{
        f"{function.__name__}_{skew}_{'dual' if dual else 'primal'}": partial(function, alpha=0.3, dual=dual, skew=skew)
        for function in (gjs, extended)
        for skew in ("paper", "nielsen")
        for dual in (False, True)
    },
}
ALL = {**AFFINE_INVARIANT, "wasserstein": divergences.squared_wasserstein_distance}
SYMMETRIC = ["jeffreys", "hellinger", "wasserstein"]
every = pytest.mark.parametrize("name", ALL)


def vectors(low, high, size=3):
    numbers = st.floats(low, high, allow_subnormal=False)
    return st.lists(numbers, min_size=size, max_size=size).map(lambda x: torch.tensor(x, dtype=torch.float64))


means, logvars = vectors(-5, 5), vectors(-4, 4)


def random_gaussians(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, generator=generator, dtype=dtype) for _ in range(4)]


@pytest.mark.slow
@every
@PROPERTY
@given(means, logvars, means, logvars)
def test_non_negative_and_zero_where_equal(name, mean, logvar, prior_mean, prior_logvar):
    assert ALL[name](mean, logvar, prior_mean, prior_logvar) >= 0
    assert ALL[name](mean, logvar, mean, logvar) == 0


@every
@pytest.mark.parametrize("change", [(0.01, 0.0), (0.0, 0.01), (0.0, -0.01)])
def test_zero_only_where_equal(name, change):
    mean, logvar, prior_mean, prior_logvar = torch.zeros(4, 3, dtype=torch.float64)
    mean[1], logvar[1] = change
    assert ALL[name](mean, logvar, prior_mean, prior_logvar) > 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("name", AFFINE_INVARIANT)
@PROPERTY
@given(means, logvars, means, logvars, means, vectors(-2, 2))
def test_affine_invariance(name, mean, logvar, prior_mean, prior_logvar, shift, log_scale):
    def transform(mean, logvar):
        return mean * log_scale.exp() + shift, logvar + 2 * log_scale

    before = ALL[name](mean, logvar, prior_mean, prior_logvar)
    after = ALL[name](*transform(mean, logvar), *transform(prior_mean, prior_logvar))
    torch.testing.assert_close(after, before, rtol=1e-9, atol=1e-9)


@PROPERTY
@given(means, logvars, means, logvars, means)
def test_wasserstein_is_invariant_under_translation(mean, logvar, prior_mean, prior_logvar, shift):
    before = divergences.squared_wasserstein_distance(mean, logvar, prior_mean, prior_logvar)
    after = divergences.squared_wasserstein_distance(mean + shift, logvar, prior_mean + shift, prior_logvar)
    torch.testing.assert_close(after, before, rtol=1e-9, atol=1e-9)


@PROPERTY
@given(means, logvars, means, logvars)
def test_exchanging_the_arguments(mean, logvar, prior_mean, prior_logvar):
    q, p = (mean, logvar), (prior_mean, prior_logvar)
    close = partial(torch.testing.assert_close, rtol=1e-9, atol=1e-12)
    for name in SYMMETRIC:
        close(ALL[name](*q, *p), ALL[name](*p, *q))
    close(divergences.kl_divergence(*q, *p), divergences.reverse_kl_divergence(*p, *q))
    close(
        divergences.jeffreys_divergence(*q, *p),
        divergences.kl_divergence(*q, *p) + divergences.reverse_kl_divergence(*q, *p),
    )
    close(bhattacharyya(*q, *p, alpha=0.3), bhattacharyya(*p, *q, alpha=0.7))
    close(0.6 * renyi(*q, *p, order=0.4), 0.4 * renyi(*p, *q, order=0.6))


@PROPERTY
@given(means, logvars, means, logvars)
def test_kl_is_that_of_torch_distributions(mean, logvar, prior_mean, prior_logvar):
    q, p = Normal(mean, torch.exp(logvar / 2)), Normal(prior_mean, torch.exp(prior_logvar / 2))
    arguments = mean, logvar, prior_mean, prior_logvar
    close = partial(torch.testing.assert_close, rtol=1e-10, atol=1e-10)
    close(divergences.kl_divergence(*arguments), torch_kl_divergence(q, p).sum())
    close(divergences.reverse_kl_divergence(*arguments), torch_kl_divergence(p, q).sum())


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_never_negative_near_the_prior(name, dtype):
    directions = torch.cat(random_gaussians(500, 2, dtype=dtype)[:2], -1)
    for size in 10.0 ** torch.arange(-12, 0):
        mean, logvar = (size * directions).split(2, -1)
        for m, v in ((mean, logvar), (mean, 0 * logvar), (0 * mean, logvar)):
            assert ALL[name](m, v).min() >= 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_relative_accuracy_near_the_prior(dtype):
    logvar = torch.logspace(-6, -3, 50, dtype=dtype).unsqueeze(-1)
    mean = torch.zeros_like(logvar)
    x = logvar.double().squeeze(-1)
    series = (x**2 / 2 + x**3 / 6 + x**4 / 24 + x**5 / 120 + x**6 / 720) / 2
    rtol = 1e-6 if dtype == torch.float32 else 1e-14
    value = divergences.kl_divergence(mean, logvar).double()
    torch.testing.assert_close(value, series, rtol=rtol, atol=0)


@every
def test_gradcheck(name):
    arguments = [argument.requires_grad_() for argument in random_gaussians(2, 3)]
    assert torch.autograd.gradcheck(ALL[name], arguments)


@every
def test_finite_in_float32(name):
    """Value and gradient for log-variances in [-30, 30], at the prior, and where one dimension is extreme."""
    logvar = torch.cartesian_prod(*[torch.tensor([-30.0, -10.0, -1e-4, 0.0, 1e-4, 10.0, 30.0])] * 2)
    for size in (0.0, 1e-4, 1.0, 50.0):
        mean = torch.full_like(logvar, size).requires_grad_()
        leaf = logvar.clone().requires_grad_()
        value = ALL[name](mean, leaf)
        value.sum().backward()
        assert value.isfinite().all() and (value >= 0).all()
        assert mean.grad.isfinite().all() and leaf.grad.isfinite().all()


@every
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(name, dtype):
    arguments = [argument.to(dtype) for argument in random_gaussians(5, 3)]
    value = ALL[name](*arguments)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, ALL[name](*[argument.float() for argument in arguments]))


@every
def test_autocast_changes_nothing(name):
    arguments = random_gaussians(5, 3, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = ALL[name](*arguments)
    torch.testing.assert_close(value, ALL[name](*arguments), rtol=0, atol=0)


@every
def test_shapes(name):
    mean, logvar, prior_mean, prior_logvar = random_gaussians(4, 5, 3)
    value = ALL[name](mean, logvar, prior_mean[0, 0], prior_logvar[0, 0])
    assert value.shape == (4, 5)
    one = ALL[name](mean[2, 3], logvar[2, 3], prior_mean[0, 0], prior_logvar[0, 0])
    assert one.shape == ()
    torch.testing.assert_close(value[2, 3], one)
    zeros = torch.zeros(3, dtype=torch.float64)
    torch.testing.assert_close(ALL[name](mean, logvar), ALL[name](mean, logvar, zeros, zeros))
    torch.testing.assert_close(ALL[name](mean, logvar[0]), ALL[name](mean, logvar[:1].expand(4, 5, 3)))


@every
def test_shapes_that_do_not_broadcast(name):
    with pytest.raises(ValueError, match=r"mean \(4, 3\), logvar \(4, 2\)"):
        ALL[name](torch.zeros(4, 3), torch.zeros(4, 2))
    with pytest.raises(ValueError, match=r"prior_mean \(2,\)"):
        ALL[name](torch.zeros(4, 3), torch.zeros(4, 3), torch.zeros(2))


def test_gradients_of_kl_are_the_closed_forms():
    mean, logvar, *_ = (argument.requires_grad_() for argument in random_gaussians(6, 3))
    divergences.kl_divergence(mean, logvar).sum().backward()
    torch.testing.assert_close(mean.grad, mean.detach())
    torch.testing.assert_close(logvar.grad, torch.expm1(logvar.detach()) / 2)
