"""Divergences of Gaussians with full covariance.

q = N(mean, covariance), p = N(prior_mean, prior_covariance): means (..., n), covariances (..., n, n), results
(...), in nats; leading dimensions broadcast. A part of the prior left out (None) is that of N(0, I). All
raise ValueError for shapes that do not fit and for covariances that are not positive definite.

With Cholesky factors prior_covariance = L L^T and covariance = L_q L_q^T, the map z -> L^-1 (z - prior_mean)
takes p to N(0, I) and q to N(v, W), v = L^-1 (mean - prior_mean), W = K K^T, K = L^-1 L_q. The variances
enter through l = log eig(W) = 2 log(singular values of K), as in the diagonal case and hence never negative
near q = p; the means through triangular solves. Singular values without their vectors have exact gradients
where they coincide, too.
"""

import torch
from torch import Tensor

from vae.divergences.geometric_js import geometric_mean_weights
from vae.divergences.numerics import check_alpha, check_broadcast, full_precision, log_blend, log_cosh, phi


@full_precision
def kl_divergence(
    mean: Tensor, covariance: Tensor, prior_mean: Tensor | None = None, prior_covariance: Tensor | None = None
) -> Tensor:
    """KL(q||p) = 1/2 (tr S_p^-1 S_q - n + log |S_p|/|S_q| + d^T S_p^-1 d), d = mean - prior_mean.

    Source: Deasy et al. 2020, eq. 2.
    """
    v, factor = _whiten(mean, covariance, prior_mean, prior_covariance)
    return (phi(_log_eigenvalues(factor)).sum(-1) + v.square().sum(-1)) / 2


@full_precision
def reverse_kl_divergence(
    mean: Tensor, covariance: Tensor, prior_mean: Tensor | None = None, prior_covariance: Tensor | None = None
) -> Tensor:
    """KL(p||q) = 1/2 (tr S_q^-1 S_p - n + log |S_q|/|S_p| + d^T S_q^-1 d), d = mean - prior_mean.

    Source: Deasy et al. 2020, eq. 2.
    """
    v, factor = _whiten(mean, covariance, prior_mean, prior_covariance)
    return (phi(-_log_eigenvalues(factor)).sum(-1) + _solve_lower(factor, v).square().sum(-1)) / 2


def jeffreys_divergence(
    mean: Tensor, covariance: Tensor, prior_mean: Tensor | None = None, prior_covariance: Tensor | None = None
) -> Tensor:
    """KL(q||p) + KL(p||q)."""
    arguments = (mean, covariance, prior_mean, prior_covariance)
    return kl_divergence(*arguments) + reverse_kl_divergence(*arguments)


@full_precision
def geometric_js_divergence(
    mean: Tensor,
    covariance: Tensor,
    alpha: float | Tensor,
    *,
    dual: bool = False,
    skew: str = "paper",
    prior_mean: Tensor | None = None,
    prior_covariance: Tensor | None = None,
) -> Tensor:
    """Skew-geometric Jensen-Shannon divergence, as defined in `vae.divergences.geometric_js`.

    `alpha` is a number in [0, 1] or a tensor that broadcasts against the result's shape (...).
    Raises also ValueError for alpha outside [0, 1] and an unknown skew.
    Source: Deasy et al. 2020, eq. 8-19. Its eq. 11 holds for the un-primed (Nielsen's) dual only.
    """
    v, factor = _whiten(mean, covariance, prior_mean, prior_covariance)
    check_alpha(alpha)
    if isinstance(alpha, Tensor):
        if alpha.ndim:
            check_broadcast(alpha=alpha, result=v[..., 0] + factor[..., 0, 0])
        alpha = alpha.unsqueeze(-1)
    b, c = geometric_mean_weights(alpha, skew)
    log_q_ratio, log_p_ratio = log_blend(_log_eigenvalues(factor), b, c)

    # Whitened, N_b has precision W^-1 (c I + b W), and its mean lies -b W y from q's and c y from p's.
    matrix_b, matrix_c = (w.unsqueeze(-1) if isinstance(w, Tensor) else w for w in (b, c))
    blend = torch.linalg.cholesky(matrix_c * _identity_like(factor) + matrix_b * (factor @ factor.mT))
    y = torch.cholesky_solve(v.unsqueeze(-1), blend).squeeze(-1)
    if dual:
        to_posterior = phi(-log_q_ratio) + (b * _multiply(factor.mT, y)).square()
        to_prior = phi(-log_p_ratio) + (c * y).square()
    else:
        to_posterior = phi(log_q_ratio) + b**2 * _multiply(factor.mT, v) * _multiply(factor.mT, y)
        to_prior = phi(log_p_ratio) + c**2 * _solve_lower(factor, v) * _solve_lower(factor, y)
    return ((1 - alpha) * to_posterior + alpha * to_prior).sum(-1) / 2


