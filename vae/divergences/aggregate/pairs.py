"""What the discrepancies of samples share: the checks of their arguments and means over pairs."""

import torch
from torch import Tensor


def check_samples(z: Tensor, prior_samples: Tensor | None, unbiased: bool) -> None:
    for name, samples in (("z", z), ("prior_samples", prior_samples)):
        if samples is None:
            continue
        if samples.ndim < 2 or samples.shape[-1] != z.shape[-1]:
            raise ValueError(f"{name} must have shape (..., samples, {z.shape[-1]}), got {tuple(samples.shape)}")
        if samples.shape[-2] < 1 + unbiased:
            needed = "at least 2 samples if unbiased" if unbiased else "at least 1 sample"
            raise ValueError(f"{name} must hold {needed}, got {samples.shape[-2]}")


def pairwise_distance(a: Tensor, b: Tensor) -> Tensor:
    """||a_i - b_j||, (..., N, M), without a matrix product, which would round small distances away.

    cdist has the gradient 0 at a_i = b_j, where that of a plain square root would be nan.
    """
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def mean_over_pairs(values: Tensor, unbiased: bool, diagonal: float) -> Tensor:
    """Mean of (..., N, N) values over all pairs, or over i != j only; `diagonal` is the value at i = j."""
    count = values.shape[-1]
    if not unbiased:
        return values.mean((-2, -1))
    return (values.sum((-2, -1)) - count * diagonal) / (count * (count - 1))
