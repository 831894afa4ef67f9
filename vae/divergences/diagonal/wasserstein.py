"""The Wasserstein distance of order 2; shapes and errors as in `vae.divergences.diagonal`."""

import torch
from torch import Tensor

from vae.divergences.numerics import expm1, full_precision, standardise


@full_precision
def squared_wasserstein_distance(
    mean: Tensor, logvar: Tensor, prior_mean: Tensor | None = None, prior_logvar: Tensor | None = None
) -> Tensor:
    """W_2^2 = sum[(mean - prior_mean)^2 + (s - prior_s)^2], (..., latent_dim) -> (...).

    In squared units of z. Unchanged by translations and rotations only. Source: Dowson and Landau 1982.
    """
    standard_mean, standard_logvar = standardise(mean, logvar, prior_mean, prior_logvar)
    squares = standard_mean.square() + expm1(standard_logvar / 2).square()
    return (squares if prior_logvar is None else squares * torch.exp(prior_logvar)).sum(-1)
