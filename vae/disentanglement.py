"""How well single latent dimensions stand for single factors: the mutual information gap.

Both forms are of I(z_j; v_k) = H(z_j) - H(z_j|v_k), in nats, of latent dimension j and factor k, each factor's values
as likely as they are in the data. By the posterior *sample*, z_j ~ q(z_j|x), as Chen et al. 2018 ("Isolating sources of
disentanglement in VAEs", section 4.1) define it: q(z_j) is a mixture of all posteriors and q(z_j|v) one of those of the
images with that value. By the posterior *mean*, in 20 bins of equal width, as Locatello et al. 2019 compute it.
"""

import math

import torch
from torch import Tensor

GRID = 4096  # points of a density
MARGIN = 6.0  # standard deviations by which the grid goes beyond the extreme means
WIDTHS = 48  # classes of posterior standard deviations
BINS = 20  # Locatello et al. 2019, appendix D


def mutual_information_gaps(mean: Tensor, logvar: Tensor, factors: Tensor) -> dict[str, float]:
    """The mutual information gap by the posterior `sample` and by the posterior `mean`, each from 0 to 1.

    Arguments:
        mean, logvar: of the posteriors of N images, (N, latent_dim).
        factors: class indices of each image's factors, int64, (N, K); a factor with a single value is left out.

    Raises ValueError if the shapes do not fit or no factor has two values.
    """
    if mean.shape != logvar.shape or mean.ndim != 2 or factors.ndim != 2 or len(factors) != len(mean):
        raise ValueError(
            f"mean {tuple(mean.shape)}, logvar {tuple(logvar.shape)}, factors {tuple(factors.shape)}: "
            "expected (N, latent_dim) twice and (N, K)"
        )
    factors = varying(factors.to(mean.device))
    entropies = torch.stack([entropy(torch.bincount(factor) / len(factor)) for factor in factors.T])
    return {
        "sample": gap(sample_information(mean, logvar, factors), entropies),
        "mean": gap(mean_information(mean, factors), entropies),
    }


def varying(factors: Tensor) -> Tensor:
    """The factors that have two values at least. Raises ValueError if there is none."""
    factors = factors[:, (factors != factors[:1]).any(0)]
    if not factors.shape[1]:
        raise ValueError("no factor has two values: there is nothing to tell apart")
    return factors


def gap(information: Tensor, entropies: Tensor) -> float:
    """Mean over factors of (largest - second largest I(z_j; v_k) over j) / H(v_k), from (latent_dim, K) and (K,).

    With a single dimension the second largest is 0.
    """
    padded = torch.cat([information, torch.zeros_like(information[:1])])
    first, second = padded.topk(2, dim=0).values
    return ((first - second) / entropies).mean().item()


def mean_information(mean: Tensor, factors: Tensor) -> Tensor:
    """I(z_j; v_k) of the posterior mean in 20 bins of equal width, (latent_dim, K)."""
    low, high = mean.min(0).values, mean.max(0).values
    bins = ((mean - low) / (high - low).clamp(min=1e-12) * BINS).long().clamp(max=BINS - 1)
    rows = []
    for bin_of in bins.T:
        row = []
        for factor in factors.T:
            values = int(factor.max()) + 1
            joint = torch.bincount(bin_of * values + factor, minlength=BINS * values).double() / len(factor)
            joint = joint.unflatten(0, (BINS, values))
            row.append(entropy(joint.sum(0)) + entropy(joint.sum(1)) - entropy(joint.flatten()))
        rows.append(torch.stack(row))
    return torch.stack(rows)


def sample_information(mean: Tensor, logvar: Tensor, factors: Tensor) -> Tensor:
    """I(z_j; v_k) of z_j ~ q(z_j|x), (latent_dim, K), from densities on a grid.

    Posteriors are sorted by mean and by standard deviation, each shared linearly between its two neighbours, and the
    counts are then convolved with the Gaussians: no N x N comparison, no sampling, and memory that does not grow with
    N. Standard deviations below two steps of the grid, a 2000th of the range, count as two steps.
    """
    return torch.stack(
        [
            torch.stack([density_information(m, lv, factor) for factor in factors.T])
            for m, lv in zip(mean.double().T, logvar.double().T)
        ]
    )


def density_information(mean: Tensor, logvar: Tensor, factor: Tensor) -> Tensor:
    """I(z; v) of one dimension, mean and logvar (N,), and one factor (N,)."""
    sd = (0.5 * logvar).exp()
    low, high = (mean - MARGIN * sd).min(), (mean + MARGIN * sd).max()
    step = (high - low) / (GRID - 1)
    log_sd = sd.clamp(min=2 * step).log()
    log_low, spread = log_sd.min(), (log_sd.max() - log_sd.min()).clamp(min=1e-9)
    values, counts = int(factor.max()) + 1, torch.bincount(factor)
    histogram = torch.zeros(values * WIDTHS * GRID, dtype=torch.float64, device=mean.device)
    place, width = (mean - low) / step, (log_sd - log_low) / spread * (WIDTHS - 1)
    left, narrow = place.long().clamp(max=GRID - 2), width.long().clamp(max=WIDTHS - 2)
    for right in (0, 1):
        for wide in (0, 1):
            share = (1 - right - place + left).abs() * (1 - wide - width + narrow).abs()
            histogram.index_add_(0, (factor * WIDTHS + narrow + wide) * GRID + left + right, share)
    histogram = histogram.view(values, WIDTHS, GRID)
    # Convolution with a Gaussian multiplies by exp(-(frequency sd)^2 / 2); twice the length keeps the ends apart.
    frequency = 2 * math.pi * torch.arange(GRID + 1, dtype=torch.float64, device=mean.device) / (2 * GRID * step)
    widths = (log_low + spread * torch.arange(WIDTHS, device=mean.device) / (WIDTHS - 1)).exp()
    transfer = (-0.5 * (frequency * widths.unsqueeze(-1)).square()).exp()
    spectrum = sum(
        torch.fft.rfft(histogram[:, w], n=2 * GRID) * transfer[w] for w in range(WIDTHS)
    )  # (values, GRID + 1)
    mass = torch.fft.irfft(spectrum, n=2 * GRID)[:, :GRID].clamp(min=0)
    of_value = counts / counts.sum()
    conditional = entropy(mass / mass.sum(-1, keepdim=True).clamp(min=1e-300))  # of classes, the step's log left out
    return entropy(mass.sum(0) / mass.sum()) - (of_value * conditional).sum()


def entropy(probabilities: Tensor) -> Tensor:
    """-sum p log p in nats over the last dimension, with 0 log 0 = 0."""
    return torch.special.entr(probabilities.double()).sum(-1)
