"""The squared maximum mean discrepancy MMD^2 of the aggregate posterior from the prior N(0, I), with two kernels.

    Gaussian              k(z, z') = exp(-||z - z'||^2 / scale), with scale = latent_dim unless given (Zhao et al. 2017)
    inverse multiquadric  k(z, z') = sum_s C_s / (C_s + ||z - z'||^2), C_s = 2 latent_dim s, for seven s from 0.1 to 10

The second is that of the Wasserstein autoencoder (Tolstikhin et al. 2018). It is a sum, as in the authors' code; many
implementations have one scale only, or the mean. As C / (C + r) = C int e^-Cu e^-ru du over u > 0, it is a mixture of
Gaussian kernels of scales 1/u, and its expectations under Gaussians are one-dimensional integrals.

A pure number, unchanged by translations and rotations only. Shapes as in `vae.divergences.aggregate`.
"""

import math

import torch
from torch import Tensor

from vae.divergences.aggregate.pairs import check_samples, mean_over_pairs, pairwise_distance
from vae.divergences.numerics import check_broadcast, check_scale, full_precision, log_blend, log_cosh

IMQ_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
IMQ_STEP = 0.25  # of the quadrature over log-scales


@full_precision
def maximum_mean_discrepancy(
    z: Tensor, prior_samples: Tensor | None = None, *, scale: float | None = None, unbiased: bool = False
) -> Tensor:
    """MMD^2 = E k(z, z') + E k(p, p') - 2 E k(z, p) of samples z, (..., N, latent_dim) -> (...).

    Arguments:
        prior_samples: (..., M, latent_dim) draws from the prior. None: its expectations in closed form,
            E k(p, p') = (1 + 4/scale)^(-latent_dim/2),
            E k(z, p) = (1 + 2/scale)^(-latent_dim/2) exp(-||z||^2 / (scale + 2)),
            so that the estimate has about a quarter of the variance that it has with M = N samples where q(z) = p(z),
            and half of it where q is p moved by three standard deviations (unbiased, N = 64, latent_dim = 4).
        scale: squared length scale of the kernel; None: latent_dim.
        unbiased: leave out the pairs i = j (U-statistic; may be negative). The default keeps them
            (V-statistic; never negative, and too big by (1 - E k(z, z')) / N, and likewise for
            prior_samples).

    Raises: ValueError for a scale that is not positive, samples of the wrong shape, fewer than two samples if
    unbiased.

    Source: Gretton et al. 2012; Zhao et al. 2017 (InfoVAE).
    """
    check_samples(z, prior_samples, unbiased)
    latent_dim = z.shape[-1]
    scale = latent_dim if scale is None else scale
    check_scale(scale)

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return torch.exp(-pairwise_distance(a, b).square() / scale)

    within = mean_over_pairs(kernel(z, z), unbiased, diagonal=1.0)
    if prior_samples is None:
        log_normaliser = -latent_dim / 2 * math.log1p(2 / scale)
        across = torch.exp(log_normaliser - z.square().sum(-1) / (scale + 2)).mean(-1)
        return within + (1 + 4 / scale) ** (-latent_dim / 2) - 2 * across
    prior_within = mean_over_pairs(kernel(prior_samples, prior_samples), unbiased, diagonal=1.0)
    return within + prior_within - 2 * kernel(z, prior_samples).mean((-2, -1))


@full_precision
def gaussian_mmd(mean: Tensor, logvar: Tensor, scale: float | None = None) -> Tensor:
    """MMD^2 of q = N(mean, diag exp logvar) and p = N(0, I), (..., latent_dim) -> (...); never negative.

    In closed form. With s^2 = exp logvar, h = scale (None: latent_dim):
        E k(q, q') = prod (1 + 4 s^2/h)^(-1/2),   E k(p, p') = (1 + 4/h)^(-latent_dim/2),
        E k(q, p) = prod (1 + 2 (1 + s^2)/h)^(-1/2) exp(-mean^2 / (h + 2 (1 + s^2))).

    Raises: ValueError for a scale that is not positive, shapes that do not broadcast.
    """
    check_broadcast(mean=mean, logvar=logvar)
    scale = max(mean.shape[-1], logvar.shape[-1]) if scale is None else scale
    check_scale(scale)
    return gaussian_mmd_of_scales(mean, logvar, mean.new_tensor(scale))


def gaussian_mmd_of_scales(mean: Tensor, logvar: Tensor, scale: Tensor) -> Tensor:
    """`gaussian_mmd` with a scale for each element of the result, kept from cancelling where q is near p.

    With r^2 = E k(q, q') / E k(p, p') and E k(q, p) = sqrt(E k(q, q') E k(p, p')) exp(-gap), where gap >= 0,
    MMD^2 = E k(p, p') [ (1 - r)^2 + 2 r (1 - exp(-gap)) ].
    """
    latent_dim = torch.broadcast_shapes(mean.shape, logvar.shape)[-1]
    scale = scale.unsqueeze(-1)
    # log of (h + 4 s^2) / (h + 4), per dimension
    log_ratio, _ = log_blend(logvar, 4 / (scale + 4), scale / (scale + 4))
    mean_term = mean.square() / (scale + 2 + 2 * torch.exp(logvar))
    gap = (log_cosh(log_ratio / 2) / 2 + mean_term).sum(-1)
    log_r = -log_ratio.expand(mean_term.shape).sum(-1) / 4
    log_prior = -latent_dim / 2 * torch.log1p(4 / scale.squeeze(-1))
    larger = torch.exp(log_prior + 2 * log_r.relu())
    return larger * torch.expm1(-log_r.abs()).square() - 2 * torch.exp(log_prior + log_r) * torch.expm1(-gap)