@full_precision
def cauchy_schwarz_divergence(
    mean: Tensor, covariance: Tensor, prior_mean: Tensor | None = None, prior_covariance: Tensor | None = None
) -> Tensor:
    """D_CS = -log(int q p / sqrt(int q^2 int p^2)) = 1/2 d^T (S_q + S_p)^-1 d + 1/2 sum log cosh(l / 2).

    The sum is log |S_q + S_p| - 1/2 log |S_q| |S_p| - n log 2. Source: Kampa et al. 2011 (Principe's
    convention is twice this).
    """
    v, factor = _whiten(mean, covariance, prior_mean, prior_covariance)
    total = torch.linalg.cholesky(_identity_like(factor) + factor @ factor.mT)
    mahalanobis = _solve_lower(total, v).square().sum(-1)
    return (log_cosh(_log_eigenvalues(factor) / 2).sum(-1) + mahalanobis) / 2


@full_precision
def squared_wasserstein_distance(
    mean: Tensor, covariance: Tensor, prior_mean: Tensor | None = None, prior_covariance: Tensor | None = None
) -> Tensor:
    """W_2^2 = ||d||^2 + tr(S_q + S_p - 2 (S_p^1/2 S_q S_p^1/2)^1/2), in squared units of z.

    Computed as ||d||^2 + min_R ||L_q - L_p R||^2 over orthogonal R (Frobenius norm), which cannot be
    negative. First derivatives only. Source: Dowson and Landau 1982; Bhatia et al. 2019 (the minimum).
    """
    prior_mean, prior_covariance = _prior(mean, covariance, prior_mean, prior_covariance)
    factor = _cholesky("covariance", covariance)
    prior_factor = _cholesky("prior_covariance", prior_covariance)
    with torch.no_grad():  # at the minimum over R the distance does not change with R to first order
        left, _, right = torch.linalg.svd(prior_factor.mT @ factor)
        rotation = left @ right
    difference = factor - prior_factor @ rotation
    return (mean - prior_mean).square().sum(-1) + difference.square().sum((-2, -1))


def _whiten(
    mean: Tensor, covariance: Tensor, prior_mean: Tensor | None, prior_covariance: Tensor | None
) -> tuple[Tensor, Tensor]:
    """v (..., n) and the lower triangular K (..., n, n) of the module's docstring."""
    prior_mean, prior_covariance = _prior(mean, covariance, prior_mean, prior_covariance)
    factor = _cholesky("covariance", covariance)
    prior_factor = _cholesky("prior_covariance", prior_covariance)
    v = _solve_lower(prior_factor, mean - prior_mean)
    return v, torch.linalg.solve_triangular(prior_factor, factor, upper=False)


def _prior(
    mean: Tensor, covariance: Tensor, prior_mean: Tensor | None, prior_covariance: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The prior with its defaults filled in, once all shapes are known to fit."""
    n = mean.shape[-1]
    if prior_mean is None:
        prior_mean = mean.new_zeros(n)
    if prior_covariance is None:
        prior_covariance = torch.eye(n, dtype=mean.dtype, device=mean.device)
    for name, matrix in (("covariance", covariance), ("prior_covariance", prior_covariance)):
        if matrix.shape[-2:] != (n, n):
            raise ValueError(f"{name} must have shape (..., {n}, {n}) like the mean, got {tuple(matrix.shape)}")
    check_broadcast(
        mean=mean,
        covariance=covariance[..., 0],
        prior_mean=prior_mean,
        prior_covariance=prior_covariance[..., 0],
    )
    return prior_mean, prior_covariance


def _cholesky(name: str, covariance: Tensor) -> Tensor:
    try:
        return torch.linalg.cholesky(covariance)
    except torch.linalg.LinAlgError:
        raise ValueError(f"{name} must be positive definite") from None


def _log_eigenvalues(factor: Tensor) -> Tensor:
    """log eig(K K^T), (..., n)."""
    return 2 * torch.log(torch.linalg.svdvals(factor))


def _solve_lower(factor: Tensor, vector: Tensor) -> Tensor:
    return torch.linalg.solve_triangular(factor, vector.unsqueeze(-1), upper=False).squeeze(-1)


def _multiply(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector.unsqueeze(-1)).squeeze(-1)


def _identity_like(matrix: Tensor) -> Tensor:
    return torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
