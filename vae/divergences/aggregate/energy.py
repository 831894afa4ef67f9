"""The energy distance of the aggregate posterior from the prior N(0, I).

In the units of z, and unchanged by translations and rotations only. Shapes as in `vae.divergences.aggregate`.
"""

import math

import torch
from torch import Tensor

from vae.divergences.aggregate.mmd import gaussian_mmd_of_scales
from vae.divergences.aggregate.pairs import check_samples, mean_over_pairs, pairwise_distance
from vae.divergences.numerics import check_broadcast, full_precision

LOW, HIGH, STEP = -42.0, 26.0, 0.15  # of the quadrature over log-scales


@full_precision
def energy_distance(z: Tensor, prior_samples: Tensor | None = None, *, unbiased: bool = False) -> Tensor:
    """Energy distance 2 E||z - p|| - E||z - z'|| - E||p - p'|| of samples z, (..., N, latent_dim) -> (...).

    Arguments:
        prior_samples: (..., M, latent_dim) draws from the prior. None: its expectations exactly, from
            E||p - p'|| = 2 Gamma((n+1)/2) / Gamma(n/2), n = latent_dim, and E||z - p|| by quadrature.
        unbiased: leave out the pairs i = j (may be negative). The default keeps them (never negative, biased
            upwards).

    Raises: ValueError for samples of the wrong shape, fewer than two samples if unbiased.

    Source: Szekely and Rizzo 2013 (not square-rooted).
    """
    check_samples(z, prior_samples, unbiased)
    within = mean_over_pairs(pairwise_distance(z, z), unbiased, diagonal=0.0)
    if prior_samples is None:
        half_dim = z.shape[-1] / 2
        prior_within = 2 * math.exp(math.lgamma(half_dim + 0.5) - math.lgamma(half_dim))
        # E||z - p|| = E||p|| + pi^(-1/2) int [k_u(0) - k_u(z)] u^-2 du, k_u(z) = E exp(-u^2 ||z - p||^2).
        u_square, weight = _energy_quadrature(z, z.ndim - 1)
        contracted = u_square / (1 + 2 * u_square)
        prior_kernel = (1 + 2 * u_square) ** -half_dim
        excess = -torch.expm1(-contracted * z.square().sum(-1)) * prior_kernel
        across = prior_within / math.sqrt(2) + (weight * excess).sum(0).mean(-1)
    else:
        prior_distance = pairwise_distance(prior_samples, prior_samples)
        prior_within = mean_over_pairs(prior_distance, unbiased, diagonal=0.0)
        across = pairwise_distance(z, prior_samples).mean((-2, -1))
    return 2 * across - within - prior_within


@full_precision
def gaussian_energy_distance(mean: Tensor, logvar: Tensor) -> Tensor:
    """Energy distance of q = N(mean, diag exp logvar) from p = N(0, I), (..., latent_dim) -> (...).

    Never negative. In one dimension it is 2 m(mean, 1 + s^2) - 2/sqrt(pi) - 2 s/sqrt(pi), where
        m(d, v) = E|N(d, v)| = sqrt(2 v/pi) exp(-d^2/(2 v)) + d erf(d/sqrt(2 v)).
    In any dimension E||Z|| = pi^(-1/2) int_0^inf (1 - E exp(-u^2 ||Z||^2)) u^-2 du, so that the energy
    distance is the integral of `gaussian_mmd` over the scales 1/u^2 of its kernel, which is what is computed
    (memory: over four hundred times that of the result's terms). Accurate for logvar in [-30, 30].

    Raises: ValueError for shapes that do not broadcast. Source: Szekely and Rizzo 2013.
    """
    check_broadcast(mean=mean, logvar=logvar)
    u_square, weight = _energy_quadrature(mean, max(mean.ndim, logvar.ndim) - 1)
    return (weight * gaussian_mmd_of_scales(mean, logvar, 1 / u_square)).sum(0)


def _energy_quadrature(like: Tensor, dims: int) -> tuple[Tensor, Tensor]:
    """u^2 and the weights of pi^(-1/2) int f(u) u^-2 du over u > 0, both (nodes, 1, ..., 1) with `dims` ones.

    The trapezoidal rule in x = log u, exponentially convergent for the integrands above, which are analytic
    and bounded in |Im x| < pi/4 and vanish at both ends: it takes lengths from exp(-HIGH) to exp(-LOW) alike.
    """
    x = torch.arange(LOW, HIGH, STEP, dtype=like.dtype, device=like.device)
    x = x.reshape(-1, *[1] * dims)
    return torch.exp(2 * x), torch.exp(-x) * (STEP / math.sqrt(math.pi))
