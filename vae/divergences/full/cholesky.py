"""Divergences of Gaussians with full covariance, given by their Cholesky factors.

q = N(mean, L_q L_q^T), p = N(prior_mean, L_p L_p^T): means (..., n), `scale_tril` and `prior_scale_tril` (..., n, n)
lower triangular with a positive diagonal and zeros above it, results (...), in nats; leading dimensions broadcast. A
part of the prior left out (None) is that of N(0, I). All raise ValueError for shapes that do not fit. The values of the
factors are not checked. All is computed in float64, so that I + W does not lose I for variances up to e^30, and
given back in the arguments' precision.

The map z -> L_p^-1 (z - prior_mean) takes p to N(0, I) and q to N(v, W), v = L_p^-1 (mean - prior_mean), W = K K^T,
K = L_p^-1 L_q, which is lower triangular again. What the divergences need of covariances is Burg's matrix divergence,

    B(T) = tr T T^T - n - log |T T^T| = sum_i phi(log T_ii^2) + sum_{i>j} T_ij^2,    phi(t) = e^t - 1 - t,

of triangular T: every term is at least 0, nothing cancels where q is near p, there is no decomposition into
eigenvalues, and so there are derivatives of every order, also where eigenvalues coincide.
"""

from functools import partial

import torch
from torch import Tensor

from vae.divergences.diagonal.geometric_js import extended, geometric_mean_weights
from vae.divergences.numerics import check_broadcast, double_precision, phi

Weight = float | Tensor


@double_precision
def kl_divergence(
    mean: Tensor, scale_tril: Tensor, prior_mean: Tensor | None = None, prior_scale_tril: Tensor | None = None
) -> Tensor:
    """KL(q||p) = 1/2 (tr S_p^-1 S_q - n + log |S_p|/|S_q| + d^T S_p^-1 d) = 1/2 (B(K) + ||v||^2).

    Source: Deasy et al. 2020, eq. 2.
    """
    v, factor = _whiten(mean, scale_tril, prior_mean, prior_scale_tril)
    return (_burg(factor) + v.square().sum(-1)) / 2


@double_precision
def reverse_kl_divergence(
    mean: Tensor, scale_tril: Tensor, prior_mean: Tensor | None = None, prior_scale_tril: Tensor | None = None
) -> Tensor:
    """KL(p||q) = 1/2 (tr S_q^-1 S_p - n + log |S_q|/|S_p| + d^T S_q^-1 d) = 1/2 (B(K^-1) + ||K^-1 v||^2).

    Source: Deasy et al. 2020, eq. 2.
    """
    v, factor = _whiten(mean, scale_tril, prior_mean, prior_scale_tril)
    return (_burg(_inverse(factor)) + _solve(factor, v).square().sum(-1)) / 2


@double_precision
def jeffreys_divergence(
    mean: Tensor, scale_tril: Tensor, prior_mean: Tensor | None = None, prior_scale_tril: Tensor | None = None
) -> Tensor:
    """KL(q||p) + KL(p||q)."""
    arguments = (mean, scale_tril, prior_mean, prior_scale_tril)
    return kl_divergence(*arguments) + reverse_kl_divergence(*arguments)


@double_precision
def geometric_js_divergence(
    mean: Tensor,
    scale_tril: Tensor,
    alpha: float | Tensor,
    *,
    dual: bool = False,
    skew: str = "paper",
    prior_mean: Tensor | None = None,
    prior_scale_tril: Tensor | None = None,
) -> Tensor:
    """Skew-geometric Jensen-Shannon divergence, as defined in `vae.divergences.diagonal.geometric_js`.

    `alpha` is a number in [0, 1] or a tensor that broadcasts against the result's shape (...).
    Raises also ValueError for alpha outside [0, 1] and an unknown skew.
    Source: Deasy et al. 2020, eq. 8-19. Its eq. 11 holds for the un-primed (Nielsen's) dual only.
    """
    to_posterior, to_prior = geometric_js_terms(
        mean, scale_tril, alpha, dual=dual, skew=skew, prior_mean=prior_mean, prior_scale_tril=prior_scale_tril
    )
    return (1 - alpha) * to_posterior + alpha * to_prior


