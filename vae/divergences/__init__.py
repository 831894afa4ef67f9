"""Divergences between a Gaussian posterior and a prior: pure functions of tensors, unreduced, in nats.

`vae.divergences.full` has those of full covariances, `vae.divergences.quadrature` those of densities on a
grid, and `vae.divergences.geometric_js` the convention for alpha.
"""

from vae.divergences import full, quadrature
from vae.divergences.diagonal import (
    bhattacharyya_divergence,
    jeffreys_divergence,
    kl_divergence,
    renyi_divergence,
    reverse_kl_divergence,
    squared_hellinger_distance,
    squared_wasserstein_distance,
)
from vae.divergences.geometric_js import geometric_js_divergence, geometric_js_terms, geometric_mean
from vae.divergences.mixtures import cauchy_schwarz_divergence, mixture_cauchy_schwarz_divergence
from vae.divergences.quadrature import arithmetic_js_divergence
from vae.divergences.samples import (
    aggregate_mmd,
    energy_distance,
    gaussian_energy_distance,
    gaussian_mmd,
    maximum_mean_discrepancy,
)

__all__ = [
    "aggregate_mmd",
    "arithmetic_js_divergence",
    "bhattacharyya_divergence",
    "cauchy_schwarz_divergence",
    "energy_distance",
    "full",
    "gaussian_energy_distance",
    "gaussian_mmd",
    "geometric_js_divergence",
    "geometric_js_terms",
    "geometric_mean",
    "jeffreys_divergence",
    "kl_divergence",
    "maximum_mean_discrepancy",
    "mixture_cauchy_schwarz_divergence",
    "quadrature",
    "renyi_divergence",
    "reverse_kl_divergence",
    "squared_hellinger_distance",
    "squared_wasserstein_distance",
]
