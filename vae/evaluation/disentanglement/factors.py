"""What metrics share that compare latents with factors."""

import torch
from torch import Tensor


def varying(factors: Tensor) -> Tensor:
    """The factors that have two values at least. Raises ValueError if there is none."""
    factors = factors[:, (factors != factors[:1]).any(0)]
    if not factors.shape[1]:
        raise ValueError("no factor has two values: there is nothing to tell apart")
    return factors


def gaps(scores: Tensor, scale: Tensor | float = 1.0) -> Tensor:
    """(Largest - second largest score over dimensions) / scale, (K,), from scores (latent_dim, K).

    With a single dimension the second largest is 0.
    """
    first, second = torch.cat([scores, torch.zeros_like(scores[:1])]).topk(2, dim=0).values
    return (first - second) / scale
