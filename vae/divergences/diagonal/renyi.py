"""The Renyi family: what is made of int q^a p^(1-a) dz. Shapes and errors as in `vae.divergences.diagonal`.

    J(alpha)  = -log int q^(1-alpha) p^alpha dz      Bhattacharyya, alpha in [0, 1] the weight on p
    D_order   = J(1 - order) / (1 - order)           Renyi
    H^2       = 1 - exp(-J(1/2))                     squared Hellinger distance
    chi^2     = exp(D_2) - 1                         chi-squared

Above order 1 the integral is finite only where V = (1 - order) s^2 + order > 0 in every dimension, which is
logvar - prior_logvar < log(order / (order - 1)). Elsewhere the divergence is +inf, and that is what is returned, with
the gradient 0. Training needs a way back: with `continued=True` the divergence of each dimension goes on, from
V = 1/4 outwards, along its tangent in logvar. So it is finite everywhere, its gradient is continuous and leads back
to where the integral exists, and nothing changes where V is larger.
"""

import math

import torch
from torch import Tensor

from vae.divergences.diagonal.geometric_js import geometric_js_divergence
from vae.divergences.diagonal.kl import kl_divergence
from vae.divergences.numerics import check_broadcast, expm1, full_precision, log_blend, phi, standardise

SMALLEST_V = 0.25  # where the continuation begins: nearer to 0 its slope leaves Adam with steps too short to come back
LARGEST_EXPONENT = 16.0  # in nats of D_2, above which the continued chi^2 is no longer an exponential


def bhattacharyya_divergence(
    mean: Tensor,
    logvar: Tensor,
    alpha: float | Tensor,
    prior_mean: Tensor | None = None,
    prior_logvar: Tensor | None = None,
) -> Tensor:
    """Skew Bhattacharyya divergence J(alpha) = -log int q^(1-alpha) p^alpha dz.

    In nats, (..., latent_dim) -> (...). `alpha` in [0, 1] is the weight on p, a number or a tensor that
    broadcasts against (...); J(0) = J(1) = 0, and alpha = 1/2 is the Bhattacharyya distance. J(alpha) / alpha goes to
    KL(q||p) as alpha goes to 0. For Gaussians J(alpha) is exactly the dual geometric Jensen-Shannon divergence of
    Nielsen's skew, whose errors it raises.

    Source: Nielsen and Boltz 2011; Deasy et al. 2020, eq. 10.
    """
    return geometric_js_divergence(
        mean, logvar, alpha, dual=True, skew="nielsen", prior_mean=prior_mean, prior_logvar=prior_logvar
    )


def squared_hellinger_distance(
    mean: Tensor, logvar: Tensor, prior_mean: Tensor | None = None, prior_logvar: Tensor | None = None
) -> Tensor:
    """H^2 = 1 - int sqrt(q p) dz = 1 - exp(-J(1/2)), in [0, 1], (..., latent_dim) -> (...).

    Half of int (sqrt q - sqrt p)^2 dz, which some authors call H^2. Near 1, where q and p hardly overlap, its gradient
    vanishes. Source: Hellinger 1909; Bhattacharyya 1943.
    """
    return -expm1(-bhattacharyya_divergence(mean, logvar, 0.5, prior_mean, prior_logvar))


