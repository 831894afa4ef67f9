"""Divergences between a Gaussian posterior and a prior: pure functions of tensors, unreduced.

    diagonal/       two diagonal Gaussians, and mixtures of them, in closed form: kl, renyi (Bhattacharyya, Hellinger
                    and chi-squared too), geometric_js (with the convention for alpha), wasserstein, cauchy_schwarz
    full/           two Gaussians with full covariance, given by covariances or by Cholesky factors
    aggregate/      the aggregate posterior, known by samples or by a batch of posteriors, and the prior: mmd, energy,
                    sliced_wasserstein, moments
    arithmetic_js   the Jensen-Shannon divergence proper: by quadrature in one dimension, by sampling in any
    quadrature      any two densities on a grid
    numerics        what all of them share

All functions but those of `full` and `quadrature` can be had from here by their names.
"""

from vae.divergences import full, quadrature
from vae.divergences.aggregate.energy import energy_distance, gaussian_energy_distance
from vae.divergences.aggregate.mmd import (
    aggregate_mmd,
    gaussian_imq_mmd,
    gaussian_mmd,
    imq_mmd,
    maximum_mean_discrepancy,
)
from vae.divergences.aggregate.moments import dip_penalties
from vae.divergences.aggregate.sliced_wasserstein import squared_sliced_wasserstein_distance
from vae.divergences.arithmetic_js import arithmetic_js_divergence, arithmetic_js_estimate
from vae.divergences.diagonal.cauchy_schwarz import cauchy_schwarz_divergence, mixture_cauchy_schwarz_divergence
from vae.divergences.diagonal.geometric_js import (
    extended_geometric_js_divergence,
    geometric_js_divergence,
    geometric_js_terms,
    geometric_mean,
)
from vae.divergences.diagonal.kl import jeffreys_divergence, kl_divergence, reverse_kl_divergence
from vae.divergences.diagonal.renyi import (
    bhattacharyya_divergence,
    chi_squared_divergence,
    renyi_divergence,
    squared_hellinger_distance,
)
from vae.divergences.diagonal.wasserstein import squared_wasserstein_distance

__all__ = [
    "aggregate_mmd",
    "arithmetic_js_divergence",
    "arithmetic_js_estimate",
    "bhattacharyya_divergence",
    "cauchy_schwarz_divergence",
    "chi_squared_divergence",
    "dip_penalties",
    "energy_distance",
    "extended_geometric_js_divergence",
    "full",
    "gaussian_energy_distance",
    "gaussian_imq_mmd",
    "gaussian_mmd",
    "geometric_js_divergence",
    "geometric_js_terms",
    "geometric_mean",
    "imq_mmd",
    "jeffreys_divergence",
    "kl_divergence",
    "maximum_mean_discrepancy",
    "mixture_cauchy_schwarz_divergence",
    "quadrature",
    "renyi_divergence",
    "reverse_kl_divergence",
    "squared_hellinger_distance",
    "squared_sliced_wasserstein_distance",
    "squared_wasserstein_distance",
]
