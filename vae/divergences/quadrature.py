"""Divergences by numerical integration, where there is no closed form: for figures and checks.

The grid functions take log-densities on the nodes of any quadrature, of any dimension of z flattened into the
last axis: `log_q, log_p` (..., nodes), normalised (sum of cell * density = 1) and finite, and `cell`, the
weight of each node, a number (the cell's area, on a uniform grid) or a tensor (nodes,). They return nats,
(...), and are differentiable. On a uniform grid that reaches 12 standard deviations out they are exact to
rounding for smooth densities wider than about two cells. KL(p||q) is `grid_kl_divergence` with its densities
exchanged. The integrands, (..., nodes), are what Figure 1 of Deasy et al. 2020 shows.
"""

import torch
from torch import Tensor

from vae.divergences.diagonal.geometric_js import geometric_mean_weights
from vae.divergences.numerics import check_alpha, check_broadcast, floor_at_zero, full_precision


@full_precision
def grid_kl_divergence(log_q: Tensor, log_p: Tensor, cell: float | Tensor) -> Tensor:
    """KL(q||p) = int q (log q - log p) dz of densities on a grid."""
    return (_kl_integrand(log_q, log_p) * cell).sum(-1)


@full_precision
def grid_arithmetic_js_divergence(log_q: Tensor, log_p: Tensor, alpha: float | Tensor, cell: float | Tensor) -> Tensor:
    """(1-alpha) KL(q||m) + alpha KL(p||m), m = (1-alpha) q + alpha p, of densities on a grid.

    0 at alpha = 0 and 1. Raises ValueError for alpha outside [0, 1]. Source: Lin 1991.
    """
    return floor_at_zero((_arithmetic_js_integrand(log_q, log_p, alpha) * cell).sum(-1))


@full_precision
def arithmetic_js_integrand(log_q: Tensor, log_p: Tensor, alpha: float | Tensor) -> Tensor:
    """(1-alpha) q log(q/m) + alpha p log(p/m), m = (1-alpha) q + alpha p, at each node; never negative.

    Raises ValueError for alpha outside [0, 1]. Source: Lin 1991.
    """
    return floor_at_zero(_arithmetic_js_integrand(log_q, log_p, alpha))


def _arithmetic_js_integrand(log_q: Tensor, log_p: Tensor, alpha: float | Tensor) -> Tensor:
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
    `dual` and `skew` as in `vae.divergences.geometric_js_divergence`.
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
