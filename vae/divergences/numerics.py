"""What the divergences share: their precision, the checks of their arguments, and the few functions that keep
them exact where the textbook formulas cancel.
"""

import functools
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

_HALF_PRECISION = (torch.float16, torch.bfloat16)
# Of c^2 of a geometric mean: above it scaled_exp cannot overflow, as x <= 60 - log c for logvars in [-30, 30].
_SMALL_WEIGHT = 1e-24
_LARGEST_EXPONENT = {torch.float32: 88.72283, torch.float64: 709.782712893384}  # of which exp is finite


def widen(argument: Any) -> Any:
    """A tensor of half precision in float32; anything else as it is."""
    return argument.float() if isinstance(argument, Tensor) and argument.dtype in _HALF_PRECISION else argument


def full_precision(function):
    """Run `function` in float32 at least: half-precision arguments are widened and autocast is switched off.

    In float16 exp overflows at a log-variance of 11, and bfloat16 keeps three digits. float32 and float64
    stay as they are.
    """

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        args = [widen(argument) for argument in args]
        kwargs = {name: widen(argument) for name, argument in kwargs.items()}
        device = next((a.device.type for a in (*args, *kwargs.values()) if isinstance(a, Tensor)), "cpu")
        if torch.is_autocast_enabled(device):
            with torch.autocast(device, enabled=False):
                return function(*args, **kwargs)
        return function(*args, **kwargs)

    return wrapper


def double_precision(function):
    """Run `function` in float64, and give its result back in the precision of its arguments, float32 at least.

    Apple's GPUs have no float64: there it runs in float32.
    """

    @full_precision
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        tensors = [a for a in (*args, *kwargs.values()) if isinstance(a, Tensor)]
        dtype = functools.reduce(torch.promote_types, [tensor.dtype for tensor in tensors if tensor.ndim])
        if dtype == torch.float64 or tensors[0].device.type == "mps":
            return function(*args, **kwargs)
        args = [argument.double() if isinstance(argument, Tensor) else argument for argument in args]
        kwargs = {name: value.double() if isinstance(value, Tensor) else value for name, value in kwargs.items()}
        result = function(*args, **kwargs)
        return tuple(part.to(dtype) for part in result) if isinstance(result, tuple) else result.to(dtype)

    return wrapper


def phi(t: Tensor) -> Tensor:
    """phi(t) = e^t - 1 - t >= 0, without the cancellation near 0, where phi(t) is about t^2 / 2.

    KL(q||p) of two centred Gaussians is phi(l) / 2 per dimension, so this is what keeps a divergence exact
    near its zero.
    """
    # float64 has the digits that float32 loses down to |t| = 1e-9, in fewer steps. (Apple's GPUs have none.)
    if t.dtype == torch.float32 and t.device.type != "mps":
        wide = t.double()
        return (torch.expm1(wide) - wide).float()
    # phi(t) = t * integral of expm1(t x) over x in [0, 1], in the quadrature of which no two terms cancel.
    nodes, weights = (t.new_tensor(values) for values in unit_gauss_legendre(6))
    near_zero = t * (torch.expm1(t.unsqueeze(-1) * nodes) * weights).sum(-1)
    return torch.where(t.abs() < 0.5, near_zero, torch.expm1(t) - t)


@functools.cache
def unit_gauss_legendre(order: int) -> tuple[list[float], list[float]]:
    """Nodes and weights of Gauss-Legendre quadrature on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    return ((1 + nodes) / 2).tolist(), (weights / 2).tolist()


def log_blend(logvar: Tensor, b: float | Tensor, c: float | Tensor) -> tuple[Tensor, Tensor]:
    """log(c + b e^logvar) and log(b + c e^-logvar), for weights b + c = 1, in [0, 1] or with b < 0.

    The second is the first minus logvar. Both are computed from whichever end of the interpolation is nearer,
    so that each keeps its relative accuracy also when it is tiny, nothing overflows before e^|logvar| does,
    and b = 0 and b = 1 are exact. `c` is an argument because 1 - b has lost its digits where b is within
    rounding of 1.
    """
    if isinstance(b, Tensor):
        near_one = b > 0.5
        step, weight = torch.where(near_one, -logvar, logvar), torch.where(near_one, c, b)
        small = torch.log1p(weight * torch.expm1(step))
        large = small - step
        return torch.where(near_one, large, small), torch.where(near_one, small, large)
    if b > 0.5:
        small = torch.log1p(c * torch.expm1(-logvar))
        return small + logvar, small
    small = torch.log1p(b * torch.expm1(logvar))
    return small, small - logvar


def log_cosh(x: Tensor) -> Tensor:
    """log cosh x >= 0, exact also near 0, where it is about x^2 / 2."""
    return torch.log1p(torch.sinh(x).square()) / 2


def expm1(x: Tensor) -> Tensor:
    """e^x - 1 with a gradient, e^x, that keeps its digits where it is small.

    The gradient of `torch.expm1` is its result plus 1, in which little is left of e^x far below 0: from -4 on, where
    it has lost two digits, that of exp is taken.
    """
    below = torch.exp(x.clamp(max=-4))
    return torch.where(x < -4, torch.expm1(x).detach() + (below - below.detach()), torch.expm1(x))


def scaled_exp(weight: float | Tensor, x: Tensor) -> Tensor:
    """weight * e^x, also where e^x alone overflows: 0 where the weight is 0."""
    if not isinstance(weight, Tensor) and weight > _SMALL_WEIGHT:
        return weight * torch.exp(x)
    limit = _LARGEST_EXPONENT[x.dtype]
    return weight * torch.exp(x.clamp(max=limit)) * torch.exp(torch.relu(x - limit))


def floor_at_zero(x: Tensor) -> Tensor:
    """x with its rounding below 0 taken away, for what cannot be negative; all derivatives are those of x."""
    return x + torch.relu(-x).detach()


def standardise(
    mean: Tensor, logvar: Tensor, prior_mean: Tensor | None, prior_logvar: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Mean and log-variance of q in the coordinates in which p is N(0, I); a part of p that is None is 0."""
    check_broadcast(mean=mean, logvar=logvar, prior_mean=prior_mean, prior_logvar=prior_logvar)
    if prior_mean is not None:
        mean = mean - prior_mean
    if prior_logvar is not None:
        mean = mean * torch.exp(-prior_logvar / 2)
        logvar = logvar - prior_logvar
    return mean, logvar


def check_broadcast(**tensors: Tensor | None) -> None:
    """ValueError that names the arguments unless their shapes broadcast."""
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items() if tensor is not None}
    if len(set(shapes.values())) == 1:
        return
    try:
        torch.broadcast_shapes(*shapes.values())
    except RuntimeError:
        described = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"shapes must broadcast against each other, got {described}") from None


def check_alpha(alpha: float | Tensor) -> None:
    """ValueError unless a number `alpha` lies in [0, 1]; reading a tensor would wait for the device."""
    if not isinstance(alpha, Tensor) and not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie in [0, 1], got {alpha}")


def check_scale(scale: float) -> None:
    """ValueError unless the squared length scale of a kernel is positive and finite."""
    if not 0 < scale < math.inf:
        raise ValueError(f"scale must be positive and finite, got {scale}")


def gaussian_log_prob(z: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """log N(z; mean, exp logvar) of each coordinate, in nats; the shapes broadcast."""
    return -0.5 * (math.log(2 * math.pi) + logvar + (z - mean).square() * (-logvar).exp())
