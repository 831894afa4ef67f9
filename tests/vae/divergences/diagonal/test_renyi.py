"""The Renyi family: orders, where it is finite, how it is continued, and its members' relations."""

import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Normal

from vae import divergences
from vae.divergences.diagonal.renyi import SMALLEST_V

PROPERTY = settings(max_examples=40, deadline=None, derandomize=True)
close = partial(torch.testing.assert_close, rtol=1e-10, atol=1e-12)


def vectors(low, high, size=3):
    numbers = st.floats(low, high, allow_subnormal=False)
    return st.lists(numbers, min_size=size, max_size=size).map(lambda x: torch.tensor(x, dtype=torch.float64))


means, logvars = vectors(-5, 5), vectors(-4, 4)
orders = st.sampled_from([0.0, 0.3, 0.9, 1.0, 1.5, 2.0, 7.0])


def random_gaussians(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, generator=generator, dtype=dtype) for _ in range(4)]


def renyi(mean, logvar, order, **options):
    return divergences.renyi_divergence(mean, logvar, order, **options)


@pytest.mark.parametrize("order", [0.25, 0.5, 0.9, 1.3])
def test_renyi_by_monte_carlo(order):
    generator = torch.Generator().manual_seed(1)
    mean, logvar = torch.tensor([0.4, -0.3]).double(), torch.tensor([-0.4, 0.2]).double()
    q, p = Normal(mean, torch.exp(logvar / 2)), Normal(torch.zeros(2).double(), 1.0)
    z = mean + torch.exp(logvar / 2) * torch.randn(200_000, 2, generator=generator, dtype=torch.float64)
    ratio = torch.exp((order - 1) * (q.log_prob(z) - p.log_prob(z)).sum(-1))
    estimate = ratio.mean().log() / (order - 1)
    standard_error = ratio.std() / ratio.mean() / math.sqrt(len(z)) / abs(order - 1)
    assert abs(renyi(mean, logvar, order) - estimate) < 4 * standard_error


@PROPERTY
@given(means, vectors(-3, 0.3))
def test_renyi_orders(mean, logvar):
    """Order 1 is KL(q||p) and is approached from both sides; the divergence does not fall with its order."""
    kl = divergences.kl_divergence(mean, logvar)
    for order in (1 - 1e-7, 1.0, 1 + 1e-7):
        close = renyi(mean, logvar, order)
        torch.testing.assert_close(close, kl, rtol=1e-4, atol=1e-9)
    assert divergences.renyi_divergence(mean, logvar, 0) == 0
    orders = [0.0, 0.2, 0.5, 0.9, 1.0, 1.5, 2.0, 3.0]
    values = torch.stack([renyi(mean, logvar, order) for order in orders])
    assert (values.diff() >= -1e-12).all()


def test_renyi_of_order_above_one_has_gradients():
    mean, logvar = (x.mul(0.2).requires_grad_() for x in random_gaussians(3)[:2])
    assert torch.autograd.gradcheck(lambda m, v: divergences.renyi_divergence(m, v, 2.5), (mean, logvar))


def test_errors():
    zeros = torch.zeros(3)
    for order in (-0.5, math.inf, math.nan):
        with pytest.raises(ValueError, match="order must be a finite number of at least 0"):
            renyi(zeros, zeros, order)
    with pytest.raises(ValueError, match=r"order \(3,\), result \(4,\)"):
        renyi(torch.zeros(4, 2), torch.zeros(4, 2), torch.ones(3))


