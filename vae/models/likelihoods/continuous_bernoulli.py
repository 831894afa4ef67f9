"""The continuous Bernoulli likelihood of grey images."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vae.models.likelihoods.base import LIKELIHOODS, Likelihood

# log(sinh h / h) = sum over n from 1 of 4^n B_2n / (2n (2n)!) h^2n, with the Bernoulli numbers B. For h up to NEAR
# these terms have all the digits of float64; beyond, the closed forms lose none.
NEAR = 0.5
FLAT = 1e-3  # of |eta|: up to it, what the first order of a draw leaves out is below the rounding of float32
SERIES = (
    *(1 / 6, -1 / 180, 1 / 2835, -1 / 37800, 1 / 467775, -691 / 3831077250, 2 / 127702575),
    *(-3617 / 2605132530000, 43867 / 350813659321125, -174611 / 15313294652906250),
)
SLOPES = [2 * n * c for n, c in enumerate(SERIES, start=1)]
CURVATURES = [(2 * n - 1) * c for n, c in enumerate(SLOPES, start=1)]


@LIKELIHOODS.register("continuous-bernoulli")
class ContinuousBernoulli(Likelihood):
    """p(x|z) = exp(eta x - A(eta)) on [0, 1], with eta = output: the cross-entropy, normalised for grey images.

    With h = eta / 2, A(eta) = h + log(sinh h / h). The term is -log p(x|z) in nats, the mean A', the information A''
    (Loaiza-Ganem and Cunningham 2019, "The continuous Bernoulli: fixing a pervasive error in variational autoencoders",
    arXiv:1907.06845).
    """

    def mean(self, output: Tensor) -> Tensor:
        """The mean image E[x|z] = (1 + coth h - 1 / h) / 2, in [0, 1], in the shape of output."""
        half, near, far = parts(output)
        closed = half.sign() * (1 / far.tanh() - 1 / far)
        return (1 + torch.where(half.abs() < NEAR, near * series(near, SLOPES), closed)) / 2

    def pixel_error(self, output: Tensor, images: Tensor) -> Tensor:
        half, near, far = parts(output)
        closed = far + torch.log(-torch.expm1(-2 * far)) - torch.log(2 * far)
        return half * (1 - 2 * images) + torch.where(half.abs() < NEAR, near.square() * series(near, SERIES), closed)

    def sample(self, output: Tensor) -> Tensor:
        """Draw grey images x ~ p(x|z) in [0, 1] from the global random stream, in the shape of output.

        By the inverse of the distribution function, of -|eta|, where it does not overflow: 1 - x has the density of
        -eta. Next to eta = 0, where it is uniform, to first order.
        """
        u, eta = torch.rand_like(output), -output.abs()
        is_flat = eta > -FLAT
        steep = torch.where(is_flat, -1, eta)  # what the closed form sees: any number will do where it is not taken
        x = torch.where(is_flat, u + u * (1 - u) * eta / 2, torch.log1p(u * torch.expm1(steep)) / steep)
        return torch.where(output > 0, 1 - x, x)

    def information(self, output: Tensor) -> Tensor:
        half, near, far = parts(output)
        closed = far.square().reciprocal() - far.sinh().square().reciprocal()
        return torch.where(half.abs() < NEAR, series(near, CURVATURES), closed) / 4


def parts(output: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """h = output / 2, and what the series and the closed forms see: h next to 0, and |h| away from it."""
    half = output / 2
    is_near = half.abs() < NEAR
    return half, torch.where(is_near, half, 0), torch.where(is_near, NEAR, half.abs())


def series(near: Tensor, coefficients: Sequence[float]) -> Tensor:
    """The polynomial in h^2 with these coefficients, from the constant on."""
    square, total = near.square(), torch.zeros_like(near)
    for coefficient in reversed(coefficients):
        total = total * square + coefficient
    return total
