"""Divergences of Gaussians with full covariance: against the diagonal ones, and what only these have."""

from functools import partial

import pytest
import torch
from torch.distributions import MultivariateNormal
from torch.distributions import kl_divergence as torch_kl_divergence

from vae import divergences
from vae.divergences import full

FORMS = [{"dual": dual, "skew": skew} for skew in ("paper", "nielsen") for dual in (False, True)]
close = partial(torch.testing.assert_close, rtol=1e-9, atol=1e-11)


def full_gjs(mean, covariance, prior_mean, prior_covariance, *, alpha=0.3, **form):
    prior = {"prior_mean": prior_mean, "prior_covariance": prior_covariance}
    return full.geometric_js_divergence(mean, covariance, alpha, **prior, **form)


def diagonal_gjs(mean, logvar, prior_mean, prior_logvar, *, alpha=0.3, **form):
    prior = {"prior_mean": prior_mean, "prior_logvar": prior_logvar}
    return divergences.geometric_js_divergence(mean, logvar, alpha, **prior, **form)


def diagonal_cauchy_schwarz(mean, logvar, prior_mean, prior_logvar):
    component = prior_mean.unsqueeze(-2), prior_logvar.unsqueeze(-2)
    return divergences.cauchy_schwarz_divergence(mean, logvar, *component)


PAIRS = {
    "kl": (full.kl_divergence, divergences.kl_divergence),
    "reverse_kl": (full.reverse_kl_divergence, divergences.reverse_kl_divergence),
    "jeffreys": (full.jeffreys_divergence, divergences.jeffreys_divergence),
    "cauchy_schwarz": (full.cauchy_schwarz_divergence, diagonal_cauchy_schwarz),
    **{
        f"gjs_{form['skew']}_{form['dual']}": (partial(full_gjs, **form), partial(diagonal_gjs, **form))
        for form in FORMS
    },
    "wasserstein": (full.squared_wasserstein_distance, divergences.squared_wasserstein_distance),
}
AFFINE_INVARIANT = [name for name in PAIRS if name != "wasserstein"]
every = pytest.mark.parametrize("name", PAIRS)


def random_gaussian(*batch, n=3, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(*batch, n, generator=generator, dtype=dtype)
    factor = torch.randn(*batch, n, n, generator=generator, dtype=dtype)
    return mean, factor @ factor.mT + 0.3 * torch.eye(n, dtype=dtype)


@every
def test_diagonal_equals_full(name):
    of_full, of_diagonal = PAIRS[name]
    generator = torch.Generator().manual_seed(0)
    mean, logvar, prior_mean, prior_logvar = torch.randn(4, 6, 3, generator=generator, dtype=torch.float64)
    value = of_full(mean, torch.diag_embed(logvar.exp()), prior_mean, torch.diag_embed(prior_logvar.exp()))
    assert value.shape == (6,)
    close(value, of_diagonal(mean, logvar, prior_mean, prior_logvar))


@every
def test_non_negative_and_zero_only_where_equal(name):
    of_full, _ = PAIRS[name]
    q, p = random_gaussian(20), random_gaussian(20, seed=1)
    assert (of_full(*q, *p) > 1e-3).all()
    assert (of_full(*q, *q).abs() < 1e-20).all()


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_never_negative_near_the_prior(name, dtype):
    of_full, _ = PAIRS[name]
    mean, covariance = random_gaussian(100, dtype=dtype)
    direction, _ = random_gaussian(100, seed=1, dtype=dtype)
    for size in 10.0 ** torch.arange(-12, 0):
        near = mean + size * direction, covariance * (1 + size)
        assert of_full(*near, mean, covariance).min() >= 0


@pytest.mark.parametrize("name", AFFINE_INVARIANT)
def test_affine_invariance(name):
    of_full, _ = PAIRS[name]
    q, p = random_gaussian(20), random_gaussian(20, seed=1)
    shift, matrix = random_gaussian(seed=2)

    def transform(mean, covariance):
        return mean @ matrix.mT + shift, matrix @ covariance @ matrix.mT

    close(of_full(*transform(*q), *transform(*p)), of_full(*q, *p))


def test_wasserstein_is_invariant_under_rotation():
    q, p = random_gaussian(20), random_gaussian(20, seed=1)
    shift, matrix = random_gaussian(seed=2)
    rotation = torch.linalg.qr(matrix).Q

    def transform(mean, covariance):
        return mean @ rotation.mT + shift, rotation @ covariance @ rotation.mT

    before = full.squared_wasserstein_distance(*q, *p)
    close(full.squared_wasserstein_distance(*transform(*q), *transform(*p)), before)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form['skew']}-{form['dual']}")
def test_exchanging_q_and_p_exchanges_alpha(form):
    q, p = random_gaussian(20), random_gaussian(20, seed=1)
    for alpha in (0.0, 0.2, 0.5, 1.0):
        close(full_gjs(*q, *p, alpha=alpha, **form), full_gjs(*p, *q, alpha=1 - alpha, **form))


