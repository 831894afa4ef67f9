"""The skew-geometric Jensen-Shannon divergence JS^G of a Gaussian posterior q and a Gaussian prior p.

The convention for alpha, everywhere in this project. N_b is the geometric mean of the two Gaussians with
weight b on p, q^(1-b) p^b normalised, again a Gaussian. The outer weights are always 1 - alpha on q and alpha
on p:

    JS^G  (primal)         = (1 - alpha) KL(q || N_b) + alpha KL(p || N_b)
    JS^G* (dual=True)      = (1 - alpha) KL(N_b || q) + alpha KL(N_b || p)

    skew="paper":   b = 1 - alpha, which interpolates between the two KL (Deasy et al. 2020, eq. 16-19):
        primal -> KL(q||p) as alpha -> 0,  KL(p||q) as alpha -> 1
        dual   -> KL(p||q) as alpha -> 0,  KL(q||p) as alpha -> 1
    skew="nielsen": b = alpha, which vanishes at both ends (Nielsen 2019; Deasy et al. 2020, eq. 8-15):
        primal -> 0 and dual -> 0 as alpha -> 0 and as alpha -> 1

At alpha = 1/2 the two skews agree. D_alpha(q, p) = D_{1-alpha}(p, q) for all four.

The extended divergence (Nielsen 2025) takes the geometric mixture as it is, G_b = q^(1-b) p^b = e^-J N_b, a positive
measure of mass e^-J, J = J(b) the skew Bhattacharyya divergence; and the KL divergence of positive measures,
KL+(f||g) = int f log(f/g) + g - f, which is at least 0:

    eJS^G  (primal)        = (1 - alpha) KL+(q || G_b) + alpha KL+(p || G_b)
    eJS^G* (dual=True)     = (1 - alpha) KL+(G_b || q) + alpha KL+(G_b || p)

Its relation to JS^G. As log(q / G_b) = log(q / N_b) + J,

    KL+(q || G_b) = KL(q || N_b) + J + e^-J - 1          and the same for p, so that   eJS^G = JS^G + (e^-J - 1 + J)
    KL+(G_b || q) = e^-J (KL(N_b || q) - J) + 1 - e^-J   likewise,   eJS^G* = e^-J JS^G* + 1 - e^-J (1 + J)

The primal's gap is at least 0 and at most J. As also log(q / G_b) = b log(q/p) and log(p / G_b) = (1 - b) log(p/q),

    eJS^G = (1-alpha) b KL(q||p) + alpha (1-b) KL(p||q) + e^-J - 1

which for Nielsen's skew is alpha (1-alpha) Jeffreys + e^-J - 1, at alpha = 1/2 a quarter of Jeffreys less the squared
Hellinger distance; Nielsen's dual is 1 - e^-J, at 1/2 the squared Hellinger distance itself. At the ends J = 0: the
limits are those of JS^G.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from vae.divergences.numerics import (
    check_alpha,
    check_broadcast,
    expm1,
    full_precision,
    log_blend,
    phi,
    scaled_exp,
    standardise,
)

SKEWS = ("paper", "nielsen")


@full_precision
def geometric_js_divergence(
    mean: Tensor,
    logvar: Tensor,
    alpha: float | Tensor,
    *,
    dual: bool = False,
    skew: str = "paper",
    prior_mean: Tensor | None = None,
    prior_logvar: Tensor | None = None,
) -> Tensor:
    """Skew-geometric Jensen-Shannon divergence of the posterior q and the prior p.

    The formulas, the meaning of `alpha` and its limits stand at the head of this module. With p = N(0, I),
    s^2 = exp logvar, s_b^2 = s^2 / (1 - b + b s^2), per dimension:

        primal = 1/2 { (1-alpha) [s^2/s_b^2 - 1 + log(s_b^2/s^2)] + alpha [1/s_b^2 - 1 + log s_b^2]
                       + mean^2 s_b^2 [(1-alpha) b^2 + alpha (1-b)^2 / s^4] }
        dual   = 1/2 { (1-alpha) [s_b^2/s^2 - 1 - log(s_b^2/s^2)] + alpha [s_b^2 - 1 - log s_b^2]
                       + mean^2 s_b^4 [(1-alpha) b^2 / s^2 + alpha (1-b)^2 / s^4] }

    Arguments:
        mean, logvar: the posterior, (..., latent_dim).
        alpha: in [0, 1]; a number, or a tensor that broadcasts against the result's shape (...), one alpha
            per example or per ensemble member. A tensor's values are not checked; gradients with respect to
            it are exact, ends included.
        dual, skew: which of the four divergences.
        prior_mean, prior_logvar: broadcast against (..., latent_dim); default N(0, I).

    Returns: nats, (...), summed over the latent dimensions; never negative.

    Raises: ValueError for alpha outside [0, 1], an unknown skew, shapes that do not broadcast.

    Source: Deasy et al. 2020, eq. 8-13 (skew "nielsen") and 16-19 (skew "paper"). Proposition 2 as printed is
    the un-primed divergence, its eq. 24 has a misprint (the first term must be (1-alpha) mean^2 / s^2), and
    substituting N_{1-alpha} into eq. 11 does not give the paper's dual: the definitions above are what is
    computed.
    """
    to_posterior, to_prior = geometric_js_terms(
        mean, logvar, alpha, dual=dual, skew=skew, prior_mean=prior_mean, prior_logvar=prior_logvar
    )
    return (1 - alpha) * to_posterior + alpha * to_prior


@full_precision
def geometric_js_terms(
    mean: Tensor,
    logvar: Tensor,
    alpha: float | Tensor,
    *,
    dual: bool = False,
    skew: str = "paper",
    prior_mean: Tensor | None = None,
    prior_logvar: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The two terms of `geometric_js_divergence`: (1 - alpha) times the first plus alpha times the second.

    KL(q || N_b) and KL(p || N_b), or with dual=True KL(N_b || q) and KL(N_b || p): each in nats, (...), never
    negative. Arguments and errors are those of `geometric_js_divergence`. The lower panels of Deasy et al.
    2020, Figure 3, show them.
    """
    mean, logvar = standardise(mean, logvar, prior_mean, prior_logvar)
    alpha = over_dimensions(alpha, mean, logvar)
    b, c = geometric_mean_weights(alpha, skew)
    log_q_ratio, log_p_ratio = log_blend(logvar, b, c)  # log of s^2 / s_b^2 and of 1 / s_b^2
    square = mean.square()
    # mean_b - mean and mean_b are never formed: their difference cancels where q and p are close. Every term
    # is at least 0: nothing cancels, and no result is ever negative.
    if dual:
        to_posterior = phi(-log_q_ratio) + square * (b**2 * torch.exp(-log_q_ratio - log_p_ratio))
        to_prior = phi(-log_p_ratio) + square * scaled_exp(c**2, -2 * log_q_ratio)
    else:
        to_posterior = phi(log_q_ratio) + square * (b**2 * torch.exp(-log_p_ratio))
        to_prior = phi(log_p_ratio) + square * scaled_exp(c**2, -log_q_ratio - logvar)
    return to_posterior.sum(-1) / 2, to_prior.sum(-1) / 2