@full_precision
def renyi_divergence(
    mean: Tensor,
    logvar: Tensor,
    order: float | Tensor,
    prior_mean: Tensor | None = None,
    prior_logvar: Tensor | None = None,
    *,
    continued: bool = False,
) -> Tensor:
    """Renyi divergence of q from p, D_order = log(int q^order p^(1-order) dz) / (order - 1).

    In nats, (..., latent_dim) -> (...). With V = (1 - order) s^2 + order it is
        sum[ order mean^2 / (2 V) + (log V - (1 - order) logvar) / (2 (1 - order)) ].
    Order 1 is the limit KL(q||p), order 0 gives 0, and the divergence never falls with its order.

    Arguments:
        order: at least 0; a number, or a tensor that broadcasts against the result's shape (...), whose values are not
            checked. The gradient with respect to it is exact except at 1.
        continued: finite where the divergence is not, as the head of this module says.

    Raises: ValueError for a number that is negative or not finite, shapes that do not broadcast.

    Source: Renyi 1961; van Erven and Harremoes 2014; Gil et al. 2013 (Gaussians).
    """
    if not isinstance(order, Tensor):
        if not 0 <= order < math.inf:
            raise ValueError(f"order must be a finite number of at least 0, got {order}")
        if order == 1:
            return kl_divergence(mean, logvar, prior_mean, prior_logvar)
        if order < 1:
            return bhattacharyya_divergence(mean, logvar, 1 - order, prior_mean, prior_logvar) / (1 - order)
    mean, logvar = standardise(mean, logvar, prior_mean, prior_logvar)
    if isinstance(order, Tensor):
        if order.ndim:
            check_broadcast(order=order, result=(mean + logvar)[..., 0])
        order = order.unsqueeze(-1)
    if continued:
        growth, edge = _edge(order)
        inner = _renyi_terms(mean, torch.clamp(logvar, max=edge), order)
        slope = order * (order - 1) * mean.square() * (growth / SMALLEST_V**2) + (growth / SMALLEST_V - 1)
        return (inner + slope * torch.relu(logvar - edge)).sum(-1) / 2
    finite = (order - 1) * torch.expm1(logvar) < 1
    if isinstance(order, Tensor):
        finite = finite | (order <= 1)
    inner = _renyi_terms(mean, torch.where(finite, logvar, 0), order)
    return torch.where(finite, inner, math.inf).sum(-1) / 2


@full_precision
def chi_squared_divergence(
    mean: Tensor,
    logvar: Tensor,
    prior_mean: Tensor | None = None,
    prior_logvar: Tensor | None = None,
    *,
    continued: bool = False,
) -> Tensor:
    """chi^2(q||p) = int (q - p)^2 / p dz = int q^2 / p dz - 1 = exp(D_2) - 1, (..., latent_dim) -> (...).

    Pearson's, with the density p of the prior below; Neyman's has q there, and is this with q and p exchanged. It is
    finite where logvar - prior_logvar < log 2 in every dimension, and in float32 where D_2 < 88 nats; beyond, +inf.

    Arguments:
        continued: finite everywhere. D_2 is continued as the head of this module says, and from D_2 = 16 nats on
            the exponential goes on along its tangent, e^16 (D_2 - 15) - 1.

    Source: Pearson 1900; van Erven and Harremoes 2014 (its relation to D_2).
    """
    renyi = renyi_divergence(mean, logvar, 2, prior_mean, prior_logvar, continued=continued)
    if not continued:
        return torch.expm1(renyi)
    excess = torch.relu(renyi - LARGEST_EXPONENT)
    return torch.expm1(renyi.clamp(max=LARGEST_EXPONENT)) + math.exp(LARGEST_EXPONENT) * excess


def _renyi_terms(mean: Tensor, logvar: Tensor, order: float | Tensor) -> Tensor:
    """Twice the summands of the Renyi divergence, where V > 0."""
    log_v, log_v_ratio = log_blend(logvar, 1 - order, order)
    if isinstance(order, Tensor):  # at 1 the second phi is 0
        ratio = torch.where(order == 1, 0, order / torch.where(order == 1, 2, order - 1))
    else:
        ratio = order / (order - 1)
    # The two phi are log V / (1 - order) - logvar, rearranged so that each is small where q is near p.
    variance_terms = phi(-log_v_ratio) - ratio * phi(-log_v)
    return variance_terms + order * mean.square() * torch.exp(-log_v)


def _edge(order: float | Tensor) -> tuple[float | Tensor, float | Tensor]:
    """The variance at which V has fallen to SMALLEST_V, and its logarithm; +inf, and any variance, up to order 1."""
    if not isinstance(order, Tensor):
        variance = (order - SMALLEST_V) / (order - 1)
        return variance, math.log(variance)
    above_one = order > 1
    variance = torch.where(above_one, (order - SMALLEST_V) / torch.where(above_one, order - 1, 1), 1)
    return variance, torch.where(above_one, variance.log(), math.inf)