@double_precision
def geometric_js_terms(
    mean: Tensor,
    scale_tril: Tensor,
    alpha: float | Tensor,
    *,
    dual: bool = False,
    skew: str = "paper",
    prior_mean: Tensor | None = None,
    prior_scale_tril: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The two terms of `geometric_js_divergence`: (1 - alpha) times the first plus alpha times the second.

    KL(q || N_b) and KL(p || N_b), or with dual=True KL(N_b || q) and KL(N_b || p): each in nats, (...), never negative.

    Whitened, N_b has the covariance W M^-1 = P^-1, M = c I + b W = R R^T and P = c W^-1 + b I. With y = M^-1 v its mean
    is c y, which is b W y away from q's. P has the eigenvalues of T T^T, T = K^-1 R, which is triangular.
    """
    v, factor = _whiten(mean, scale_tril, prior_mean, prior_scale_tril)
    if isinstance(alpha, Tensor) and alpha.ndim:
        check_broadcast(alpha=alpha, result=v[..., 0] + factor[..., 0, 0])
    b, c = geometric_mean_weights(alpha, skew)
    q_ratio, p_ratio = _blend(factor, *(w[..., None, None] if isinstance(w, Tensor) else w for w in (b, c)))
    y = _solve_transposed(q_ratio, _solve(q_ratio, v))
    from_prior = y.square().sum(-1)
    across = _multiply(factor.mT, y)
    if dual:
        to_posterior = _burg(_inverse(q_ratio)) + b**2 * across.square().sum(-1)
        to_prior = _burg(_inverse(p_ratio)) + c**2 * from_prior
    else:
        from_posterior = _multiply(factor, across).square().sum(-1)
        to_posterior = _burg(q_ratio) + b**2 * (c * across.square().sum(-1) + b * from_posterior)
        to_prior = _burg(p_ratio) + c**2 * (c * _solve(factor, y).square().sum(-1) + b * from_prior)
    return to_posterior / 2, to_prior / 2


@double_precision
def extended_geometric_js_divergence(
    mean: Tensor,
    scale_tril: Tensor,
    alpha: float | Tensor,
    *,
    dual: bool = False,
    skew: str = "paper",
    prior_mean: Tensor | None = None,
    prior_scale_tril: Tensor | None = None,
) -> Tensor:
    """Extended skew-geometric Jensen-Shannon divergence, as defined in `vae.divergences.diagonal.geometric_js`.

    Arguments and errors are those of `geometric_js_divergence`. Source: Nielsen 2025 (arXiv:2508.05066).
    """
    prior = {"prior_mean": prior_mean, "prior_scale_tril": prior_scale_tril}
    return extended(partial(geometric_js_terms, mean, scale_tril, alpha, skew=skew, **prior), alpha, dual, skew)


@double_precision
def cauchy_schwarz_divergence(
    mean: Tensor, scale_tril: Tensor, prior_mean: Tensor | None = None, prior_scale_tril: Tensor | None = None
) -> Tensor:
    """D_CS = -log(int q p / sqrt(int q^2 int p^2)), in nats.

        1/2 d^T (S_q + S_p)^-1 d + 1/2 log |S_q + S_p| - 1/4 log |S_q| |S_p| - n/2 log 2
            = 1/2 ||C^-1 v||^2 + 1/4 log |I + G G^T|,    C C^T = I + W,    G = (K - K^-T) / 2

    Source: Kampa et al. 2011 (Principe's convention is twice this).
    """
    v, factor = _whiten(mean, scale_tril, prior_mean, prior_scale_tril)
    total = _cholesky_of_sum(1, 1, factor)
    gap = (factor - _inverse(factor).mT) / 2
    return _solve(total, v).square().sum(-1) / 2 + _log_det_one_plus(gap) / 4


@double_precision
def squared_wasserstein_distance(
    mean: Tensor, scale_tril: Tensor, prior_mean: Tensor | None = None, prior_scale_tril: Tensor | None = None
) -> Tensor:
    """W_2^2 = ||d||^2 + tr(S_q + S_p - 2 (S_p^1/2 S_q S_p^1/2)^1/2), in squared units of z.

    Computed as ||d||^2 + min_R ||L_q - L_p R||^2 over orthogonal R (Frobenius norm), which cannot be
    negative. First derivatives only. Source: Dowson and Landau 1982; Bhatia et al. 2019 (the minimum).
    """
    check_shapes(mean, prior_mean, scale_tril=scale_tril, prior_scale_tril=prior_scale_tril)
    if prior_scale_tril is None:
        prior_scale_tril = _identity_like(scale_tril)
    with torch.no_grad():  # at the minimum over R the distance does not change with R to first order
        left, _, right = torch.linalg.svd(prior_scale_tril.mT @ scale_tril)
        rotation = left @ right
    mean_term = (mean if prior_mean is None else mean - prior_mean).square().sum(-1)
    return mean_term + (scale_tril - prior_scale_tril @ rotation).square().sum((-2, -1))


def check_shapes(mean: Tensor, prior_mean: Tensor | None, **matrices: Tensor | None) -> None:
    """ValueError, which names the arguments, unless means (..., n) and matrices (..., n, n) fit."""
    n = mean.shape[-1]
    given = {name: matrix for name, matrix in matrices.items() if matrix is not None}
    for name, matrix in given.items():
        if matrix.shape[-2:] != (n, n):
            raise ValueError(f"{name} must have shape (..., {n}, {n}) like the mean, got {tuple(matrix.shape)}")
    rows = {name: matrix[..., 0] for name, matrix in given.items()}
    check_broadcast(mean=mean, prior_mean=prior_mean, **rows)


def _whiten(
    mean: Tensor, scale_tril: Tensor, prior_mean: Tensor | None, prior_scale_tril: Tensor | None
) -> tuple[Tensor, Tensor]:
    """v (..., n) and the lower triangular K (..., n, n) of the module's docstring."""
    check_shapes(mean, prior_mean, scale_tril=scale_tril, prior_scale_tril=prior_scale_tril)
    difference = mean if prior_mean is None else mean - prior_mean
    if prior_scale_tril is None:
        return difference, scale_tril
    return _solve(prior_scale_tril, difference), _solve_matrix(prior_scale_tril, scale_tril)


def _burg(factor: Tensor) -> Tensor:
    """B(T) of a lower triangular T, (..., n, n) -> (...)."""
    diagonal = factor.diagonal(dim1=-2, dim2=-1)
    return phi(2 * diagonal.log()).sum(-1) + factor.tril(-1).square().sum((-2, -1))


def _blend(factor: Tensor, b: Weight, c: Weight) -> tuple[Tensor, Tensor]:
    """Lower triangular R and T = K^-1 R with R R^T = c I + b K K^T, for weights b + c = 1 in [0, 1].

    From whichever end is nearer, as in `log_blend`: the matrix that is factorised is at least I/2, and b = 0 and b = 1
    are exact.
    """
    near_one = b > 0.5
    if isinstance(b, Tensor):
        step, weight, rest = (torch.where(near_one, *pair) for pair in ((_inverse(factor), factor), (c, b), (b, c)))
        small = _cholesky_of_sum(rest, weight, step)
        large = torch.where(near_one, factor @ small, _solve_matrix(factor, small))
        return torch.where(near_one, large, small), torch.where(near_one, small, large)
    if near_one:
        small = _cholesky_of_sum(b, c, _inverse(factor))
        return factor @ small, small
    small = _cholesky_of_sum(c, b, factor)
    return small, _solve_matrix(factor, small)


def _cholesky_of_sum(rest: Weight, weight: Weight, matrix: Tensor) -> Tensor:
    """Cholesky factor of rest I + weight M M^T."""
    return torch.linalg.cholesky(rest * _identity_like(matrix) + weight * (matrix @ matrix.mT))


def _log_det_one_plus(matrix: Tensor) -> Tensor:
    """log |I + G G^T| >= 0, exact also where G is small: there it is ||G||^2 - B(C), C C^T = I + G G^T."""
    total = _cholesky_of_sum(1, 1, matrix)
    square = matrix.square().sum((-2, -1))
    log_det = 2 * total.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    return torch.where(square < 0.5, square - _burg(total), log_det)


def _inverse(factor: Tensor) -> Tensor:
    return _solve_matrix(factor, _identity_like(factor))


def _solve_matrix(factor: Tensor, matrix: Tensor) -> Tensor:
    return torch.linalg.solve_triangular(factor, matrix, upper=False)


def _solve(factor: Tensor, vector: Tensor) -> Tensor:
    return _solve_matrix(factor, vector.unsqueeze(-1)).squeeze(-1)


def _solve_transposed(factor: Tensor, vector: Tensor) -> Tensor:
    return torch.linalg.solve_triangular(factor.mT, vector.unsqueeze(-1), upper=True).squeeze(-1)


def _multiply(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector.unsqueeze(-1)).squeeze(-1)


def _identity_like(matrix: Tensor) -> Tensor:
    return torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
