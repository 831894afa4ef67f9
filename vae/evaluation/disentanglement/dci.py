"""Disentanglement, completeness and informativeness (Eastwood and Williams 2018)."""

import torch
from torch import Tensor

from vae.evaluation.disentanglement.base import METRICS
from vae.evaluation.disentanglement.factors import varying
from vae.evaluation.information import entropy

FOLDS = 5
PENALTIES = torch.logspace(0, -4, 13, dtype=torch.float64)  # of the lasso; 1 leaves no coefficient
SWEEPS, CONVERGED = 1000, 1e-9  # of the coordinate descent: at most so many, until no coefficient moves by more
COLLAPSED = 1e-6  # standard deviation, or variance, of a dimension that says nothing: what it is divided by at least
TINY = 1e-300  # what sums of importances are divided by at least, so that 0 / 0 is 0


@METRICS.register("dci", place=4)
def dci_scores(mean: Tensor, logvar: Tensor, factors: Tensor) -> dict[str, float]:
    """dci_disentanglement, dci_completeness, dci_informativeness: of the posterior mean."""
    return {f"dci_{name}": value for name, value in dci(mean, factors).items()}


def dci(mean: Tensor, factors: Tensor) -> dict[str, float]:
    """Disentanglement, completeness and informativeness (Eastwood and Williams 2018, section 2), each at most 1.

    The importance R_jk of dimension j for factor k is the size of its coefficient in a lasso regression of the factor's
    class index on all dimensions, everything standardised, with the penalty that predicts best in 5-fold
    cross-validation. Disentanglement is 1 - H(R_j. / their sum) / log K, a mean over dimensions weighted by their
    importance; completeness is 1 - H(R_.k / their sum) / log latent_dim, a mean over factors weighted by theirs, as in
    disentanglement_lib, so that a factor of which nothing is known does not count; informativeness is the R^2 of the
    predictions in cross-validation, a mean over factors. All of it is linear: a factor that goes round, such as an
    orientation, or has no order, such as a shape, is held to its index.
    """
    factors = varying(factors).double()
    mean = mean.double()
    x = (mean - mean.mean(0)) / mean.std(0, correction=0).clamp(min=COLLAPSED)
    y = (factors - factors.mean(0)) / factors.std(0, correction=0)
    folds = torch.randperm(len(x)).tensor_split(FOLDS)
    covariances = torch.stack([x[fold].T @ x[fold] for fold in folds]) / len(x)
    targets = torch.stack([x[fold].T @ y[fold] for fold in folds]) / len(x)
    covariance, target = covariances.sum(0), targets.sum(0)

    covariances, targets = covariances.unsqueeze(1), targets.unsqueeze(1)  # (folds, penalties, ...)
    # Each fold is left out once. What is left has fewer examples, and a penalty that is smaller in proportion.
    w = lasso(covariance - covariances, target - targets, (1 - 1 / FOLDS) * PENALTIES.view(-1, 1, 1))
    errors = 1 + (w * (covariances @ w - 2 * targets)).sum((0, 2))  # |y - x w|^2 of what was left out; 1 is that of y
    error, best = errors.min(0)

    importance = lasso(covariance, target, PENALTIES[best]).abs()
    return {
        "disentanglement": weighted_concentration(importance),
        "completeness": weighted_concentration(importance.T),
        "informativeness": (1 - error).mean().item(),
    }


def lasso(covariance: Tensor, target: Tensor, penalty: Tensor) -> Tensor:
    """Minimise w' covariance w / 2 - target' w + penalty |w|_1 for each column of target, by coordinate descent.

    covariance (..., latent_dim, latent_dim), target (..., latent_dim, K), and a penalty that can be added to target;
    returns their sum's shape.
    """
    w = torch.zeros_like(target + penalty)
    for _ in range(SWEEPS):
        before = w.clone()
        for j in range(w.shape[-2]):
            row = slice(j, j + 1)
            scale = covariance[..., row, row]
            residual = target[..., row, :] - covariance[..., row, :] @ w + scale * w[..., row, :]
            w[..., row, :] = residual.sign() * (residual.abs() - penalty).clamp(min=0) / scale.clamp(min=COLLAPSED)
        if (w - before).abs().max() < CONVERGED:
            break
    return w


def weighted_concentration(importance: Tensor) -> float:
    """The mean of the rows' concentrations, each weighted by its sum; 0 where all are zeros."""
    weight = importance.sum(1) / importance.sum().clamp(min=TINY)
    return (weight * concentration(importance)).sum().item()


def concentration(importance: Tensor) -> Tensor:
    """1 - H(row / its sum) / log(columns) of each row: 1 where one column has all of it, 0 where all have as much.

    A row of zeros has 0; with a single column every other row has 1.
    """
    total = importance.sum(1, keepdim=True)
    spread = entropy(importance / total.clamp(min=TINY))
    limit = entropy(torch.full_like(importance[:1], 1 / importance.shape[1])).clamp(min=TINY)
    return torch.where(total.squeeze(1) > 0, 1 - spread / limit, 0.0)
