"""The Kullback-Leibler divergences and their sum; shapes, units and errors as in `vae.divergences.diagonal`."""

import torch
from torch import Tensor

from vae.divergences.numerics import full_precision, phi, standardise


@full_precision
def kl_divergence(
    mean: Tensor, logvar: Tensor, prior_mean: Tensor | None = None, prior_logvar: Tensor | None = None
) -> Tensor:
    """KL(q||p) = 1/2 sum(s^2 - log s^2 - 1 + mean^2), in nats, (..., latent_dim) -> (...).

    The regulariser of the standard VAE. Source: Deasy et al. 2020, eq. 3.
    """
    mean, logvar = standardise(mean, logvar, prior_mean, prior_logvar)
    return (phi(logvar) + mean.square()).sum(-1) / 2


@full_precision
def reverse_kl_divergence(
    mean: Tensor, logvar: Tensor, prior_mean: Tensor | None = None, prior_logvar: Tensor | None = None
) -> Tensor:
    """KL(p||q) = 1/2 sum(1/s^2 + log s^2 - 1 + mean^2 / s^2), in nats, (..., latent_dim) -> (...).

    Source: Deasy et al. 2020, eq. 4.
    """
    mean, logvar = standardise(mean, logvar, prior_mean, prior_logvar)
    return (phi(-logvar) + mean.square() * torch.exp(-logvar)).sum(-1) / 2


@full_precision
def jeffreys_divergence(
    mean: Tensor, logvar: Tensor, prior_mean: Tensor | None = None, prior_logvar: Tensor | None = None
) -> Tensor:
    """KL(q||p) + KL(p||q) = sum[2 sinh^2(logvar / 2) + mean^2 (1 + 1/s^2) / 2].

    In nats, (..., latent_dim) -> (...): the sum, as Jeffreys has it; some authors halve it.
    Source: Jeffreys 1946.
    """
    mean, logvar = standardise(mean, logvar, prior_mean, prior_logvar)
    variance_terms = (2 * torch.sinh(logvar / 2)).square()
    return (variance_terms + mean.square() * (1 + torch.exp(-logvar))).sum(-1) / 2
