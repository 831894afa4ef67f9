"""Divergences of Gaussians with full covariance: given by covariances here, by Cholesky factors in `cholesky`."""

from vae.divergences.full import cholesky
from vae.divergences.full.covariance import (
    cauchy_schwarz_divergence,
    geometric_js_divergence,
    jeffreys_divergence,
    kl_divergence,
    reverse_kl_divergence,
    squared_wasserstein_distance,
)

__all__ = [
    "cauchy_schwarz_divergence",
    "cholesky",
    "geometric_js_divergence",
    "jeffreys_divergence",
    "kl_divergence",
    "reverse_kl_divergence",
    "squared_wasserstein_distance",
]
