"""The convention for alpha: both limits, symmetries, a learnt alpha; and the definition by sampling."""

import itertools
import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Normal

from vae.divergences import (
    bhattacharyya_divergence,
    extended_geometric_js_divergence,
    geometric_js_divergence,
    geometric_js_terms,
    geometric_mean,
    jeffreys_divergence,
    kl_divergence,
    reverse_kl_divergence,
    squared_hellinger_distance,
)

PROPERTY = settings(max_examples=40, deadline=None, derandomize=True)
FORMS = [{"dual": dual, "skew": skew} for skew in ("paper", "nielsen") for dual in (False, True)]
every_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form['skew']}-{form['dual']}")
ALPHA_KINDS = {"float": float, "tensor": partial(torch.tensor, dtype=torch.float64)}
alpha_kinds = pytest.mark.parametrize("make_alpha", ALPHA_KINDS.values(), ids=ALPHA_KINDS)
close = partial(torch.testing.assert_close, rtol=1e-10, atol=1e-12)


def vectors(low, high, size=3):
    numbers = st.floats(low, high, allow_subnormal=False)
    return st.lists(numbers, min_size=size, max_size=size).map(lambda x: torch.tensor(x, dtype=torch.float64))


means, logvars, alphas = vectors(-5, 5), vectors(-4, 4), st.floats(0, 1, allow_subnormal=False)


def random_posterior(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(*shape, generator=generator, dtype=dtype) for _ in range(2))


@alpha_kinds
def test_limits_of_the_papers_skew(make_alpha):
    """Deasy et al. 2020, eq. 18 and 19, in value and gradient."""
    limits = {
        (False, 0.0): kl_divergence,
        (False, 1.0): reverse_kl_divergence,
        (True, 0.0): reverse_kl_divergence,
        (True, 1.0): kl_divergence,
    }
    for (dual, alpha), limit in limits.items():
        q = [x.requires_grad_() for x in random_posterior(5, 3)]
        value, expected = geometric_js_divergence(*q, make_alpha(alpha), dual=dual), limit(*q)
        close(value, expected)
        for gradient, expected_gradient in zip(
            torch.autograd.grad(value.sum(), q), torch.autograd.grad(expected.sum(), q), strict=True
        ):
            close(gradient, expected_gradient)
        near = geometric_js_divergence(*q, make_alpha(abs(alpha - 1e-7)), dual=dual)
        torch.testing.assert_close(near, expected, rtol=1e-5, atol=1e-6)


@alpha_kinds
@pytest.mark.parametrize("dual", [False, True])
def test_limits_of_nielsens_skew(make_alpha, dual):
    """Deasy et al. 2020, eq. 14 and 15."""
    q = random_posterior(5, 3)
    for alpha in (0.0, 1.0):
        assert (geometric_js_divergence(*q, make_alpha(alpha), dual=dual, skew="nielsen") == 0).all()
        near = geometric_js_divergence(*q, make_alpha(abs(alpha - 1e-7)), dual=dual, skew="nielsen")
        assert (near > 0).all() and (near < 1e-4).all()


@PROPERTY
@given(means, logvars, means, logvars, alphas)
def test_exchanging_q_and_p_exchanges_alpha(mean, logvar, prior_mean, prior_logvar, alpha):
    for form in FORMS:
        forwards = geometric_js_divergence(
            mean, logvar, alpha, prior_mean=prior_mean, prior_logvar=prior_logvar, **form
        )
        backwards = geometric_js_divergence(
            prior_mean, prior_logvar, 1 - alpha, prior_mean=mean, prior_logvar=logvar, **form
        )
        torch.testing.assert_close(forwards, backwards, rtol=1e-9, atol=1e-12)


@PROPERTY
@given(means, logvars, alphas)
def test_nielsens_primal_and_dual_add_up_to_jeffreys(mean, logvar, alpha):
    total = sum(geometric_js_divergence(mean, logvar, alpha, dual=d, skew="nielsen") for d in (False, True))
    close(total, alpha * (1 - alpha) * jeffreys_divergence(mean, logvar))


