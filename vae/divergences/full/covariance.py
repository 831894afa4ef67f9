"""Divergences of Gaussians with full covariance.

q = N(mean, covariance), p = N(prior_mean, prior_covariance): means (..., n), covariances (..., n, n), results
(...), in nats; leading dimensions broadcast. A part of the prior left out (None) is that of N(0, I). All
raise ValueError for shapes that do not fit and for covariances that are not positive definite. Of a covariance the
lower triangle is read: that it is symmetric is for the caller to see to.

Each is the function of the same name of `vae.divergences.full.cholesky`, where the formulas and sources stand, of the
Cholesky factors of the covariances.
"""

import torch
from torch import Tensor

from vae.divergences.full import cholesky
from vae.divergences.numerics import double_precision


@double_precision
def kl_divergence(
    mean: Tensor, covariance: Tensor, prior_mean: Tensor | None = None, prior_covariance: Tensor | None = None
) -> Tensor:
    """KL(q||p) = 1/2 (tr S_p^-1 S_q - n + log |S_p|/|S_q| + d^T S_p^-1 d), d = mean - prior_mean."""
    factors = _factors(mean, covariance, prior_mean, prior_covariance)
    return cholesky.kl_divergence(mean, factors[0], prior_mean, factors[1])


@double_precision
def reverse_kl_divergence(
    mean: Tensor, covariance: Tensor, prior_mean: Tensor | None = None, prior_covariance: Tensor | None = None
) -> Tensor:
    """KL(p||q) = 1/2 (tr S_q^-1 S_p - n + log |S_q|/|S_p| + d^T S_q^-1 d), d = mean - prior_mean."""
    factors = _factors(mean, covariance, prior_mean, prior_covariance)
    return cholesky.reverse_kl_divergence(mean, factors[0], prior_mean, factors[1])


@double_precision
def jeffreys_divergence(
    mean: Tensor, covariance: Tensor, prior_mean: Tensor | None = None, prior_covariance: Tensor | None = None
) -> Tensor:
    """KL(q||p) + KL(p||q)."""
    factors = _factors(mean, covariance, prior_mean, prior_covariance)
    return cholesky.jeffreys_divergence(mean, factors[0], prior_mean, factors[1])


@double_precision
def geometric_js_divergence(
    mean: Tensor,
    covariance: Tensor,
    alpha: float | Tensor,
    *,
    dual: bool = False,
    skew: str = "paper",
    prior_mean: Tensor | None = None,
    prior_covariance: Tensor | None = None,
) -> Tensor:
    """Skew-geometric Jensen-Shannon divergence, as defined in `vae.divergences.diagonal.geometric_js`.

    `alpha` is a number in [0, 1] or a tensor that broadcasts against the result's shape (...).
    Raises also ValueError for alpha outside [0, 1] and an unknown skew.
    """
    factor, prior_factor = _factors(mean, covariance, prior_mean, prior_covariance)
    return cholesky.geometric_js_divergence(
        mean, factor, alpha, dual=dual, skew=skew, prior_mean=prior_mean, prior_scale_tril=prior_factor
    )


@double_precision
def cauchy_schwarz_divergence(
    mean: Tensor, covariance: Tensor, prior_mean: Tensor | None = None, prior_covariance: Tensor | None = None
) -> Tensor:
    """D_CS = -log(int q p / sqrt(int q^2 int p^2)); Principe's convention is twice this."""
    factors = _factors(mean, covariance, prior_mean, prior_covariance)
    return cholesky.cauchy_schwarz_divergence(mean, factors[0], prior_mean, factors[1])


@double_precision
def squared_wasserstein_distance(
    mean: Tensor, covariance: Tensor, prior_mean: Tensor | None = None, prior_covariance: Tensor | None = None
) -> Tensor:
    """W_2^2 = ||d||^2 + tr(S_q + S_p - 2 (S_p^1/2 S_q S_p^1/2)^1/2), in squared units of z. First derivatives only."""
    factors = _factors(mean, covariance, prior_mean, prior_covariance)
    return cholesky.squared_wasserstein_distance(mean, factors[0], prior_mean, factors[1])


def _factors(
    mean: Tensor, covariance: Tensor, prior_mean: Tensor | None, prior_covariance: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    cholesky.check_shapes(mean, prior_mean, covariance=covariance, prior_covariance=prior_covariance)
    factor = _factor("covariance", covariance)
    return factor, None if prior_covariance is None else _factor("prior_covariance", prior_covariance)


def _factor(name: str, covariance: Tensor) -> Tensor:
    try:
        return torch.linalg.cholesky(covariance)
    except torch.linalg.LinAlgError:
        raise ValueError(f"{name} must be positive definite") from None
