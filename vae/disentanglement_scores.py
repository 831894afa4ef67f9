"""Scores of how well single latent dimensions stand for single factors: FactorVAE's, SAP and DCI, and MIG with them.

The three take the posterior means of N images, (N, latent_dim), and the class indices of their K factors, int64,
(N, K); factors of one value are left out, and ValueError is raised if none is left. What is drawn is drawn from the
global random stream.
"""

import torch
from torch import Tensor

from vae.disentanglement import entropy, gaps, mutual_information_gaps, varying

COLLAPSED = 0.01  # variance of the posterior mean below which a dimension knows nothing of the image and has no vote
VOTES, IMAGES_PER_VOTE = 10_000, 64  # as in Locatello et al. 2019 (arXiv:1811.12359)
QUANTILES = 1000  # between which thresholds lie
FOLDS = 5
PENALTIES = torch.logspace(0, -4, 13, dtype=torch.float64)  # of the lasso; 1 leaves no coefficient


def disentanglement_scores(mean: Tensor, logvar: Tensor, factors: Tensor) -> dict[str, float | list[float]]:
    """Every score of posteriors N(mean, diag exp logvar), both (N, latent_dim), and factors (N, K).

    mig_sample, mig_mean: the mutual information gap in both forms, and the gap of each factor in *_of_factors.
    factor_vae_score, sap, dci_disentanglement, dci_completeness, dci_informativeness: by the posterior mean.
    """
    information_gaps = mutual_information_gaps(mean, logvar, factors)
    return {
        "mig_sample": information_gaps.sample.mean().item(),
        "mig_mean": information_gaps.mean.mean().item(),
        "mig_sample_of_factors": information_gaps.sample.tolist(),
        "mig_mean_of_factors": information_gaps.mean.tolist(),
        "factor_vae_score": factor_vae_score(mean, factors),
        "sap": separated_attribute_predictability(mean, factors),
        **{f"dci_{name}": value for name, value in dci(mean, factors).items()},
    }


def factor_vae_score(mean: Tensor, factors: Tensor) -> float:
    """The accuracy of the FactorVAE metric (Kim and Mnih 2018, arXiv:1802.05983, section 4), 1/K by chance, at most 1.

    A vote fixes one factor at one value, looks at images that have it, and names the dimension whose mean varies least
    among them, relative to its variance over all images. The classifier, which takes a dimension for the factor that
    most of its votes are from, is made of 10,000 votes and judged by as many others. The score is 0 if all dimensions
    have collapsed.
    """
    factors = varying(factors)
    variance = mean.double().var(0)
    active = variance > COLLAPSED
    if not active.any():
        return 0.0
    standardised = mean[:, active] / variance[active].sqrt().to(mean.dtype)
    learnt, judged = count_votes(standardised, factors), count_votes(standardised, factors)
    return (judged.gather(1, learnt.argmax(1, keepdim=True)).sum() / VOTES).item()


def count_votes(mean: Tensor, factors: Tensor) -> Tensor:
    """How often each dimension varied least where each factor was fixed, (latent_dim, K), in 10,000 votes."""
    votes = []
    fixed = torch.randint(factors.shape[1], (VOTES,)).bincount(minlength=factors.shape[1])
    for factor, count in zip(factors.T, fixed.tolist()):
        order, sizes = factor.argsort(), factor.bincount()
        starts, present = sizes.cumsum(0) - sizes, sizes.nonzero().flatten()
        value = present[torch.randint(len(present), (count, 1))]
        nth = (torch.rand(count, IMAGES_PER_VOTE) * sizes[value]).long()
        least = mean[order[starts[value] + nth]].var(1).argmin(-1)
        votes.append(least.bincount(minlength=mean.shape[1]))
    return torch.stack(votes, dim=1)


def separated_attribute_predictability(mean: Tensor, factors: Tensor) -> float:
    """SAP: how much better the best dimension alone tells a factor than the second best, mean over factors, 0 to 1.

    Every factor counts as one of classes (Kumar et al. 2018, arXiv:1711.00848, section 3): the score of a dimension is
    the balanced accuracy of the thresholds that tell the factor's values apart best.
    """
    factors = varying(factors)
    places = torch.arange(1, QUANTILES) * len(mean) // QUANTILES
    accuracies = []
    for z in mean.T:
        place = torch.bucketize(z.contiguous(), z.sort().values[places].unique())
        accuracies.append(torch.stack([threshold_accuracy(place, factor) for factor in factors.T]))
    return gaps(torch.stack(accuracies)).mean().item()