@full_precision
def extended_geometric_js_divergence(
    mean: Tensor,
    logvar: Tensor,
    alpha: float | Tensor,
    *,
    dual: bool = False,
    skew: str = "paper",
    prior_mean: Tensor | None = None,
    prior_logvar: Tensor | None = None,
) -> Tensor:
    """Extended skew-geometric Jensen-Shannon divergence: of q, p and their geometric mixture as it is, not normalised.

    Its definition, and its relation to JS^G by which it is computed, stand at the head of this module; so does the
    meaning of `alpha`. In nats, (..., latent_dim) -> (...), never negative. Unlike JS^G it is an f-divergence, and it
    does not add up over dimensions. Arguments and errors are those of `geometric_js_divergence`. At the ends of alpha
    the dual's gradient holds the square of JS^G*: in float32 it is finite where JS^G* is below 1e19.

    Source: Nielsen 2025, "Two tales for a geometric Jensen-Shannon divergence" (arXiv:2508.05066), whose divergence is
    the primal at alpha = 1/2; with the skews and the dual of Deasy et al. 2020.
    """
    prior = {"prior_mean": prior_mean, "prior_logvar": prior_logvar}
    return extended(partial(geometric_js_terms, mean, logvar, alpha, skew=skew, **prior), alpha, dual, skew)