def edge(order):
    """The log-variance from which on the divergence is infinite."""
    return math.log(order / (order - 1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("order", [1.001, 1.5, 2.0, 30.0])
@pytest.mark.parametrize("tensor", [False, True])
def test_infinite_where_the_integral_is_with_a_gradient_that_is_not_nan(order, dtype, tensor):
    logvar = torch.tensor([[edge(order) - 0.1, 0.0], [edge(order) + 0.1, 0.0], [30.0, -30.0]], dtype=dtype)
    mean, logvar = torch.full_like(logvar, 0.5).requires_grad_(), logvar.requires_grad_()
    value = renyi(mean, logvar, torch.tensor(order, dtype=dtype) if tensor else order)
    assert value.isfinite().tolist() == [True, False, False]
    assert (value[1:] == math.inf).all()
    value.sum().backward()
    assert mean.grad.isfinite().all() and logvar.grad.isfinite().all()
    assert logvar.grad[0, 0] != 0


@pytest.mark.parametrize("order", [1.5, 2.0, 7.0])
def test_continuation_begins_where_v_is_small_and_joins_smoothly(order):
    """It is the divergence where V is larger, and from there on the tangent in logvar."""
    start = math.log((order - SMALLEST_V) / (order - 1))
    logvar = torch.tensor([start - 1e-3, start, start + 1e-9, start + 1, start + 2], dtype=torch.float64)
    logvar = logvar.unsqueeze(-1).requires_grad_()
    mean = torch.full_like(logvar, 0.7).requires_grad_()
    exact = renyi(mean, logvar, order)
    value = renyi(mean, logvar, order, continued=True)
    assert value[0] == exact[0] and value[1].isclose(exact[1], rtol=1e-9)
    slopes = torch.autograd.grad(value.sum(), logvar)[0].squeeze()
    exact_slope = torch.autograd.grad(exact[1], logvar, retain_graph=True)[0][1]
    close(slopes[2:], exact_slope.expand(3), rtol=1e-8)
    close(value[3] - value[2], slopes[3], rtol=1e-8)
    close(value[4] - value[3], slopes[3], rtol=1e-8)


@PROPERTY
@given(means, logvars, orders)
def test_continued_is_the_divergence_where_that_is_finite_and_never_smaller_than_its_edge(mean, logvar, order):
    value, exact = renyi(mean, logvar, order, continued=True), renyi(mean, logvar, order)
    assert value.isfinite() and value >= 0
    v = (1 - order) * logvar.exp() + order
    if (v >= 2 * SMALLEST_V).all():
        assert value == exact
    elif (v > 0).all():
        assert value <= exact * (1 + 1e-12)
    else:
        assert exact == math.inf


@pytest.mark.slow
@pytest.mark.parametrize("order", [1.5, 2.0, 5.0])
def test_descent_on_the_continued_divergence_finds_its_way_to_the_prior(order):
    """From where the divergence is infinite in both dimensions."""
    mean, logvar = torch.tensor([1.0, -1.0]).requires_grad_(), torch.tensor([2.0, 1.2]).requires_grad_()
    assert renyi(mean, logvar, order) == math.inf
    optimiser = torch.optim.Adam([mean, logvar], lr=0.05)
    for _ in range(1500):
        optimiser.zero_grad()
        value = renyi(mean, logvar, order, continued=True)
        value.backward()
        optimiser.step()
    assert value < 1e-3


@pytest.mark.parametrize("function", ["renyi", "chi_squared"])
def test_continued_is_finite_in_float32(function):
    """Value and gradient for log-variances of q and p in [-30, 30]."""
    logvar, prior_logvar = torch.cartesian_prod(*[torch.tensor([-30.0, -1.0, 0.0, 0.6, 0.7, 5.0, 30.0])] * 2).unbind(-1)
    for size in (0.0, 1.0, 50.0):
        leaves = [x.unsqueeze(-1).clone().requires_grad_() for x in (torch.full_like(logvar, size), logvar)]
        prior = {"prior_logvar": prior_logvar.unsqueeze(-1), "continued": True}
        if function == "renyi":
            value = torch.stack([renyi(*leaves, order, **prior) for order in (1.001, 2.0, 30.0)])
        else:
            value = chi_squared(*leaves, **prior)
        value.sum().backward()
        assert value.isfinite().all() and (value >= 0).all()
        assert all(leaf.grad.isfinite().all() for leaf in leaves)


@pytest.mark.parametrize("continued", [False, True])
def test_number_and_tensor_of_orders_agree(continued):
    mean, logvar, prior_mean, prior_logvar = random_gaussians(8, 3)
    order = torch.tensor([0.0, 0.3, 0.99, 1.0, 1.01, 1.5, 2.0, 10.0], dtype=torch.float64)
    prior = {"prior_mean": prior_mean, "prior_logvar": prior_logvar, "continued": continued}
    value = renyi(mean, logvar, order, **prior)
    for i, number in enumerate(order.tolist()):
        close(value[i], renyi(mean, logvar, number, **prior)[i])


@pytest.mark.parametrize("continued", [False, True])
@pytest.mark.parametrize("order", [0.5, 1.0, 1.5, 2.0])
def test_vmap_over_examples_and_orders(order, continued):
    mean, logvar, *_ = random_gaussians(5, 3)
    function = partial(renyi, order=order, continued=continued)
    close(torch.func.vmap(function)(mean, logvar), function(mean, logvar))
    of_orders = torch.func.vmap(lambda o: renyi(mean, logvar, o, continued=continued))
    close(of_orders(torch.tensor([order], dtype=torch.float64))[0], function(mean, logvar))


@pytest.mark.parametrize("order", [0.3, 1.0, 1.5, 2.0])
def test_gradcheck_of_orders(order):
    mean, logvar = (x.mul(0.2).requires_grad_() for x in random_gaussians(4, 3)[:2])
    leaf = torch.tensor(order, dtype=torch.float64, requires_grad=order != 1)
    assert torch.autograd.gradcheck(renyi, (mean, logvar, leaf))
    assert torch.autograd.gradcheck(lambda m, v: renyi(m, v + 5, order, continued=True), (mean, logvar), rtol=1e-3)


@PROPERTY
@given(means, vectors(-3, 0.3))
def test_relations_within_the_family(mean, logvar):
    """D_{1/2} = 2 J(1/2), H^2 = 1 - exp(-D_{1/2} / 2), and (1 - order) D_order(q, p) = order D_{1-order}(p, q)."""
    half = renyi(mean, logvar, 0.5)
    close(half, 2 * divergences.bhattacharyya_divergence(mean, logvar, 0.5))
    close(divergences.squared_hellinger_distance(mean, logvar), 1 - torch.exp(-half / 2))
    zeros = torch.zeros_like(mean)
    exchanged = divergences.renyi_divergence(zeros, zeros, 0.7, mean, logvar)
    close(0.7 * renyi(mean, logvar, 0.3), 0.3 * exchanged, rtol=1e-9)


@pytest.mark.parametrize("alpha", [1e-8, 1 - 1e-8])
def test_bhattacharyya_over_alpha_goes_to_kl(alpha):
    q = random_gaussians(4, 3)[:2]
    value = divergences.bhattacharyya_divergence(*q, alpha)
    if alpha < 0.5:
        close(value / alpha, divergences.kl_divergence(*q), rtol=1e-6)
    else:
        close(value / (1 - alpha), divergences.reverse_kl_divergence(*q), rtol=1e-6)


def chi_squared(*arguments, **options):
    return divergences.chi_squared_divergence(*arguments, **options)


@PROPERTY
@given(vectors(-1, 1), vectors(-3, 0.6), vectors(-1, 1), vectors(-2, 2))
def test_chi_squared_is_affine_invariant_non_negative_and_above_kl(mean, logvar, shift, log_scale):
    value = chi_squared(mean, logvar)
    assert value >= 0
    moved = mean * log_scale.exp() + shift, logvar + 2 * log_scale, shift, 2 * log_scale
    close(chi_squared(*moved), value, rtol=1e-8, atol=1e-9)
    assert chi_squared(mean, logvar, mean, logvar) == 0
    assert torch.log1p(value) >= divergences.kl_divergence(mean, logvar) - 1e-12


@pytest.mark.parametrize("change", [(0.01, 0.0), (0.0, 0.01), (0.0, -0.01)])
def test_chi_squared_is_zero_only_where_equal(change):
    mean, logvar = torch.tensor(change, dtype=torch.float64).unsqueeze(-1)
    assert chi_squared(mean, logvar) > 1e-6
    size = 1e-9 * torch.tensor(change, dtype=torch.float64).unsqueeze(-1)
    expected = size[0].square() + size[1].square() / 2
    close(chi_squared(*size), expected.sum(), rtol=1e-9, atol=0)


def test_chi_squared_by_monte_carlo():
    generator = torch.Generator().manual_seed(1)
    mean, logvar = torch.tensor([0.4, -0.3]).double(), torch.tensor([-0.4, 0.1]).double()
    q, p = Normal(mean, torch.exp(logvar / 2)), Normal(torch.zeros(2).double(), 1.0)
    z = torch.randn(1_000_000, 2, generator=generator, dtype=torch.float64)
    square = torch.expm1((q.log_prob(z) - p.log_prob(z)).sum(-1)).square()
    assert abs(chi_squared(mean, logvar) - square.mean()) < 4 * square.std() / 1000


def test_chi_squared_is_infinite_past_its_edge_and_continued_there():
    zeros = torch.zeros(2, dtype=torch.float64)
    logvar = torch.tensor([0.5, 0.75], dtype=torch.float64)
    assert chi_squared(zeros, logvar) == math.inf
    assert chi_squared(zeros, logvar, continued=True).isfinite()
    assert torch.autograd.gradcheck(partial(chi_squared, continued=True), [x.requires_grad_() for x in (zeros, logvar)])


def test_continued_chi_squared_follows_its_tangent_from_16_nats_on():
    mean = torch.tensor([[4.0 - 1e-9], [4.0 + 1e-9], [5.0]], dtype=torch.float64)  # D_2 = mean^2
    logvar = torch.zeros_like(mean)
    value = chi_squared(mean, logvar, continued=True)
    close(value[:2], torch.full((2,), math.exp(16) - 1, dtype=torch.float64), rtol=1e-7)
    close(value[2], torch.tensor(math.exp(16) * (25 - 15) - 1, dtype=torch.float64))
    close(chi_squared(mean, logvar)[2], torch.tensor(math.exp(25) - 1, dtype=torch.float64))


def test_bhattacharyya_ends():
    mean, logvar, *_ = random_gaussians(4, 3)
    for alpha in (0, 1):
        assert (divergences.bhattacharyya_divergence(mean, logvar, alpha) == 0).all()


def test_hellinger_is_at_most_one():
    mean = torch.tensor([100.0])
    assert divergences.squared_hellinger_distance(mean, torch.zeros(1)) == 1


def test_hellinger_near_the_prior_is_a_quarter_of_kl():
    mean, logvar = (1e-3 * values for values in random_gaussians(20, 3)[:2])
    ratio = divergences.squared_hellinger_distance(mean, logvar) / divergences.kl_divergence(mean, logvar)
    close(ratio, torch.full_like(ratio, 0.25), rtol=2e-3, atol=0)


def test_gradient_of_the_hellinger_distance_keeps_its_digits_far_from_the_prior():
    """e^-J dJ, for J up to 40, where the distance itself is 1 to all digits of float32."""
    mean = torch.linspace(0.1, 18, 100).unsqueeze(-1).requires_grad_()
    divergences.squared_hellinger_distance(mean, torch.zeros_like(mean)).sum().backward()
    exact = mean.detach().double()
    torch.testing.assert_close(mean.grad.double(), exact / 4 * torch.exp(-(exact**2) / 8), rtol=2e-5, atol=0)
