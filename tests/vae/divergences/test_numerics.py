"""The functions that keep the divergences exact, against many digits."""

from decimal import Decimal, getcontext

import pytest
import torch

from vae.divergences.numerics import log_blend, log_cosh, phi

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
