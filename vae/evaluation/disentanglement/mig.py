"""The mutual information gap: how well single latent dimensions stand for single factors.

For factor v_k it is the gap between the largest and the second largest I(z_j; v_k) over the latent dimensions j,
divided by the entropy H(v_k). The mutual information gap of a model is the mean over factors (Chen et al. 2018,
"Isolating sources of disentanglement in VAEs", arXiv:1802.04942, section 4.1).
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from vae.evaluation.disentanglement.base import METRICS
from vae.evaluation.disentanglement.factors import gaps, varying
from vae.evaluation.information import contingency, entropy, mutual_information

BINS = 20  # of a posterior mean
MARGIN = 6.0  # standard deviations by which a density's grid goes beyond a posterior's mean
FINEST = 1 / 16_000  # of the grid's extent: the smallest standard deviation, which 2^16 points resolve
RATIO = 1.05  # of neighbouring standard deviations


class MutualInformationGaps(NamedTuple):
    """The gap of each factor, 0 to 1, both forms (K,)."""

    sample: Tensor  # z_j is a sample of the posterior
    mean: Tensor  # z_j is the posterior's mean


@METRICS.register("mig", place=1)
def mig_scores(mean: Tensor, logvar: Tensor, factors: Tensor) -> dict[str, float | list[float]]:
    """mig_sample, mig_mean: the mutual information gap in both forms; *_of_factors: the gap of each factor."""
    information_gaps = mutual_information_gaps(mean, logvar, factors)
    return {
        "mig_sample": information_gaps.sample.mean().item(),
        "mig_mean": information_gaps.mean.mean().item(),
        "mig_sample_of_factors": information_gaps.sample.tolist(),
        "mig_mean_of_factors": information_gaps.mean.tolist(),
    }


def mutual_information_gaps(mean: Tensor, logvar: Tensor, factors: Tensor) -> MutualInformationGaps:
    """The gaps of all factors that vary; their mean is the mutual information gap, MIG.

    By the *sample* z_j ~ q(z_j|x) it is as its authors define it: q(z_j) is the mixture of the posteriors of all
    images, and q(z_j|v_k) of those of the images with that value. By the *mean*, z_j is the posterior's mean in 20 bins
    of equal width between its extremes, as Locatello et al. 2019 (arXiv:1811.12359) take it. Every image counts alike,
    so that factors are as likely as they are in the data: the images should be all combinations of the factors.

    Arguments:
        mean, logvar: of the posteriors of N images, (N, latent_dim).
        factors: class index of each of K factors, int64, (N, K); a factor of one value has no entropy and is left out.

    Raises ValueError if the shapes do not fit or no factor has two values.
    """
    if mean.shape != logvar.shape or mean.ndim != 2 or factors.ndim != 2 or len(factors) != len(mean):
        raise ValueError(
            f"mean {tuple(mean.shape)}, logvar {tuple(logvar.shape)}, factors {tuple(factors.shape)}: "
            "expected (N, latent_dim) twice and (N, K)"
        )
    factors = varying(factors)
    entropies = torch.stack([entropy(torch.bincount(factor).double() / len(factor)) for factor in factors.T])
    return MutualInformationGaps(
        sample=gaps(sample_information(mean, logvar, factors), entropies),
        mean=gaps(mean_information(mean, factors), entropies),
    )


def mean_information(mean: Tensor, factors: Tensor) -> Tensor:
    """I(z_j; v_k) in nats of the posterior mean in 20 bins of equal width, (latent_dim, K)."""
    low, high = mean.min(0).values, mean.max(0).values
    bins = ((mean - low) / (high - low).clamp(min=1e-12) * BINS).long().clamp(max=BINS - 1)
    joints = [[contingency(z, factor) / len(z) for factor in factors.T] for z in bins.T]
    return torch.stack([torch.stack([mutual_information(joint) for joint in row]) for row in joints])


def sample_information(mean: Tensor, logvar: Tensor, factors: Tensor) -> Tensor:
    """I(z_j; v_k) in nats of z_j ~ q(z_j|x), (latent_dim, K): entropies of densities on a grid, without sampling.

    Densities of a dimension are sums of N Gaussians. Each is shared among four, at neighbouring points of the grid and
    of a scale of variances, that have its mean and its variance together; Fourier transforms add them up. That takes
    time in proportion to N, where comparing each sample with each posterior takes N times as long, and errs by some
    1e-4 nats. Standard deviations below a 16,000th of the grid's extent count as that.
    """
    return torch.stack([dimension_information(m, lv, factors) for m, lv in zip(mean.T, logvar.T)])


def dimension_information(mean: Tensor, logvar: Tensor, factors: Tensor) -> Tensor:
    """I(z; v_k) in nats of one dimension, mean and logvar (N,), and the factors (N, K): (K,)."""
    cells, shares, gaussians = place_posteriors(mean.double(), (0.5 * logvar.double()).exp())
    information = []
    for factor in factors.T:
        sizes = torch.bincount(factor)
        of_values = [images for images in factor.argsort().split(sizes.tolist()) if len(images)]
        joint = torch.stack([density(cells[:, images], shares[:, images], gaussians) for images in of_values])
        joint /= len(mean)
        # Both entropies of z lack the logarithm of the grid's step: it goes out.
        information.append(entropy(joint.sum(0)) + entropy(sizes.double() / len(mean)) - entropy(joint.flatten()))
    return torch.stack(information).clamp(min=0)


def place_posteriors(mean: Tensor, sd: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Share each posterior of one dimension, mean and sd (N,), among the neighbouring cells of (variance, point).

    Returns the cells and the shares, both (4, N), and the Fourier transforms of the Gaussians of the variances on the
    grid of points, (variances, points / 2 + 1).
    """
    low, high = extent(mean, sd)
    sd = sd.clamp(min=FINEST * (high - low))
    low, high = extent(mean, sd)
    points = 2 ** math.ceil(math.log2(4 * (high - low) / sd.min().item()))  # at least four to a standard deviation
    step = (high - low) / points

    place = (mean - low) / step
    left = place.long()
    right = place - left
    variance = (sd / step).square() - right * (1 - right)  # in steps; less what sharing among two points adds
    smallest = variance.min()
    narrow = ((variance / smallest).log() / (2 * math.log(RATIO))).long()
    wide = (variance / (smallest * RATIO ** (2 * narrow)) - 1) / (RATIO**2 - 1)
    cells = torch.stack([(narrow + w) * points + left + r for w in (0, 1) for r in (0, 1)])
    shares = torch.stack([w * r for w in (1 - wide, wide) for r in (1 - right, right)])

    # The grid goes on so far beyond the means that nothing to speak of comes round its ends.
    frequency = 2 * math.pi * torch.arange(points // 2 + 1, dtype=torch.float64, device=mean.device) / points
    powers = torch.arange(int(narrow.max()) + 2, dtype=torch.float64, device=mean.device)
    variances = smallest * RATIO ** (2 * powers)
    return cells, shares, (-0.5 * variances.unsqueeze(-1) * frequency.square()).exp()


def extent(mean: Tensor, sd: Tensor) -> tuple[float, float]:
    """From where to where Gaussians have their mass."""
    return (mean - MARGIN * sd).min().item(), (mean + MARGIN * sd).max().item()


def density(cells: Tensor, shares: Tensor, gaussians: Tensor) -> Tensor:
    """The sum of shared posteriors at the points of the grid, times the grid's step: (points,)."""
    variances, points = len(gaussians), 2 * (gaussians.shape[1] - 1)
    counts = torch.zeros(variances * points, dtype=torch.float64, device=cells.device)
    counts.index_add_(0, cells.flatten(), shares.flatten())
    spectrum = torch.fft.rfft(counts.view(variances, points)).mul_(gaussians).sum(0)
    return torch.fft.irfft(spectrum, n=points).clamp(min=0)