def threshold_accuracy(place: Tensor, factor: Tensor) -> Tensor:
    """The best balanced accuracy of naming a factor's value, (N,), from a dimension's place among the quantiles, (N,).

    An interval for each value, in the order of the values' mean places, with thresholds wherever they serve best.
    """
    width = int(place.max()) + 1
    counts = torch.bincount(factor * width + place, minlength=width * (int(factor.max()) + 1)).view(-1, width).double()
    counts = counts[counts.any(1)]
    shares = counts / counts.sum(1, keepdim=True)
    below = torch.cat([torch.zeros_like(shares[:, :1]), shares.cumsum(1)], dim=1)
    order = (shares @ torch.arange(width, dtype=torch.float64)).argsort()
    # What is right below each threshold: of the values so far, best[t]; of the next from threshold s on, up to t,
    # best[s] + below[t] - below[s] for the best s.
    best = torch.zeros_like(below[0])
    for value in below[order]:
        best = value + (best - value).cummax(0).values
    return best[-1] / len(shares)


def dci(mean: Tensor, factors: Tensor) -> dict[str, float]:
    """Disentanglement, completeness and informativeness (Eastwood and Williams 2018, section 2), each at most 1.

    The importance R_jk of dimension j for factor k is the size of its coefficient in a lasso regression of the factor's
    class index on all dimensions, everything standardised, with the penalty that predicts best in 5-fold
    cross-validation. Disentanglement is 1 - H(R_j. / their sum) / log K, a mean over dimensions weighted by their
    importance; completeness is 1 - H(R_.k / their sum) / log latent_dim, a mean over factors; informativeness is the
    R^2 of the predictions in cross-validation, a mean over factors. All of it is linear: a factor that goes round,
    such as an orientation, or has no order, such as a shape, is held to its index.
    """
    factors = varying(factors).double()
    mean = mean.double()
    x = (mean - mean.mean(0)) / mean.std(0).clamp(min=1e-6)
    y = (factors - factors.mean(0)) / factors.std(0)
    folds = torch.randperm(len(x)).tensor_split(FOLDS)
    covariances = torch.stack([x[fold].T @ x[fold] for fold in folds]) / len(x)
    targets = torch.stack([x[fold].T @ y[fold] for fold in folds]) / len(x)
    covariance, target = covariances.sum(0), targets.sum(0)

    covariances, targets = covariances.unsqueeze(1), targets.unsqueeze(1)  # (folds, penalties, ...)
    w = lasso(covariance - covariances, target - targets, (1 - 1 / FOLDS) * PENALTIES.view(-1, 1, 1))
    errors = 1 + (w * (covariances @ w - 2 * targets)).sum((0, 2))  # of what was left out; 1 is the variance of y
    error, best = errors.min(0)

    importance = lasso(covariance, target, PENALTIES[best]).abs()
    weight = importance.sum(1) / importance.sum().clamp(min=1e-300)
    return {
        "disentanglement": (weight * concentration(importance)).sum().item(),
        "completeness": concentration(importance.T).mean().item(),
        "informativeness": (1 - error).mean().item(),
    }


def lasso(covariance: Tensor, target: Tensor, penalty: Tensor, sweeps: int = 1000) -> Tensor:
    """Minimise w' covariance w / 2 - target' w + penalty |w|_1 for each column of target, by coordinate descent.

    covariance (..., latent_dim, latent_dim), target (..., latent_dim, K), and a penalty that can be added to target;
    returns their sum's shape.
    """
    w = torch.zeros_like(target + penalty)
    for _ in range(sweeps):
        before = w.clone()
        for j in range(w.shape[-2]):
            row = slice(j, j + 1)
            scale = covariance[..., row, row]
            residual = target[..., row, :] - covariance[..., row, :] @ w + scale * w[..., row, :]
            w[..., row, :] = residual.sign() * (residual.abs() - penalty).clamp(min=0) / scale.clamp(min=1e-6)
        if (w - before).abs().max() < 1e-9:
            break
    return w


def concentration(importance: Tensor) -> Tensor:
    """1 - H(row / its sum) / log(columns) of each row: 1 where one column has all of it, 0 where all have as much.

    A row of zeros has 0; with a single column every other row has 1.
    """
    total = importance.sum(1, keepdim=True)
    spread = entropy(importance / total.clamp(min=1e-300))
    limit = entropy(torch.full_like(importance[:1], 1 / importance.shape[1])).clamp(min=1e-300)
    return torch.where(total.squeeze(1) > 0, 1 - spread / limit, 0.0)
