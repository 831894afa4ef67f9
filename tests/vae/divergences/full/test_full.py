"""Divergences of Gaussians with full covariance: against the diagonal ones, and what only these have.

Those of covariances and those of Cholesky factors go through the same tests.
"""

from functools import partial

import pytest
import torch
from torch.distributions import MultivariateNormal
from torch.distributions import kl_divergence as torch_kl_divergence

from vae import divergences
from vae.divergences import full
from vae.divergences.full import cholesky

pytestmark = pytest.mark.slow

FORMS = [{"dual": dual, "skew": skew} for skew in ("paper", "nielsen") for dual in (False, True)]
close = partial(torch.testing.assert_close, rtol=1e-9, atol=1e-11)


def full_gjs(mean, covariance, prior_mean, prior_covariance, *, alpha=0.3, **form):
    prior = {"prior_mean": prior_mean, "prior_covariance": prior_covariance}
    return full.geometric_js_divergence(mean, covariance, alpha, **prior, **form)


def diagonal_gjs(mean, logvar, prior_mean, prior_logvar, *, alpha=0.3, **form):
    prior = {"prior_mean": prior_mean, "prior_logvar": prior_logvar}
    return divergences.geometric_js_divergence(mean, logvar, alpha, **prior, **form)


def full_extended(mean, covariance, prior_mean, prior_covariance, *, alpha=0.3, **form):
    """Of covariances by their factors, because only those of factors are public."""
    factors = [None if x is None else torch.linalg.cholesky(x) for x in (covariance, prior_covariance)]
    prior = {"prior_mean": prior_mean, "prior_scale_tril": factors[1]}
    return cholesky.extended_geometric_js_divergence(mean, factors[0], alpha, **prior, **form)


def diagonal_extended(mean, logvar, prior_mean, prior_logvar, *, alpha=0.3, **form):
    prior = {"prior_mean": prior_mean, "prior_logvar": prior_logvar}
    return divergences.extended_geometric_js_divergence(mean, logvar, alpha, **prior, **form)


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
    **{
        f"extended_{form['skew']}_{form['dual']}": (partial(full_extended, **form), partial(diagonal_extended, **form))
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


OF_FACTORS = {
    "kl": (cholesky.kl_divergence, full.kl_divergence),
    "reverse_kl": (cholesky.reverse_kl_divergence, full.reverse_kl_divergence),
    "jeffreys": (cholesky.jeffreys_divergence, full.jeffreys_divergence),
    "cauchy_schwarz": (cholesky.cauchy_schwarz_divergence, full.cauchy_schwarz_divergence),
    "wasserstein": (cholesky.squared_wasserstein_distance, full.squared_wasserstein_distance),
    **{f"gjs_{form['skew']}_{form['dual']}": None for form in FORMS},
}


def factor_gjs(mean, scale_tril, prior_mean, prior_scale_tril, *, alpha=0.3, **form):
    prior = {"prior_mean": prior_mean, "prior_scale_tril": prior_scale_tril}
    return cholesky.geometric_js_divergence(mean, scale_tril, alpha, **prior, **form)


for form in FORMS:
    OF_FACTORS[f"gjs_{form['skew']}_{form['dual']}"] = partial(factor_gjs, **form), partial(full_gjs, **form)
each_of_factors = pytest.mark.parametrize("name", OF_FACTORS)


def random_factor(*batch, n=3, seed=0, dtype=torch.float64):
    mean, covariance = random_gaussian(*batch, n=n, seed=seed, dtype=dtype)
    return mean, torch.linalg.cholesky(covariance)


@each_of_factors
def test_of_factors_is_that_of_covariances(name):
    of_factors, of_covariances = OF_FACTORS[name]
    (mean, factor), (prior_mean, prior_factor) = random_factor(6), random_factor(6, seed=1)
    expected = of_covariances(mean, factor @ factor.mT, prior_mean, prior_factor @ prior_factor.mT)
    close(of_factors(mean, factor, prior_mean, prior_factor), expected)
    close(of_factors(mean, factor, None, None), of_covariances(mean, factor @ factor.mT, None, None))
    assert of_factors(mean[0], factor[:, None], prior_mean[:1], prior_factor[0]).shape == (6, 1)


@each_of_factors
def test_gradcheck_of_factors(name):
    of_factors, _ = OF_FACTORS[name]
    arguments = [x.requires_grad_() for x in (*random_factor(2), *random_factor(2, seed=1))]

    def lower(mean, factor, prior_mean, prior_factor):
        return of_factors(mean, factor.tril(), prior_mean, prior_factor.tril())

    assert torch.autograd.gradcheck(lower, arguments)


@pytest.mark.parametrize("name", [name for name in OF_FACTORS if name != "wasserstein"])
@pytest.mark.parametrize("place", ["at the prior", "isotropic", "anywhere"])
def test_second_derivatives(name, place):
    """Finite and right also where eigenvalues of the covariances coincide, as at covariance = prior."""
    _, of_covariances = OF_FACTORS[name]
    mean, covariance = random_gaussian(2)
    prior_mean, prior_covariance = random_gaussian(2, seed=1)
    if place != "anywhere":
        prior_mean, prior_covariance = mean + 0.3, covariance * (1 if place == "at the prior" else 1.7)
    arguments = [x.clone().requires_grad_() for x in (mean, covariance, prior_mean, prior_covariance)]

    def symmetric(mean, covariance, prior_mean, prior_covariance):
        covariance, prior_covariance = covariance + covariance.mT, prior_covariance + prior_covariance.mT
        return of_covariances(mean, covariance / 2, prior_mean, prior_covariance / 2)

    assert torch.autograd.gradgradcheck(symmetric, arguments, atol=1e-4)


def test_hessian_of_kl_at_the_prior_is_the_fisher_information():
    """1/2 d^2 KL = 1/4 tr dS dS for N(0, I), in a direction dS."""
    direction = random_gaussian()[1]
    step = torch.zeros((), dtype=torch.float64, requires_grad=True)
    value = full.kl_divergence(torch.zeros(3).double(), torch.eye(3).double() + step * direction)
    (slope,) = torch.autograd.grad(value, step, create_graph=True)
    (curvature,) = torch.autograd.grad(slope, step)
    close(curvature, (direction @ direction).trace() / 2)


@pytest.mark.parametrize("name", [name for name in OF_FACTORS if name != "wasserstein"])
def test_relative_accuracy_near_the_prior(name):
    """In float32 against float64, for factors whose difference from the prior's is exact in both."""
    of_factors, _ = OF_FACTORS[name]
    lower = random_factor(200, n=5)[1]
    for size in (2.0**-4, 2.0**-8):
        single = (torch.eye(5).double() + size * lower.tril()).float(), (size * lower[..., 0]).float()
        value = of_factors(single[1], single[0], None, None).double()
        exact = of_factors(single[1].double(), single[0].double(), None, None)
        torch.testing.assert_close(value, exact, rtol=2e-7 / size, atol=0)


@pytest.mark.parametrize("name", [name for name in OF_FACTORS if name != "wasserstein"])
def test_finite_in_float32_for_extreme_variances(name):
    """Value and gradient for a diagonal of the factor from e^-15 to e^15, correlated or not."""
    of_factors, _ = OF_FACTORS[name]
    log_std = torch.cartesian_prod(*[torch.tensor([-15.0, -5.0, 0.0, 5.0, 15.0])] * 2)
    for correlation, size in ((0.0, 0.0), (0.5, 1.0), (-0.9, 50.0)):
        factor = torch.diag_embed(log_std.exp())
        factor[:, 1, 0] = correlation * factor[:, 1, 1]
        leaves = [x.requires_grad_() for x in (torch.full_like(log_std, size), factor)]
        value = of_factors(*leaves, None, None)
        value.sum().backward()
        assert value.isfinite().all() and (value >= 0).all()
        assert all(leaf.grad.isfinite().all() for leaf in leaves)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form['skew']}-{form['dual']}")
