"""Every score of how single latent dimensions stand for single factors; here those by the posterior mean alone.

Each takes the posterior means of N images, (N, latent_dim), and their factors' class indices, int64 (N, K); factors
with a single value are left out. ValueError is raised if none is left. Draws are from the global random stream.
"""

import torch
from torch import Tensor

from vae.disentanglement import entropy, mutual_information_gaps, varying

COLLAPSED_VARIANCE = 0.01  # of the mean: dimensions below it know nothing of the image and have no vote
VOTES = 10_000
IMAGES_PER_VOTE = 64
PENALTY = 0.01  # of the lasso, on standardised variables


def all_scores(mean: Tensor, logvar: Tensor, factors: Tensor) -> dict[str, float]:
    """Every score by its name, of posteriors of N images, (N, latent_dim), and their factors (N, K)."""
    gaps = mutual_information_gaps(mean, logvar, factors)
    return {
        **{f"mig_{kind}": value for kind, value in gaps.items()},
        "factor_vae_score": factor_vae_score(mean, factors),
        "sap": separated_attribute_predictability(mean, factors),
        **{f"dci_{name}": value for name, value in dci(mean, factors).items()},
    }


def factor_vae_score(mean: Tensor, factors: Tensor) -> float:
    """The share of right votes of the FactorVAE metric (Kim and Mnih 2018, section 4), from 1/K to 1.

    A vote fixes a factor at a value, looks at 64 images that have it, and names the dimension whose mean varies least
    among them, relative to its variance over all images. The classifier, which names the factor that a dimension most
    often stands for, is made of 10,000 votes and judged by as many others. 0 if every dimension has collapsed.
    """
    factors = varying(factors.to(mean.device))
    variance = mean.double().var(0)
    active = variance > COLLAPSED_VARIANCE
    if not active.any():
        return 0.0
    standardised = mean[:, active] / variance[active].sqrt().to(mean.dtype)
    learnt, judged = (count_votes(standardised, factors) for _ in range(2))
    return (judged.gather(1, learnt.argmax(1, keepdim=True)).sum() / judged.sum()).item()


def count_votes(mean: Tensor, factors: Tensor) -> Tensor:
    """How often each dimension varied least where each factor was fixed, (latent_dim, K), of 10,000 votes in all."""
    votes = torch.zeros(mean.shape[1], factors.shape[1], dtype=torch.int64, device=mean.device)
    chosen = torch.bincount(torch.randint(factors.shape[1], (VOTES,)), minlength=factors.shape[1]).tolist()
    for k, count in enumerate(chosen):
        order, sizes = factors[:, k].argsort(), torch.bincount(factors[:, k])
        starts, present = sizes.cumsum(0) - sizes, sizes.nonzero().flatten()
        value = present[torch.randint(len(present), (count,), device=mean.device)]
        place = (torch.rand(count, IMAGES_PER_VOTE, device=mean.device) * sizes[value, None]).long()
        images = order[starts[value, None] + place]
        least = mean[images].var(1).argmin(-1)
        votes[:, k] = torch.bincount(least, minlength=mean.shape[1])
    return votes


def separated_attribute_predictability(mean: Tensor, factors: Tensor) -> float:
    """SAP: how much better the best dimension alone tells a factor than the second best, mean over factors, 0 to 1.

    The score of a dimension and a factor is the accuracy of naming the value whose mean of that dimension is nearest,
    learnt on one random half of the images and judged on the other. It is a linear classifier of one dimension, as the
    thresholds of Kumar et al. 2018 ("Variational inference of disentangled latent concepts", section 3) are.
    """
    factors = varying(factors.to(mean.device))
    order = torch.randperm(len(mean), device=mean.device)
    learnt, judged = order.tensor_split(2)
    accuracy = mean.new_zeros(mean.shape[1] + 1, factors.shape[1], dtype=torch.float64)  # the last row is no dimension
    for k, factor in enumerate(factors.T):
        sizes = torch.bincount(factor[learnt])
        present = sizes.nonzero().flatten()
        for j, z in enumerate(mean.double().T):
            sums = torch.zeros(len(sizes), dtype=torch.float64, device=mean.device).index_add_(
                0, factor[learnt], z[learnt]
            )
            centres, rank = (sums[present] / sizes[present]).sort()
            named = present[rank][torch.bucketize(z[judged], (centres[1:] + centres[:-1]) / 2)]
            accuracy[j, k] = (named == factor[judged]).double().mean()
    first, second = accuracy.topk(2, dim=0).values
    return (first - second).mean().item()


def dci(mean: Tensor, factors: Tensor) -> dict[str, float]:
    """Disentanglement, completeness and informativeness (Eastwood and Williams 2018, section 2), each up to 1.

    R_jk is the absolute coefficient of dimension j in a lasso that predicts factor k's class index, all standardised.
    Disentanglement is 1 - H(R_j. / sum) / log K, the mean over dimensions weighted by their importance; completeness
    1 - H(R_.k / sum) / log latent_dim, the mean over factors; informativeness the mean R^2 of the predictions. The
    index of a factor without an order, such as a shape, is taken as a number like the others.
    """
    factors = varying(factors.to(mean.device)).double()
    mean = mean.double()
    x = (mean - mean.mean(0)) / mean.std(0).clamp(min=1e-6)
    y = (factors - factors.mean(0)) / factors.std(0)
    covariance, target = x.T @ x / len(x), x.T @ y / len(x)
    coefficients = lasso(covariance, target)
    error = 1 - 2 * (coefficients * target).sum(0) + (coefficients * (covariance @ coefficients)).sum(0)
    importance = coefficients.abs()
    if not importance.any():
        return {"disentanglement": 0.0, "completeness": 0.0, "informativeness": 0.0}
    weight = importance.sum(1) / importance.sum()
    return {
        "disentanglement": (weight * concentration(importance)).sum().item(),
        "completeness": concentration(importance.T).mean().item(),
        "informativeness": (1 - error).mean().item(),
    }


def concentration(importance: Tensor) -> Tensor:
    """1 - H(row / its sum) / log(columns) of each row: 1 where one column has it all, 0 where all have the same.

    A row of zeros has 0, and with a single column every other row has 1.
    """
    total = importance.sum(1)
    shares = importance / total.clamp(min=1e-300).unsqueeze(1)
    if importance.shape[1] == 1:
        return (total > 0).double()
    limit = entropy(torch.full_like(shares[0], 1 / importance.shape[1]))
    return torch.where(total > 0, 1 - entropy(shares) / limit, 0.0)


def lasso(covariance: Tensor, target: Tensor, sweeps: int = 1000) -> Tensor:
    """Minimise w' covariance w / 2 - target' w + penalty |w|_1 for each column of target, by coordinate descent."""
    w = torch.zeros_like(target)
    for _ in range(sweeps):
        before = w.clone()
        for j in range(len(w)):
            residual = target[j] - covariance[j] @ w + covariance[j, j] * w[j]
            shrunk = residual.sign() * (residual.abs() - PENALTY).clamp(min=0)
            w[j] = shrunk / covariance[j, j].clamp(min=1e-6)
        if (w - before).abs().max() < 1e-9:
            break
    return w
