"""The moments of the aggregate posterior against those of the prior N(0, I): the penalties of DIP-VAE.

Pure numbers, unchanged by permutations of the dimensions, by their signs and, for the covariance, by translations.
"""

import torch
from torch import Tensor

from vae.divergences.numerics import check_broadcast, full_precision


@full_precision
def dip_penalties(mean: Tensor, logvar: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """sum_{i != j} C_ij^2 and sum_i (C_ii - 1)^2 of a batch of posteriors, (..., N, latent_dim) -> (...), (...).

    C is a covariance over the batch, divided by N as the authors have it, not by N - 1:

        DIP-VAE-I    C = Cov[mean], of the posterior means alone, with logvar=None
        DIP-VAE-II   C = Cov[mean] + E[diag exp logvar], that of the aggregate posterior

    The objective adds lambda_od times the first and lambda_d times the second to that of the VAE. Of a batch of N both
    are biased estimates of those of the whole data set, by terms in 1/N.

    Raises: ValueError for means without a batch dimension, shapes that do not broadcast.

    Source: Kumar et al. 2018 (arXiv:1711.00848), eq. 6 and 7.
    """
    if mean.ndim < 2:
        raise ValueError(f"mean must have shape (..., N, latent_dim), got {tuple(mean.shape)}")
    if logvar is not None:
        check_broadcast(mean=mean, logvar=logvar)
        mean, logvar = torch.broadcast_tensors(mean, logvar)
    centred = mean - mean.mean(-2, keepdim=True)
    covariance = centred.mT @ centred / mean.shape[-2]
    variance = covariance.diagonal(dim1=-2, dim2=-1)
    off_diagonal = (covariance - torch.diag_embed(variance)).square().sum((-2, -1))
    if logvar is not None:
        variance = variance + torch.exp(logvar).mean(-2)
    return off_diagonal, (variance - 1).square().sum(-1)
