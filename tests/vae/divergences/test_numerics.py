"""The functions that keep the divergences exact, against many digits."""

from decimal import Decimal, getcontext

import pytest
import torch

from vae.divergences.numerics import expm1, floor_at_zero, log_blend, log_cosh, phi, scaled_exp

getcontext().prec = 60
POINTS = [sign * size for size in (1e-12, 1e-8, 1e-4, 0.01, 0.3, 0.499, 0.5, 1.0, 8.0, 30.0) for sign in (1, -1)]
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])


def compare(function, exact, dtype, points=POINTS):
    x = torch.tensor(points, dtype=dtype)
    expected = torch.tensor([float(exact(Decimal(value))) for value in x.tolist()], dtype=torch.float64)
    eps = torch.finfo(dtype).eps
    torch.testing.assert_close(function(x).double(), expected, rtol=8 * eps, atol=1e-35)


@DTYPES
def test_phi(dtype):
    # In float32 the relative error is 1e-16 / |t|, which matters only where phi is below 1e-17.
    points = [t for t in POINTS if dtype == torch.float64 or abs(t) > 1e-9]
    compare(phi, lambda t: t.exp() - 1 - t, dtype, points)
    x = torch.tensor(points, dtype=dtype, requires_grad=True)
    phi(x).sum().backward()
    torch.testing.assert_close(x.grad, torch.expm1(x.detach()), rtol=8 * torch.finfo(dtype).eps, atol=0)


@DTYPES
def test_log_cosh(dtype):
    compare(log_cosh, lambda x: ((x.exp() + (-x).exp()) / 2).ln(), dtype)


@DTYPES
@pytest.mark.parametrize("weight", [0.0, 1e-12, 1e-6, 0.25, 0.5, 0.75, 1 - 2**-20, 1.0])
def test_log_blend(dtype, weight):
    b, c = weight, 1 - weight
    exact_b = Decimal(b) if b <= 0.5 else 1 - Decimal(c)

    def exact(x):
        return (1 - exact_b + exact_b * x.exp()).ln()

    points = [x for x in POINTS if abs(x) <= 1]
    for weights in ((b, c), torch.tensor([b, c], dtype=torch.float64).unbind()):
        compare(lambda x, w=weights: log_blend(x, *w)[0], exact, dtype, points)
        compare(lambda x, w=weights: log_blend(x, *w)[1], lambda x: exact(x) - x, dtype, points)


@DTYPES
def test_phi_is_never_negative(dtype):
    x = torch.logspace(-30, 1, 20_000, dtype=dtype)
    assert phi(x).min() >= 0 and phi(-x).min() >= 0


@DTYPES
def test_expm1_and_its_gradients(dtype):
    compare(expm1, lambda x: x.exp() - 1, dtype)
    x = torch.tensor([*POINTS, -60.0, -4.1, -4.0, -3.9], dtype=dtype, requires_grad=True)
    assert torch.equal(expm1(x), torch.expm1(x))
    (first,) = torch.autograd.grad(expm1(x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    for derivative in (first.detach(), second):
        torch.testing.assert_close(derivative, x.detach().exp(), rtol=64 * torch.finfo(dtype).eps, atol=0)


@DTYPES
def test_scaled_exp_past_where_exp_overflows(dtype):
    far = 100.0 if dtype == torch.float32 else 800.0
    x = torch.tensor([far, far, 1.0], dtype=dtype, requires_grad=True)
    weight = torch.tensor([0.0, 1e-20, 0.5], dtype=dtype)
    value = scaled_exp(weight, x)
    expected = [0.0, float(Decimal(weight[1].item()) * Decimal(far).exp()), 0.5 * float(Decimal(1).exp())]
    torch.testing.assert_close(value, torch.tensor(expected, dtype=dtype), rtol=1e-5, atol=0)
    torch.testing.assert_close(torch.autograd.grad(value.sum(), x)[0], value.detach(), rtol=1e-5, atol=0)
    assert (scaled_exp(0.0, x)[:2] == 0).all()


def test_floor_at_zero_takes_rounding_away_and_no_derivative():
    x = torch.tensor([-1e-17, 0.0, 2.0], requires_grad=True)
    value = floor_at_zero(x)
    assert value.tolist() == [0.0, 0.0, 2.0]
    assert torch.autograd.grad(value.sum(), x)[0].tolist() == [1.0, 1.0, 1.0]