@PROPERTY
@given(means, logvars, alphas)
def test_papers_primal_is_the_quadratic_less_a_bhattacharyya(mean, logvar, alpha):
    quadratic = (1 - alpha) ** 2 * kl_divergence(mean, logvar) + alpha**2 * reverse_kl_divergence(mean, logvar)
    jensen_gap = geometric_js_divergence(mean, logvar, 1 - alpha, dual=True, skew="nielsen")
    value = geometric_js_divergence(mean, logvar, alpha)
    torch.testing.assert_close(value, quadratic - jensen_gap, rtol=1e-9, atol=1e-9)


@PROPERTY
@given(means, logvars)
def test_skews_agree_at_one_half(mean, logvar):
    for dual in (False, True):
        values = [geometric_js_divergence(mean, logvar, 0.5, dual=dual, skew=s) for s in ("paper", "nielsen")]
        close(*values)


@every_form
@PROPERTY
@given(means, logvars, alphas)
def test_terms(form, mean, logvar, alpha):
    to_posterior, to_prior = geometric_js_terms(mean, logvar, alpha, **form)
    assert to_posterior >= 0 and to_prior >= 0
    close(geometric_js_divergence(mean, logvar, alpha, **form), (1 - alpha) * to_posterior + alpha * to_prior)


@every_form
@pytest.mark.parametrize("alpha", [0.0, 1e-6, 0.3, 0.5, 0.7, 1 - 1e-6, 1.0])
def test_number_and_tensor_agree(form, alpha):
    q = random_posterior(5, 3)
    tensor = torch.tensor(alpha, dtype=torch.float64)
    close(geometric_js_divergence(*q, alpha, **form), geometric_js_divergence(*q, tensor, **form))


