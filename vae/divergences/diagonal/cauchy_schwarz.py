"""The Cauchy-Schwarz divergence, which is closed also for mixtures of diagonal Gaussians.

    D_CS(q, p) = -log( int q p / sqrt(int q^2 int p^2) )  >= 0, symmetric, 0 only where q = p

(Principe's convention is twice this.)

For two Gaussians it is sum[ 1/2 log cosh((logvar1 - logvar2) / 2) + (mean1 - mean2)^2 / (2 (s1^2 + s2^2)) ].
A mixture needs only that: int f_k f_j = ||f_k|| ||f_j|| exp(-D_CS(f_k, f_j)) for any two components, so that
with the weights nu_k proportional to w_k ||f_k||, ||f_k|| = sqrt(int f_k^2) = prod (4 pi s_k^2)^(-1/4),

    D_CS(q, p) = -S(q, p) + 1/2 S(q, q) + 1/2 S(p, p),
    S(q, p)    = log sum_kj nu_k(q) nu_j(p) exp(-D_CS(q_k, p_j)),

in which every logarithm is of a number at most 1 and nothing large cancels.
Source: Kampa et al. 2011; Tran et al. 2021 (CSRAE), whose divergence this is.
"""

import torch
from torch import Tensor

from vae.divergences.numerics import check_broadcast, full_precision, log_cosh


@full_precision
def cauchy_schwarz_divergence(
    mean: Tensor,
    logvar: Tensor,
    component_mean: Tensor,
    component_logvar: Tensor,
    component_logweight: Tensor | None = None,
) -> Tensor:
    """D_CS(q, p) of a diagonal Gaussian q and a mixture p of K of them, in nats, (..., latent_dim) -> (...).

    Arguments:
        mean, logvar: (..., latent_dim).
        component_mean, component_logvar: (K, latent_dim), or with leading dimensions that fit those of q.
        component_logweight: (K,), log-weights up to a constant (they are normalised); None: equal weights.

    Positive for every q where the components differ: no single Gaussian is the mixture.

    Raises: ValueError for shapes that do not broadcast.
    """
    q = mean.unsqueeze(-2), logvar.unsqueeze(-2)
    p = component_mean, component_logvar
    check_broadcast(mean=q[0], logvar=q[1], component_mean=p[0], component_logvar=p[1])
    log_nu = _log_nu(component_mean, component_logvar, component_logweight)
    cross = torch.logsumexp(log_nu - _gaussian_divergence(*q, *p), -1)
    return _log_self_overlap(*p, log_nu) / 2 - cross


@full_precision
def mixture_cauchy_schwarz_divergence(
    mean1: Tensor,
    logvar1: Tensor,
    logweight1: Tensor | None,
    mean2: Tensor,
    logvar2: Tensor,
    logweight2: Tensor | None,
) -> Tensor:
    """D_CS of two mixtures of diagonal Gaussians, in nats.

    Means and logvars (..., K, latent_dim), log-weights (..., K) -> (...). The numbers of components may
    differ; log-weights are normalised, None means equal ones.

    Raises: ValueError for shapes that do not broadcast.
    """
    check_broadcast(mean1=mean1, logvar1=logvar1)
    check_broadcast(mean2=mean2, logvar2=logvar2)
    check_broadcast(mean1=mean1[..., :1, :], mean2=mean2[..., :1, :])
    log_nu1, log_nu2 = _log_nu(mean1, logvar1, logweight1), _log_nu(mean2, logvar2, logweight2)
    cross = _log_overlap(mean1, logvar1, log_nu1, mean2, logvar2, log_nu2)
    self1, self2 = _log_self_overlap(mean1, logvar1, log_nu1), _log_self_overlap(mean2, logvar2, log_nu2)
    return (self1 + self2) / 2 - cross


def _gaussian_divergence(mean1: Tensor, logvar1: Tensor, mean2: Tensor, logvar2: Tensor) -> Tensor:
    """D_CS of diagonal Gaussians, (..., latent_dim) -> (...)."""
    mahalanobis = (mean1 - mean2).square() / (torch.exp(logvar1) + torch.exp(logvar2))
    return (log_cosh((logvar1 - logvar2) / 2) + mahalanobis).sum(-1) / 2


def _log_nu(mean: Tensor, logvar: Tensor, logweight: Tensor | None) -> Tensor:
    """Normalised log(w_k ||f_k||), (..., K)."""
    log_norm = -logvar.expand(torch.broadcast_shapes(mean.shape, logvar.shape)).sum(-1) / 4
    if logweight is None:
        return torch.log_softmax(log_norm, -1)
    if logweight.shape[-1:] != log_norm.shape[-1:]:
        raise ValueError(f"need one log-weight per component, {log_norm.shape[-1]}, got shape {tuple(logweight.shape)}")
    return torch.log_softmax(log_norm + logweight, -1)


def _log_overlap(
    mean1: Tensor, logvar1: Tensor, log_nu1: Tensor, mean2: Tensor, logvar2: Tensor, log_nu2: Tensor
) -> Tensor:
    """log sum_kj nu1_k nu2_j exp(-D_kj), (..., K, latent_dim) and (..., J, latent_dim) -> (...)."""
    divergence = _gaussian_divergence(
        mean1.unsqueeze(-2), logvar1.unsqueeze(-2), mean2.unsqueeze(-3), logvar2.unsqueeze(-3)
    )
    return torch.logsumexp(log_nu1.unsqueeze(-1) + log_nu2.unsqueeze(-2) - divergence, (-2, -1))


def _log_self_overlap(mean: Tensor, logvar: Tensor, log_nu: Tensor) -> Tensor:
    return _log_overlap(mean, logvar, log_nu, mean, logvar, log_nu)