def extended(terms: Callable[..., tuple[Tensor, Tensor]], alpha: float | Tensor, dual: bool, skew: str) -> Tensor:
    """The extended divergence made of the terms of JS^G, of which `terms(dual=...)` gives either pair."""
    to_posterior, to_prior = terms(dual=True)
    b, c = geometric_mean_weights(alpha, skew)
    gap = c * to_posterior + b * to_prior  # J(b)
    if dual:
        return torch.exp(-gap) * ((1 - alpha) * to_posterior + alpha * to_prior) + _lost(gap)
    to_posterior, to_prior = terms(dual=False)
    return (1 - alpha) * to_posterior + alpha * to_prior + phi(-gap)


def _lost(x: Tensor) -> Tensor:
    """1 - e^-x (1 + x) >= 0, exact also near 0, where it is about x^2 / 2."""
    near = x.clamp(max=1)
    return torch.where(x < 1, torch.exp(-near) * phi(near), -expm1(-x) - x * torch.exp(-x))


@full_precision
def geometric_mean(
    mean: Tensor,
    logvar: Tensor,
    alpha: float | Tensor,
    *,
    skew: str = "paper",
    prior_mean: Tensor | None = None,
    prior_logvar: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Mean and log-variance, (..., latent_dim), of N_b, the normalised geometric mean q^(1-b) p^b of q and p.

    Precisions and precision-weighted means combine linearly: with the variances s_q^2 and s_p^2

        1 / s_b^2 = (1-b) / s_q^2 + b / s_p^2,    mean_b = s_b^2 ((1-b) mean / s_q^2 + b prior_mean / s_p^2)

    Arguments and errors are those of `geometric_js_divergence`. Source: Deasy et al. 2020, eq. 12, 13 and 16.
    """
    standard_mean, standard_logvar = standardise(mean, logvar, prior_mean, prior_logvar)
    alpha = over_dimensions(alpha, standard_mean, standard_logvar)
    b, c = geometric_mean_weights(alpha, skew)
    log_q_ratio, log_p_ratio = log_blend(standard_logvar, b, c)
    mean_b, logvar_b = c * standard_mean * torch.exp(-log_q_ratio), -log_p_ratio
    if prior_logvar is not None:
        mean_b, logvar_b = mean_b * torch.exp(prior_logvar / 2), logvar_b + prior_logvar
    return (mean_b if prior_mean is None else mean_b + prior_mean), logvar_b


def over_dimensions(alpha: float | Tensor, mean: Tensor, logvar: Tensor) -> float | Tensor:
    """A number as it is; a tensor of a result's shape, (...), as (..., 1), for all latent dimensions.

    Raises ValueError for a shape that does not broadcast against the result's.
    """
    if not isinstance(alpha, Tensor):
        return alpha
    if alpha.ndim:
        check_broadcast(alpha=alpha, result=(mean + logvar)[..., 0])
    return alpha.unsqueeze(-1)


def geometric_mean_weights(alpha: float | Tensor, skew: str) -> tuple[float | Tensor, float | Tensor]:
    """The weights b on p and 1 - b on q of the geometric mean N_b, neither computed from the other.

    Raises ValueError for a number alpha outside [0, 1] and an unknown skew.
    """
    check_alpha(alpha)
    if skew not in SKEWS:
        raise ValueError(f"skew must be one of {', '.join(SKEWS)}, got {skew!r}")
    return (1 - alpha, alpha) if skew == "paper" else (alpha, 1 - alpha)