@every_form
@pytest.mark.parametrize("alpha", [0.0, 1e-3, 0.3, 0.5, 0.8, 1.0])
def test_gradcheck_with_alpha(form, alpha):
    q = [x.requires_grad_() for x in random_posterior(2, 3)]
    leaf = torch.tensor(alpha, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(partial(geometric_js_divergence, **form), (*q, leaf))


def test_slopes_in_alpha_at_the_ends():
    q = random_posterior(3)
    forward, reverse = kl_divergence(*q), reverse_kl_divergence(*q)
    for alpha, slope in ((0.0, -2 * forward - reverse), (1.0, forward + 2 * reverse)):
        leaf = torch.tensor(alpha, dtype=torch.float64, requires_grad=True)
        geometric_js_divergence(*q, leaf).backward()
        close(leaf.grad, slope)


@every_form
def test_one_alpha_per_example_or_member(form):
    mean, logvar = random_posterior(4, 5, 3)
    for shape in ((5,), (4, 1), (4, 5)):
        alpha = torch.linspace(0, 1, math.prod(shape), dtype=torch.float64).reshape(shape)
        value = geometric_js_divergence(mean, logvar, alpha, **form)
        assert value.shape == (4, 5)
        for i, j in itertools.product(range(4), range(5)):
            one = geometric_js_divergence(mean[i, j], logvar[i, j], float(alpha.expand(4, 5)[i, j]), **form)
            close(value[i, j], one)


@every_form
def test_vmap_over_members(form):
    mean, logvar = random_posterior(4, 5, 3)
    alpha = torch.tensor([0.0, 0.2, 0.7, 1.0], dtype=torch.float64)
    mapped = torch.func.vmap(partial(geometric_js_divergence, **form))(mean, logvar, alpha)
    close(mapped, geometric_js_divergence(mean, logvar, alpha[:, None], **form))


@every_form
def test_finite_in_float32(form):
    """Value and all gradients, for alpha at the ends, beside them and between, number and tensor."""
    logvar = torch.cartesian_prod(*[torch.tensor([-30.0, -10.0, -1e-4, 0.0, 1e-4, 10.0, 30.0])] * 2)
    for alpha, size in itertools.product((0.0, 1e-30, 1e-6, 0.5, 1 - 1e-6, 1.0), (0.0, 1.0, 50.0)):
        for argument in (alpha, torch.full((len(logvar),), alpha, requires_grad=True)):
            mean = torch.full_like(logvar, size).requires_grad_()
            leaf = logvar.clone().requires_grad_()
            value = geometric_js_divergence(mean, leaf, argument, **form)
            value.sum().backward()
            assert value.isfinite().all() and (value >= 0).all()
            for x in (mean, leaf, argument):
                assert not isinstance(x, torch.Tensor) or x.grad.isfinite().all()


@every_form
@pytest.mark.parametrize("function", [geometric_js_divergence, extended_geometric_js_divergence])
def test_right_in_float32_for_extreme_variances_of_both(form, function):
    """logvar and prior_logvar in [-30, 30], so that they differ by up to 60; alpha at the ends and next to them."""
    logvar, prior_logvar = torch.cartesian_prod(*[torch.tensor([-30.0, -25.0, -1.0, 0.0, 20.0, 30.0])] * 2).unbind(-1)
    logvar, prior_logvar = logvar.unsqueeze(-1), prior_logvar.unsqueeze(-1)
    for alpha, size in itertools.product((0.0, 1e-6, 0.5, 1 - 1e-6, 1 - 1e-12, 1 - 1e-15, 1.0), (0.0, 1.0, 50.0)):
        for argument in (alpha, torch.full((len(logvar),), alpha)):
            leaves = [x.clone().requires_grad_() for x in (torch.full_like(logvar, size), logvar)]
            value = function(*leaves, argument, prior_logvar=prior_logvar, **form)
            value.sum().backward()
            exact_alpha = alpha if isinstance(argument, float) else float(argument[0])
            exact = function(
                *(x.detach().double() for x in leaves), exact_alpha, prior_logvar=prior_logvar.double(), **form
            )
            torch.testing.assert_close(value.detach().double(), exact, rtol=1e-5, atol=1e-6)
            stated = exact < 1e19 if function is extended_geometric_js_divergence and form["dual"] else exact >= 0
            assert all(leaf.grad[stated].isfinite().all() for leaf in leaves)


def test_alpha_that_puts_the_mean_on_a_much_wider_prior():
    logvar, prior_logvar = torch.tensor([-25.0], requires_grad=True), torch.tensor([20.0])
    value = geometric_js_divergence(torch.zeros(1), logvar, 0.0, prior_logvar=prior_logvar)
    assert value.item() == 22.0 == kl_divergence(torch.zeros(1), logvar, None, prior_logvar).item()
    value.backward()
    assert logvar.grad.item() == -0.5


@every_form
@pytest.mark.parametrize("make_alpha", [float, torch.tensor], ids=["float", "tensor"])
def test_float32_agrees_with_float64(form, make_alpha):
    mean, logvar = random_posterior(200, 3, dtype=torch.float32)
    logvar = 8 * logvar
    for alpha in (0.0, 1e-6, 0.1, 0.5, 0.9, 1.0):
        value = geometric_js_divergence(mean, logvar, make_alpha(alpha), **form)
        exact = geometric_js_divergence(mean.double(), logvar.double(), float(torch.tensor(alpha)), **form)
        torch.testing.assert_close(value.double(), exact, rtol=1e-5, atol=1e-6)


@every_form
@pytest.mark.parametrize("alpha", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_definition_by_monte_carlo(form, alpha):
    generator = torch.Generator().manual_seed(2)
    mean, logvar = torch.tensor([0.6, -1.0]).double(), torch.tensor([-0.8, 0.5]).double()
    prior_mean, prior_logvar = torch.tensor([0.1, 0.3]).double(), torch.tensor([0.2, -0.4]).double()
    b = 1 - alpha if form["skew"] == "paper" else alpha
    precision = (1 - b) * torch.exp(-logvar) + b * torch.exp(-prior_logvar)
    centre = ((1 - b) * mean * torch.exp(-logvar) + b * prior_mean * torch.exp(-prior_logvar)) / precision
    q, p = Normal(mean, torch.exp(logvar / 2)), Normal(prior_mean, torch.exp(prior_logvar / 2))
    middle = Normal(centre, precision.rsqrt())

    def kl(first, second):
        noise = torch.randn(100_000, 2, generator=generator, dtype=torch.float64)
        z = first.loc + first.scale * noise
        terms = (first.log_prob(z) - second.log_prob(z)).sum(-1)
        return terms.mean(), terms.std() / math.sqrt(len(terms))

    pairs = ((middle, q), (middle, p)) if form["dual"] else ((q, middle), (p, middle))
    (to_q, error_q), (to_p, error_p) = (kl(*pair) for pair in pairs)
    value = geometric_js_divergence(mean, logvar, alpha, prior_mean=prior_mean, prior_logvar=prior_logvar, **form)
    standard_error = math.hypot((1 - alpha) * error_q, alpha * error_p)
    assert abs(value - ((1 - alpha) * to_q + alpha * to_p)) < 4 * standard_error + 1e-9


def test_errors():
    mean, logvar = torch.zeros(4, 3), torch.zeros(4, 3)
    for alpha in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match=rf"alpha must lie in \[0, 1\], got {alpha}"):
            geometric_js_divergence(mean, logvar, alpha)
    with pytest.raises(ValueError, match="skew must be one of paper, nielsen, got 'primed'"):
        geometric_js_divergence(mean, logvar, 0.5, skew="primed")
    with pytest.raises(ValueError, match=r"alpha \(3,\), result \(4,\)"):
        geometric_js_divergence(mean, logvar, torch.full((3,), 0.5))


def test_half_precision_alpha():
    mean, logvar = (x.bfloat16() for x in random_posterior(5, 3))
    alpha = torch.tensor(0.3, dtype=torch.bfloat16)
    value = geometric_js_divergence(mean, logvar, alpha)
    assert value.dtype == torch.float32
    close(value, geometric_js_divergence(mean.float(), logvar.float(), alpha.float()), rtol=0, atol=0)


@PROPERTY
@given(means, logvars, means, logvars, alphas, st.sampled_from(["paper", "nielsen"]))
def test_geometric_mean_combines_precisions(mean, logvar, prior_mean, prior_logvar, alpha, skew):
    """Deasy et al. 2020, eq. 12 and 13, with the weights of eq. 16; ends included."""
    b = 1 - alpha if skew == "paper" else alpha
    prior = {"prior_mean": prior_mean, "prior_logvar": prior_logvar}
    q_precision, p_precision = (1 - b) * torch.exp(-logvar), b * torch.exp(-prior_logvar)
    variance = 1 / (q_precision + p_precision)
    mean_b, logvar_b = geometric_mean(mean, logvar, alpha, skew=skew, **prior)
    close(logvar_b, variance.log())
    close(mean_b, variance * (q_precision * mean + p_precision * prior_mean))


@every_form
def test_divergence_is_that_of_the_geometric_mean(form):
    """JS^G by its definition, with N_b as a Gaussian of its own."""
    q, p = random_posterior(5, 3), random_posterior(3, seed=1)
    prior = {"prior_mean": p[0], "prior_logvar": p[1]}
    alpha = torch.linspace(0, 1, 5, dtype=torch.float64)
    between = geometric_mean(*q, alpha, skew=form["skew"], **prior)
    as_prior = {"prior_mean": between[0], "prior_logvar": between[1]}
    kl = reverse_kl_divergence if form["dual"] else kl_divergence
    expected = (1 - alpha) * kl(*q, **as_prior) + alpha * kl(*p, **as_prior)
    close(geometric_js_divergence(*q, alpha, **form, **prior), expected)


def test_geometric_mean_of_figure_1():
    """N(-2, 1) and N(2, 2^2) have N_0.5 = N(-1.2, 1.6), not the N(-2/3, (4/3)^2) of the published figure."""
    mean, logvar = torch.tensor([2.0], dtype=torch.float64), torch.tensor([4.0], dtype=torch.float64).log()
    mean_b, logvar_b = geometric_mean(mean, logvar, 0.5, prior_mean=torch.tensor([-2.0], dtype=torch.float64))
    close(mean_b, torch.tensor([-1.2], dtype=torch.float64))
    close(logvar_b, torch.tensor([1.6], dtype=torch.float64).log())


def test_geometric_mean_at_the_ends_and_of_the_default_prior():
    q = random_posterior(4, 3)
    for skew, (at_zero, at_one) in {"paper": ("p", "q"), "nielsen": ("q", "p")}.items():
        for alpha, end in ((0.0, at_zero), (1.0, at_one)):
            expected = q if end == "q" else (torch.zeros_like(q[0]), torch.zeros_like(q[1]))
            for value, wanted in zip(geometric_mean(*q, alpha, skew=skew), expected, strict=True):
                close(value, wanted)
    with pytest.raises(ValueError, match=r"alpha \(3,\), result \(4,\)"):
        geometric_mean(*q, torch.full((3,), 0.5))
    with pytest.raises(ValueError, match="alpha must lie in"):
        geometric_mean(*q, -0.1)


def extended_kl(log_f, log_g, cell):
    """int f log(f / g) + g - f of positive measures on a grid."""
    f, g = log_f.exp(), log_g.exp()
    return (f * (log_f - log_g) + g - f).sum() * cell


@every_form
@pytest.mark.parametrize("alpha", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_extended_by_its_definition_on_a_grid(form, alpha):
    """With the geometric mixture not normalised, in two dimensions."""
    axis = torch.linspace(-14, 14, 281, dtype=torch.float64)
    z, cell = torch.cartesian_prod(axis, axis), (axis[1] - axis[0]).item() ** 2
    (mean, logvar), (prior_mean, prior_logvar) = random_posterior(2), random_posterior(2, seed=1)
    log_q = Normal(mean, torch.exp(logvar / 2)).log_prob(z).sum(-1)
    log_p = Normal(prior_mean, torch.exp(prior_logvar / 2)).log_prob(z).sum(-1)
    b = 1 - alpha if form["skew"] == "paper" else alpha
    log_g = (1 - b) * log_q + b * log_p
    pairs = [(log_g, log) if form["dual"] else (log, log_g) for log in (log_q, log_p)]
    expected = sum(w * extended_kl(*pair, cell) for w, pair in zip((1 - alpha, alpha), pairs, strict=True))
    prior = {"prior_mean": prior_mean, "prior_logvar": prior_logvar}
    close(extended_geometric_js_divergence(mean, logvar, alpha, **form, **prior), expected)


@PROPERTY
@given(means, logvars, alphas, st.sampled_from(["paper", "nielsen"]))
def test_relation_of_the_extended_to_the_normalised(mean, logvar, alpha, skew):
    b = 1 - alpha if skew == "paper" else alpha
    gap = bhattacharyya_divergence(mean, logvar, b)
    primal, dual = (geometric_js_divergence(mean, logvar, alpha, dual=d, skew=skew) for d in (False, True))
    extended = [extended_geometric_js_divergence(mean, logvar, alpha, dual=d, skew=skew) for d in (False, True)]
    close(extended[0], primal + torch.exp(-gap) - 1 + gap, rtol=1e-9)
    close(extended[1], torch.exp(-gap) * dual + 1 - torch.exp(-gap) * (1 + gap), rtol=1e-9)
    assert primal <= extended[0] * (1 + 1e-12) <= (primal + gap) * (1 + 1e-9) + 1e-12


@PROPERTY
@given(means, logvars, means, logvars, alphas)
def test_extended_in_terms_of_jeffreys_and_bhattacharyya(mean, logvar, prior_mean, prior_logvar, alpha):
    """Nielsen 2025, skewed: alpha (1 - alpha) Jeffreys less 1 - exp(-J(alpha)), which is the dual."""
    prior = {"prior_mean": prior_mean, "prior_logvar": prior_logvar}
    primal, dual = (
        extended_geometric_js_divergence(mean, logvar, alpha, dual=d, skew="nielsen", **prior) for d in (False, True)
    )
    coefficient = torch.exp(-bhattacharyya_divergence(mean, logvar, alpha, prior_mean, prior_logvar))
    jeffreys = jeffreys_divergence(mean, logvar, prior_mean, prior_logvar)
    close(dual, 1 - coefficient, rtol=1e-9)
    close(primal, alpha * (1 - alpha) * jeffreys + coefficient - 1, rtol=1e-9, atol=1e-9)


def test_extended_dual_at_one_half_is_the_squared_hellinger_distance():
    q = random_posterior(5, 3)
    close(extended_geometric_js_divergence(*q, 0.5, dual=True), squared_hellinger_distance(*q))


@alpha_kinds
def test_limits_of_the_extended_are_those_of_the_normalised(make_alpha):
    q = random_posterior(5, 3)
    for form, alpha in itertools.product(FORMS, (0.0, 1.0)):
        value = extended_geometric_js_divergence(*q, make_alpha(alpha), **form)
        close(value, geometric_js_divergence(*q, make_alpha(alpha), **form))


@every_form
def test_extended_near_its_zero_is_exact(form):
    """The gap to JS^G is of fourth order: half the square of the Bhattacharyya divergence."""
    size = torch.logspace(-9, -3, 7, dtype=torch.float64).unsqueeze(-1)
    value = extended_geometric_js_divergence(size, -size, 0.3, **form)
    close(value, geometric_js_divergence(size, -size, 0.3, **form), rtol=1e-5, atol=0)
    near, exact = value[-1], geometric_js_divergence(size, -size, 0.3, **form)[-1]
    gap = bhattacharyya_divergence(size, -size, 0.7 if form["skew"] == "paper" else 0.3)[-1]
    expected = gap * (gap / 2 - exact) if form["dual"] else gap.square() / 2
    close(near - exact, expected, rtol=1e-3, atol=1e-20)


@every_form
@pytest.mark.parametrize("alpha", [0.0, 1e-3, 0.3, 0.8, 1.0])
def test_gradcheck_of_the_extended_with_alpha(form, alpha):
    q = [x.requires_grad_() for x in random_posterior(2, 3)]
    leaf = torch.tensor(alpha, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(partial(extended_geometric_js_divergence, **form), (*q, leaf))


@every_form
def test_extended_is_finite_in_float32(form):
    logvar = torch.cartesian_prod(*[torch.tensor([-30.0, -10.0, -1e-4, 0.0, 1e-4, 10.0, 30.0])] * 2)
    for alpha, size in itertools.product((0.0, 1e-6, 0.5, 1.0), (0.0, 1.0, 50.0)):
        leaf, argument = logvar.clone().requires_grad_(), torch.full((len(logvar),), alpha, requires_grad=True)
        mean = torch.full_like(logvar, size).requires_grad_()
        value = extended_geometric_js_divergence(mean, leaf, argument, **form)
        value.sum().backward()
        assert value.isfinite().all() and (value >= 0).all()
        assert all(x.grad.isfinite().all() for x in (mean, leaf))
        assert argument.grad.isfinite().all() or (form["dual"] and alpha in (0, 1))


@every_form
def test_vmap_of_the_extended_over_members(form):
    mean, logvar = random_posterior(4, 5, 3)
    alpha = torch.tensor([0.0, 0.2, 0.7, 1.0], dtype=torch.float64)
    mapped = torch.func.vmap(partial(extended_geometric_js_divergence, **form))(mean, logvar, alpha)
    close(mapped, extended_geometric_js_divergence(mean, logvar, alpha[:, None], **form))
