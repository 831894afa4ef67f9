"""Discrepancies between the aggregate posterior and the prior p = N(0, I): MMD and the energy distance.

Samples z have shape (..., N, latent_dim), one row per draw from q, and the result has shape (...). Each of
the two discrepancies also has its population form, without any sampling. Neither has units of information
(MMD^2 is a pure number, the energy distance has the units of z), and both are unchanged by translations and
rotations only.

The kernel is k(z, z') = exp(-||z - z'||^2 / scale), with scale = latent_dim unless given (Zhao et al. 2017).
"""

import math

import torch
from torch import Tensor

from vae.divergences.numerics import check_broadcast, check_scale, full_precision, log_blend, log_cosh

LOW, HIGH, STEP = -42.0, 26.0, 0.15  # of the quadrature over log-scales for the energy distance


@full_precision
def maximum_mean_discrepancy(
    z: Tensor, prior_samples: Tensor | None = None, *, scale: float | None = None, unbiased: bool = False
) -> Tensor:
    """MMD^2 = E k(z, z') + E k(p, p') - 2 E k(z, p) of samples z, (..., N, latent_dim) -> (...).

    Arguments:
        prior_samples: (..., M, latent_dim) draws from the prior. None: its expectations in closed form,
            E k(p, p') = (1 + 4/scale)^(-latent_dim/2),
            E k(z, p) = (1 + 2/scale)^(-latent_dim/2) exp(-||z||^2 / (scale + 2)),
            with about a quarter of the variance where q(z) = p(z), and half of it where q is p moved by three
            standard deviations (unbiased, N = M = 64, latent_dim = 4).
        scale: squared length scale of the kernel; None: latent_dim.
        unbiased: leave out the pairs i = j (U-statistic; may be negative). The default keeps them
            (V-statistic; never negative, and too big by (1 - E k(z, z')) / N, and likewise for
            prior_samples).

    Raises: ValueError for a scale that is not positive, samples of the wrong shape, fewer than two samples if
    unbiased.

    Source: Gretton et al. 2012; Zhao et al. 2017 (InfoVAE).
    """
    _check_samples(z, prior_samples, unbiased)
    latent_dim = z.shape[-1]
    scale = latent_dim if scale is None else scale
    check_scale(scale)

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return torch.exp(-_pairwise_distance(a, b).square() / scale)

    within = _mean_over_pairs(kernel(z, z), unbiased, diagonal=1.0)
    if prior_samples is None:
        log_normaliser = -latent_dim / 2 * math.log1p(2 / scale)
        across = torch.exp(log_normaliser - z.square().sum(-1) / (scale + 2)).mean(-1)
        return within + (1 + 4 / scale) ** (-latent_dim / 2) - 2 * across
    prior_within = _mean_over_pairs(kernel(prior_samples, prior_samples), unbiased, diagonal=1.0)
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
    return _gaussian_mmd(mean, logvar, mean.new_tensor(scale))


def _gaussian_mmd(mean: Tensor, logvar: Tensor, scale: Tensor) -> Tensor:
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

    Raises: ValueError for a scale that is not positive, shapes that do not broadcast.
    """
    check_broadcast(mean=mean, logvar=logvar)
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
    _check_samples(z, prior_samples, unbiased)
    within = _mean_over_pairs(_pairwise_distance(z, z), unbiased, diagonal=0.0)
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
        prior_distance = _pairwise_distance(prior_samples, prior_samples)
        prior_within = _mean_over_pairs(prior_distance, unbiased, diagonal=0.0)
        across = _pairwise_distance(z, prior_samples).mean((-2, -1))
    return 2 * across - within - prior_within


@full_precision
def gaussian_energy_distance(mean: Tensor, logvar: Tensor) -> Tensor:
    """Energy distance of q = N(mean, diag exp logvar) from p = N(0, I), (..., latent_dim) -> (...).

    Never negative. In one dimension it is 2 m(mean, 1 + s^2) - 2/sqrt(pi) - 2 s/sqrt(pi), where
        m(d, v) = E|N(d, v)| = sqrt(2 v/pi) exp(-d^2/(2 v)) + d erf(d/sqrt(2 v)).
    In any dimension E||Z|| = pi^(-1/2) int_0^inf (1 - E exp(-u^2 ||Z||^2)) u^-2 du, so that the energy
    distance is the integral of `gaussian_mmd` over the scales 1/u^2 of its kernel, which is what is computed
    (memory: some hundred times that of the result's terms). Accurate for logvar in [-30, 30].

    Raises: ValueError for shapes that do not broadcast. Source: Szekely and Rizzo 2013.
    """
    check_broadcast(mean=mean, logvar=logvar)
    u_square, weight = _energy_quadrature(mean, max(mean.ndim, logvar.ndim) - 1)
    return (weight * _gaussian_mmd(mean, logvar, 1 / u_square)).sum(0)


def _energy_quadrature(like: Tensor, dims: int) -> tuple[Tensor, Tensor]:
    """u^2 and the weights of pi^(-1/2) int f(u) u^-2 du over u > 0, both (nodes, 1, ..., 1) with `dims` ones.

    The trapezoidal rule in x = log u, exponentially convergent for the integrands above, which are analytic
    and bounded in |Im x| < pi/4 and vanish at both ends: it takes lengths from exp(-HIGH) to exp(-LOW) alike.
    """
    x = torch.arange(LOW, HIGH, STEP, dtype=like.dtype, device=like.device)
    x = x.reshape(-1, *[1] * dims)
    return torch.exp(2 * x), torch.exp(-x) * (STEP / math.sqrt(math.pi))


def _check_samples(z: Tensor, prior_samples: Tensor | None, unbiased: bool) -> None:
    for name, samples in (("z", z), ("prior_samples", prior_samples)):
        if samples is None:
            continue
        if samples.ndim < 2 or samples.shape[-1] != z.shape[-1]:
            raise ValueError(f"{name} must have shape (..., samples, {z.shape[-1]}), got {tuple(samples.shape)}")
        if samples.shape[-2] < 1 + unbiased:
            needed = "at least 2 samples if unbiased" if unbiased else "at least 1 sample"
            raise ValueError(f"{name} must hold {needed}, got {samples.shape[-2]}")


def _pairwise_distance(a: Tensor, b: Tensor) -> Tensor:
    """||a_i - b_j||, (..., N, M), without a matrix product, which would round small distances away.

    cdist has the gradient 0 at a_i = b_j, where that of a plain square root would be nan.
    """
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def _mean_over_pairs(values: Tensor, unbiased: bool, diagonal: float) -> Tensor:
    """Mean of (..., N, N) values over all pairs, or over i != j only; `diagonal` is the value at i = j."""
    count = values.shape[-1]
    if not unbiased:
        return values.mean((-2, -1))
    return (values.sum((-2, -1)) - count * diagonal) / (count * (count - 1))