def test_terms_of_factors(form):
    (mean, factor), alpha = random_factor(5), torch.linspace(0, 1, 5, dtype=torch.float64)
    to_posterior, to_prior = cholesky.geometric_js_terms(mean, factor, alpha, **form)
    assert (to_posterior >= 0).all() and (to_prior >= 0).all()
    value = cholesky.geometric_js_divergence(mean, factor, alpha, **form)
    close(value, (1 - alpha) * to_posterior + alpha * to_prior)
    logvar = 2 * factor.diagonal(dim1=-2, dim2=-1).log()
    diagonal = torch.diag_embed(factor.diagonal(dim1=-2, dim2=-1))
    expected = divergences.geometric_js_terms(mean, logvar, alpha, **form)
    for term, wanted in zip(cholesky.geometric_js_terms(mean, diagonal, alpha, **form), expected, strict=True):
        close(term, wanted)


@each_of_factors
def test_vmap_over_members(name):
    of_factors, of_covariances = OF_FACTORS[name]
    (mean, factor), (prior_mean, prior_factor) = random_factor(4), random_factor(seed=1)
    mapped = torch.func.vmap(lambda m, f: of_factors(m, f, prior_mean, prior_factor))(mean, factor)
    close(mapped, of_factors(mean, factor, prior_mean, prior_factor))
    prior_covariance = prior_factor @ prior_factor.mT
    mapped = torch.func.vmap(lambda m, c: of_covariances(m, c, prior_mean, prior_covariance))(mean, factor @ factor.mT)
    close(mapped, of_factors(mean, factor, prior_mean, prior_factor))


@pytest.mark.parametrize("function", [cholesky.geometric_js_divergence, cholesky.extended_geometric_js_divergence])
def test_learnt_alpha_of_factors(function):
    (mean, factor), alpha = random_factor(4), torch.tensor([0.0, 0.3, 0.7, 1.0], dtype=torch.float64)
    for form in FORMS:
        value = function(mean, factor, alpha, **form)
        for i, number in enumerate(alpha.tolist()):
            close(value[i], function(mean, factor, number, **form)[i])
        leaf = alpha.clone().requires_grad_()
        assert torch.autograd.gradcheck(partial(function, mean, factor, **form), leaf)


def test_errors_of_factors():
    mean, factor = random_factor(4)
    with pytest.raises(ValueError, match=r"scale_tril must have shape \(..., 3, 3\).* got \(4, 2, 3\)"):
        cholesky.kl_divergence(mean, factor[:, :2])
    with pytest.raises(ValueError, match=r"prior_scale_tril must have shape \(..., 3, 3\).* got \(2, 2\)"):
        cholesky.geometric_js_divergence(mean, factor, 0.5, prior_scale_tril=torch.eye(2))
    with pytest.raises(ValueError, match=r"mean \(4, 3\), scale_tril \(5, 3\)"):
        cholesky.squared_wasserstein_distance(mean, random_factor(5)[1])
    with pytest.raises(ValueError, match="alpha must lie"):
        cholesky.geometric_js_divergence(mean, factor, 2.0)
    with pytest.raises(ValueError, match="skew must be one of"):
        cholesky.extended_geometric_js_divergence(mean, factor, 0.5, skew="x")
