"""Divergences of a diagonal Gaussian posterior q = N(mean, diag exp logvar) from a diagonal Gaussian prior p.

Every function takes `mean, logvar` of shape (..., latent_dim), `prior_mean, prior_logvar` that broadcast
against them (default N(0, I)), and returns nats of shape (...), summed over the latent dimensions. The
formulas in the docstrings are for p = N(0, I), with s^2 = exp logvar; all but the Wasserstein distance are
unchanged by the map that takes p there. The computation is exact and never negative near q = p, in value and
gradient, and finite in float32 for logvar in [-30, 30]. All raise ValueError where shapes do not broadcast.
The geometric Jensen-Shannon divergences have a module of their own.
"""

import math

import torch
from torch import Tensor

from vae.divergences.geometric_js import geometric_js_divergence
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

    In nats, (..., latent_dim) -> (...). Source: Jeffreys 1946; Deasy et al. 2020, section 2.
    """
    mean, logvar = standardise(mean, logvar, prior_mean, prior_logvar)
    variance_terms = (2 * torch.sinh(logvar / 2)).square()
    return (variance_terms + mean.square() * (1 + torch.exp(-logvar))).sum(-1) / 2


def bhattacharyya_divergence(
    mean: Tensor,
    logvar: Tensor,
    alpha: float | Tensor,
    prior_mean: Tensor | None = None,
    prior_logvar: Tensor | None = None,
) -> Tensor:
    """Skew Bhattacharyya divergence J(alpha) = -log int q^(1-alpha) p^alpha dz.

    In nats, (..., latent_dim) -> (...). `alpha` in [0, 1] is the weight on p, a number or a tensor that
    broadcasts against (...); J(0) = J(1) = 0, and alpha = 1/2 is the Bhattacharyya distance. For Gaussians
    J(alpha) is exactly the dual geometric Jensen-Shannon divergence of Nielsen's skew, whose errors it
    raises.

    Source: Nielsen and Boltz 2011; Deasy et al. 2020, eq. 10.
    """
    return geometric_js_divergence(
        mean, logvar, alpha, dual=True, skew="nielsen", prior_mean=prior_mean, prior_logvar=prior_logvar
    )


def squared_hellinger_distance(
    mean: Tensor, logvar: Tensor, prior_mean: Tensor | None = None, prior_logvar: Tensor | None = None
) -> Tensor:
    """H^2 = 1 - int sqrt(q p) dz = 1 - exp(-J(1/2)), in [0, 1], (..., latent_dim) -> (...).

    J is the Bhattacharyya divergence. Source: Hellinger 1909; Bhattacharyya 1943.
    """
    return -torch.expm1(-bhattacharyya_divergence(mean, logvar, 0.5, prior_mean, prior_logvar))


@full_precision
def renyi_divergence(
    mean: Tensor,
    logvar: Tensor,
    order: float,
    prior_mean: Tensor | None = None,
    prior_logvar: Tensor | None = None,
) -> Tensor:
    """Renyi divergence of q from p, D_order = log(int q^order p^(1-order) dz) / (order - 1).

    In nats, (..., latent_dim) -> (...). With V = (1 - order) s^2 + order it is
        sum[ order mean^2 / (2 V) + (log V - (1 - order) logvar) / (2 (1 - order)) ].
    `order` >= 0 is a number; order = 1 is the limit KL(q||p), order = 0 gives 0.

    Raises ValueError for a negative order, and where order > 1 makes the divergence infinite: V > 0 is needed
    in every dimension, logvar - prior_logvar < log(order / (order - 1)).
    Source: Renyi 1961; van Erven and Harremoes 2014; Gil et al. 2013 (Gaussians).
    """
    if not 0 <= order < math.inf:
        raise ValueError(f"order must be a finite number of at least 0, got {order}")
    if order == 1:
        return kl_divergence(mean, logvar, prior_mean, prior_logvar)
    if order < 1:
        return bhattacharyya_divergence(mean, logvar, 1 - order, prior_mean, prior_logvar) / (1 - order)
    mean, logvar = standardise(mean, logvar, prior_mean, prior_logvar)
    v_minus_one = (1 - order) * torch.expm1(logvar)
    if (v_minus_one <= -1).any():
        raise ValueError(
            f"the divergence of order {order} is infinite: logvar - prior_logvar must be below "
            f"log(order / (order - 1)) = {math.log(order / (order - 1)):.4g}, got {logvar.max():.4g}"
        )
    log_v = torch.log1p(v_minus_one)
    # The two phi are log V / (1 - order) - logvar, rearranged so that each is small where q is near p.
    variance_terms = phi(logvar - log_v) - order / (order - 1) * phi(-log_v)
    return (variance_terms + order * mean.square() * torch.exp(-log_v)).sum(-1) / 2


@full_precision
def squared_wasserstein_distance(
    mean: Tensor, logvar: Tensor, prior_mean: Tensor | None = None, prior_logvar: Tensor | None = None
) -> Tensor:
    """W_2^2 = sum[(mean - prior_mean)^2 + (s - prior_s)^2], (..., latent_dim) -> (...).

    In squared units of z. Unchanged by translations and rotations only. Source: Dowson and Landau 1982.
    """
    standard_mean, standard_logvar = standardise(mean, logvar, prior_mean, prior_logvar)
    squares = standard_mean.square() + torch.expm1(standard_logvar / 2).square()
    return (squares if prior_logvar is None else squares * torch.exp(prior_logvar)).sum(-1)
