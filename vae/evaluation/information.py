"""Entropies and the mutual information of discrete variables, in nats."""

import torch
from torch import Tensor


def entropy(probabilities: Tensor) -> Tensor:
    """-sum p log p over the last dimension, with 0 log 0 = 0, in float64: (..., K) to (...)."""
    return torch.special.entr(probabilities.double()).sum(-1)


def contingency(first: Tensor, second: Tensor) -> Tensor:
    """How many examples each pair of two class indices has: whole numbers from 0, each (N,), to float64, (K, L).

    Raises ValueError if they differ in length or are empty.
    """
    if first.shape != second.shape or not len(second):
        raise ValueError(f"class indices of {len(first)} and of {len(second)} examples: expected as many, and some")
    rows, columns = int(first.max()) + 1, int(second.max()) + 1
    return torch.bincount(first * columns + second, minlength=rows * columns).view(rows, columns).double()


def mutual_information(joint: Tensor) -> Tensor:
    """I = H(rows) + H(columns) - H(both) of a joint distribution (K, L): a scalar."""
    return entropy(joint.sum(0)) + entropy(joint.sum(1)) - entropy(joint.flatten())