@full_precision
def aggregate_mmd(mean: Tensor, logvar: Tensor, scale: float | None = None) -> Tensor:
    """MMD^2 of the aggregate posterior (1/N) sum_i N(mean_i, diag exp logvar_i) from N(0, I).

    (..., N, latent_dim) -> (...). The population form over the N given posteriors, pairs i = j included; its
    memory is N^2 latent_dim. With v_ij = s_i^2 + s_j^2, h = scale (None: latent_dim), and E k(q, p) likewise:
        E k(q, q') = mean_ij prod (1 + 2 v_ij/h)^(-1/2) exp(-(mean_i - mean_j)^2 / (h + 2 v_ij)).

    Raises: ValueError for a scale that is not positive, means without a batch dimension, shapes that do not broadcast.
    """
    check_broadcast(mean=mean, logvar=logvar)
    mean, logvar = torch.broadcast_tensors(mean, logvar)
    if mean.ndim < 2:
        raise ValueError(f"mean must have shape (..., N, latent_dim), got {tuple(mean.shape)}")
    latent_dim = mean.shape[-1]
    scale = latent_dim if scale is None else scale
    check_scale(scale)

    def expected_kernel(difference: Tensor, variance: Tensor) -> Tensor:
        log_normaliser = torch.log1p(2 * variance / scale) / 2
        return torch.exp(-(log_normaliser + difference.square() / (scale + 2 * variance)).sum(-1))

    variance = torch.exp(logvar)
    pair_difference = mean.unsqueeze(-2) - mean.unsqueeze(-3)
    pair_variance = variance.unsqueeze(-2) + variance.unsqueeze(-3)
    within = expected_kernel(pair_difference, pair_variance).mean((-2, -1))
    across = expected_kernel(mean, 1 + variance).mean(-1)
    return within + (1 + 4 / scale) ** (-latent_dim / 2) - 2 * across


@full_precision
def imq_mmd(z: Tensor, prior_samples: Tensor | None = None, *, unbiased: bool = False) -> Tensor:
    """MMD^2 with the inverse multiquadric kernel of samples z, (..., N, latent_dim) -> (...).

    Arguments:
        prior_samples: (..., M, latent_dim) draws from the prior, as the authors have it, with M = N. None: the
            expectations over the prior, by quadrature to rounding.
        unbiased: leave out the pairs i = j (U-statistic; may be negative), as the authors do. The default keeps them
            (V-statistic; never negative, and too big by (7 - E k(z, z')) / N, and likewise for prior_samples).

    Raises: ValueError for samples of the wrong shape, fewer than two samples if unbiased.

    Source: Tolstikhin et al. 2018 (arXiv:1711.01558), section 4 and algorithm 2.
    """
    check_samples(z, prior_samples, unbiased)
    constants = _imq_constants(z.shape[-1])

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        square = pairwise_distance(a, b).square()
        return sum(constant / (constant + square) for constant in constants)

    within = mean_over_pairs(kernel(z, z), unbiased, diagonal=float(len(constants)))
    if prior_samples is not None:
        prior_within = mean_over_pairs(kernel(prior_samples, prior_samples), unbiased, diagonal=float(len(constants)))
        return within + prior_within - 2 * kernel(z, prior_samples).mean((-2, -1))
    u, weight = _imq_quadrature(z, z.shape[-1])
    half_dim = z.shape[-1] / 2
    prior_within = (weight * (1 + 4 * u) ** -half_dim).sum()
    across = torch.exp(-u / (1 + 2 * u) * z.square().sum(-1)) * (1 + 2 * u) ** -half_dim
    return within + prior_within - 2 * (weight * across).sum(0).mean(-1)


@full_precision
def gaussian_imq_mmd(mean: Tensor, logvar: Tensor) -> Tensor:
    """MMD^2 with the inverse multiquadric kernel of q = N(mean, diag exp logvar) and p = N(0, I); never negative.

    (..., latent_dim) -> (...). The integral of `gaussian_mmd` over the scales 1/u of its kernel, to rounding (memory:
    some two hundred times that of the result's terms).

    Raises: ValueError for shapes that do not broadcast.
    """
    check_broadcast(mean=mean, logvar=logvar)
    sizes = mean + logvar
    u, weight = _imq_quadrature(sizes, sizes.shape[-1])
    return (weight * gaussian_mmd_of_scales(mean, logvar, 1 / u)).sum(0)


def _imq_constants(latent_dim: int) -> list[float]:
    return [2 * latent_dim * scale for scale in IMQ_SCALES]


def _imq_quadrature(like: Tensor, latent_dim: int) -> tuple[Tensor, Tensor]:
    """u and the weights of int f(u) sum_s C_s e^(-C_s u) du over u > 0, both (nodes, 1, ..., 1) with as many dimensions
    as `like`.

    The trapezoidal rule in x = log u, exponentially convergent: the integrand vanishes like e^x to the left and like
    exp(-e^x) to the right.
    """
    constants = _imq_constants(latent_dim)
    low, high = -40 - math.log(max(constants)), 4 - math.log(min(constants))
    x = torch.arange(low, high, IMQ_STEP, dtype=like.dtype, device=like.device).reshape(-1, *[1] * (like.ndim - 1))
    u = torch.exp(x)
    return u, IMQ_STEP * u * sum(constant * torch.exp(-constant * u) for constant in constants)
