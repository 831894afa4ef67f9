"""Divergences by numerical integration, where there is no closed form: for figures and checks.

The grid functions take log-densities on the nodes of any quadrature, of any dimension of z flattened into the
last axis: `log_q, log_p` (..., nodes), normalised (sum of cell * density = 1) and finite, and `cell`, the
weight of each node, a number (the cell's area, on a uniform grid) or a tensor (nodes,). They return nats,
(...), and are differentiable. On a uniform grid that reaches 12 standard deviations out they are exact to
rounding for smooth densities wider than about two cells. KL(p||q) is `grid_kl_divergence` with its densities
exchanged. The integrands, (..., nodes), are what Figure 1 of Deasy et al. 2020 shows.
"""

import math

import torch
from torch import Tensor

from vae.divergences.geometric_js import geometric_mean_weights
from vae.divergences.numerics import (
    check_alpha,
    check_broadcast,
    full_precision,
    standardise,
    unit_gauss_legendre,
)


@full_precision
def arithmetic_js_divergence(
    mean: Tensor,
    logvar: Tensor,
    alpha: float | Tensor,
    prior_mean: Tensor | None = None,
    prior_logvar: Tensor | None = None,
) -> Tensor:
    """Jensen-Shannon divergence (1-alpha) KL(q||m) + alpha KL(p||m), m = (1-alpha) q + alpha p.

    Of one-dimensional Gaussians. Shapes (..., 1) -> (...); default prior N(0, 1). `alpha` in [0, 1] is a
    number or a tensor that broadcasts against (...). Nats, at most the entropy of (1-alpha, alpha).
    Integrated in float64 whatever the arguments' dtype.

    Raises: ValueError for alpha outside [0, 1], a last dimension other than 1, shapes that do not broadcast.

    Source: Lin 1991. The lambda-divergence of Deasy et al. 2020, eq. 6, has lambda = 1 - alpha.
    """
    mean, logvar = standardise(mean, logvar, prior_mean, prior_logvar)
    if mean.shape[-1] != 1 or logvar.shape[-1] != 1:
        raise ValueError(f"needs one latent dimension, got mean {tuple(mean.shape)}, logvar {tuple(logvar.shape)}")
    dtype = torch.result_type(mean, logvar)
    mean, logvar = torch.broadcast_tensors(mean.double(), logvar.double())
    z, cell = _panels(mean.detach(), logvar.detach())
    log_q = _log_normal((z - mean) * torch.exp(-logvar / 2)) - logvar / 2
    return grid_arithmetic_js_divergence(log_q, _log_normal(z), alpha, cell).to(dtype)


@full_precision
def grid_kl_divergence(log_q: Tensor, log_p: Tensor, cell: float | Tensor) -> Tensor:
    """KL(q||p) = int q (log q - log p) dz of densities on a grid."""
    return (_kl_integrand(log_q, log_p) * cell).sum(-1)


@full_precision
def grid_arithmetic_js_divergence(log_q: Tensor, log_p: Tensor, alpha: float | Tensor, cell: float | Tensor) -> Tensor:
    """(1-alpha) KL(q||m) + alpha KL(p||m), m = (1-alpha) q + alpha p, of densities on a grid.

    0 at alpha = 0 and 1. Raises ValueError for alpha outside [0, 1]. Source: Lin 1991.
    """
    return (arithmetic_js_integrand(log_q, log_p, alpha) * cell).sum(-1)


@full_precision
def arithmetic_js_integrand(log_q: Tensor, log_p: Tensor, alpha: float | Tensor) -> Tensor:
    """(1-alpha) q log(q/m) + alpha p log(p/m), m = (1-alpha) q + alpha p, at each node; never negative.

    Raises ValueError for alpha outside [0, 1]. Source: Lin 1991.
    """
    check_alpha(alpha)
    alpha = torch.as_tensor(alpha, dtype=log_q.dtype, device=log_q.device).unsqueeze(-1)
    log_m = torch.logaddexp(log_q + torch.log1p(-alpha), log_p + torch.log(alpha))
    return (1 - alpha) * _kl_integrand(log_q, log_m) + alpha * _kl_integrand(log_p, log_m)


@full_precision
def grid_geometric_js_divergence(
    log_q: Tensor,
    log_p: Tensor,
    alpha: float | Tensor,
    cell: float | Tensor,
    *,
    dual: bool = False,
    skew: str = "paper",
) -> Tensor:
    """Skew-geometric Jensen-Shannon divergence of densities on a grid.

    With the normalised geometric mean q^(1-b) p^b / Z; `alpha` (a number, or a tensor of the result's shape),
    `dual` and `skew` as in `vae.divergences.geometric_js`.
    Raises ValueError for alpha outside [0, 1] and an unknown skew. Source: Nielsen 2019; Deasy et al. 2020,
    eq. 8-19.
    """
    return (geometric_js_integrand(log_q, log_p, alpha, cell, dual=dual, skew=skew) * cell).sum(-1)


@full_precision
def geometric_js_integrand(
    log_q: Tensor,
    log_p: Tensor,
    alpha: float | Tensor,
    cell: float | Tensor,
    *,
    dual: bool = False,
    skew: str = "paper",
) -> Tensor:
    """(1-alpha) q log(q/g) + alpha p log(p/g), g = q^(1-b) p^b / Z, at each node; negative in places.

    With dual=True (1-alpha) g log(g/q) + alpha g log(g/p). Arguments and errors are those of
    `grid_geometric_js_divergence`.
    """
    check_alpha(alpha)
    b, c = geometric_mean_weights(alpha, skew)
    alpha, b, c = (weight.unsqueeze(-1) if isinstance(weight, Tensor) else weight for weight in (alpha, b, c))
    log_g = c * log_q + b * log_p
    log_cell = torch.as_tensor(cell, dtype=log_g.dtype, device=log_g.device).log()
    log_g = log_g - torch.logsumexp(log_g + log_cell, -1, keepdim=True)
    if dual:
        return (1 - alpha) * _kl_integrand(log_g, log_q) + alpha * _kl_integrand(log_g, log_p)
    return (1 - alpha) * _kl_integrand(log_q, log_g) + alpha * _kl_integrand(log_p, log_g)


def _kl_integrand(log_q: Tensor, log_p: Tensor) -> Tensor:
    check_broadcast(log_q=log_q, log_p=log_p)
    return torch.exp(log_q) * (log_q - log_p)


def _log_normal(x: Tensor) -> Tensor:
    return -(x.square() + math.log(2 * math.pi)) / 2


def _panels(mean: Tensor, logvar: Tensor) -> tuple[Tensor, Tensor]:
    """Nodes and weights, (..., nodes), for N(mean, exp logvar) and N(0, 1) together, whatever their widths.

    Gauss-Legendre panels between the points at which either Gaussian is a whole number of standard
    deviations, up to 12, from its mean. The panels may depend on the arguments without entering gradients:
    the integral does not depend on them.
    """
    sigmas = torch.arange(-12, 13, dtype=mean.dtype, device=mean.device)
    q_edges, p_edges = mean + torch.exp(logvar / 2) * sigmas, sigmas.expand(*mean.shape[:-1], -1)
    edges = torch.cat([q_edges, p_edges], -1).sort(-1).values
    nodes, weights = (mean.new_tensor(values) for values in unit_gauss_legendre(16))
    left, width = edges[..., :-1, None], edges.diff()[..., None]
    return (left + width * nodes).flatten(-2), (width * weights).flatten(-2)
