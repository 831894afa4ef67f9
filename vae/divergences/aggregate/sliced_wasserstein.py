"""The sliced Wasserstein distance of the aggregate posterior from the prior N(0, I).

The mean over directions theta, uniform on the unit sphere, of the squared Wasserstein distance W_2^2 of the projections
theta . z, in one dimension, where optimal transport is sorting. In squared units of z, unchanged by rotations (and by
translations of both samples) only. Shapes as in `vae.divergences.aggregate`.
"""

import math

import torch
from torch import Tensor

from vae.divergences.aggregate.pairs import check_samples
from vae.divergences.numerics import full_precision


@full_precision
def squared_sliced_wasserstein_distance(z: Tensor, directions: Tensor, prior_samples: Tensor | None = None) -> Tensor:
    """SW_2^2 of samples z, (..., N, latent_dim) -> (...).

        1/L sum_l 1/N sum_i (theta_l . z sorted - theta_l . p sorted)_i^2

    Arguments:
        directions: (..., L, latent_dim), standard normal draws; they are divided by their length.
        prior_samples: (..., N, latent_dim), as many as in z, from the prior. None: the prior itself. Its projections
            are N(0, 1) in every direction, so that with the quantile function Q and its mean m_i over ((i-1)/N, i/N),
            W_2^2 = 1/N sum_i (theta . z sorted - m)_i^2 + 1 - 1/N sum_i m_i^2.

    For given samples it is unbiased over the directions, in value and gradient. As an estimate of the distance of q(z)
    itself it is too big, by a bias that falls with N (and about as much again with prior_samples), because the nearest
    of all transports is chosen with the samples known.

    Raises: ValueError for samples of the wrong shape, directions of another dimension, and other numbers of samples.

    Source: Kolouri et al. 2018 (arXiv:1804.01947), with the squared distance as the cost.
    """
    check_samples(z, prior_samples, unbiased=False)
    count, latent_dim = z.shape[-2:]
    if directions.ndim < 2 or directions.shape[-1] != latent_dim:
        raise ValueError(f"directions must have shape (..., directions, {latent_dim}), got {tuple(directions.shape)}")
    directions = directions / directions.norm(dim=-1, keepdim=True)
    quantiles = (z @ directions.mT).sort(dim=-2).values
    if prior_samples is None:
        means, rest = (part.to(quantiles) for part in normal_quantile_means(count))
        return (quantiles - means.unsqueeze(-1)).square().mean((-2, -1)) + rest
    if prior_samples.shape[-2] != count:
        raise ValueError(f"prior_samples must be as many as z, {count}, got {prior_samples.shape[-2]}")
    return (quantiles - (prior_samples @ directions.mT).sort(dim=-2).values).square().mean((-2, -1))


def normal_quantile_means(count: int) -> tuple[Tensor, Tensor]:
    """Means of the quantile function of N(0, 1) over `count` equal parts of (0, 1), and its mean variance in them."""
    edges = torch.special.ndtri(torch.linspace(0, 1, count + 1, dtype=torch.float64))
    density = torch.exp(-edges.square() / 2) / math.sqrt(2 * math.pi)
    means = -count * density.diff()
    return means, 1 - means.square().mean()