def test_limits():
    q, p = random_gaussian(20), random_gaussian(20, seed=1)
    forward, reverse = full.kl_divergence(*q, *p), full.reverse_kl_divergence(*q, *p)
    close(full_gjs(*q, *p, alpha=0), forward)
    close(full_gjs(*q, *p, alpha=1), reverse)
    close(full_gjs(*q, *p, alpha=0, dual=True), reverse)
    close(full_gjs(*q, *p, alpha=1, dual=True), forward)
    primal, dual = (full_gjs(*q, *p, alpha=0.2, dual=dual, skew="nielsen") for dual in (False, True))
    close(primal + dual, 0.16 * full.jeffreys_divergence(*q, *p))


def test_kl_is_that_of_torch_distributions():
    q, p = random_gaussian(20), random_gaussian(20, seed=1)
    expected = torch_kl_divergence(MultivariateNormal(*q), MultivariateNormal(*p))
    close(full.kl_divergence(*q, *p), expected)
    close(full.reverse_kl_divergence(*p, *q), expected)


@every
def test_gradcheck(name):
    of_full, _ = PAIRS[name]
    arguments = [x.requires_grad_() for x in (*random_gaussian(2), *random_gaussian(2, seed=1))]

    def symmetric(mean, covariance, prior_mean, prior_covariance):
        covariance, prior_covariance = covariance + covariance.mT, prior_covariance + prior_covariance.mT
        return of_full(mean, covariance / 2, prior_mean, prior_covariance / 2)

    assert torch.autograd.gradcheck(symmetric, arguments)


@every
def test_gradient_where_eigenvalues_coincide(name):
    """Isotropic q and p: the gradient is that of the diagonal form, not nan."""
    of_full, of_diagonal = PAIRS[name]
    prior_mean = torch.zeros(3, dtype=torch.float64)
    mean, logvar = prior_mean + 0.5, torch.full_like(prior_mean, 0.7).requires_grad_()
    (expected,) = torch.autograd.grad(of_diagonal(mean, logvar, prior_mean, torch.zeros_like(prior_mean)), logvar)
    value = of_full(mean, torch.diag_embed(logvar.exp()), prior_mean, torch.eye(3, dtype=torch.float64))
    close(torch.autograd.grad(value, logvar)[0], expected)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form['skew']}-{form['dual']}")
def test_learnt_alpha(form):
    q, p = random_gaussian(4), random_gaussian(4, seed=1)
    alpha = torch.tensor([0.0, 0.3, 0.7, 1.0], dtype=torch.float64, requires_grad=True)
    value = full_gjs(*q, *p, alpha=alpha, **form)
    for i, number in enumerate(alpha.tolist()):
        close(value[i], full_gjs(*q, *p, alpha=number, **form)[i])
    assert torch.autograd.gradcheck(lambda a: full_gjs(*q, *p, alpha=a, **form), alpha)


@every
def test_broadcasting_and_default_prior(name):
    of_full, _ = PAIRS[name]
    mean, covariance = random_gaussian(4, 5)
    standard = torch.zeros(3, dtype=torch.float64), torch.eye(3, dtype=torch.float64)
    value = of_full(mean[0], covariance[:, :1], *standard)
    assert value.shape == (4, 5)
    close(value[2, 3], of_full(mean[0, 3], covariance[2, 0], *standard))
    close(of_full(mean[0], covariance[:, :1], None, None), value)


@every
def test_autocast_changes_nothing(name):
    of_full, _ = PAIRS[name]
    arguments = (*random_gaussian(4, dtype=torch.float32), *random_gaussian(4, seed=1, dtype=torch.float32))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = of_full(*arguments)
    close(value, of_full(*arguments), rtol=0, atol=0)


def test_errors():
    mean, covariance = random_gaussian(4)
    with pytest.raises(ValueError, match="covariance must be positive definite"):
        full.kl_divergence(mean, -covariance)
    with pytest.raises(ValueError, match=r"prior_covariance must have shape \(..., 3, 3\).* got \(2, 2\)"):
        full.kl_divergence(mean, covariance, None, torch.eye(2))
    with pytest.raises(ValueError, match=r"mean \(4, 3\), covariance \(5, 3\)"):
        full.kl_divergence(mean, random_gaussian(5)[1])
    with pytest.raises(ValueError, match="alpha must lie"):
        full.geometric_js_divergence(mean, covariance, 2.0)
    with pytest.raises(ValueError, match="skew must be one of"):
        full.geometric_js_divergence(mean, covariance, 0.5, skew="x")
    with pytest.raises(ValueError, match=r"alpha \(3,\), result \(4,\)"):
        full.geometric_js_divergence(mean, covariance, torch.rand(3))
