"""What networks are given: bytes as numbers in [0, 1], and noise on them."""

import torch
from torch import Tensor


def to_network(data: Tensor) -> Tensor:
    """What networks take: bytes as float32 in [0, 1], vectors, which are float32 already, as they are."""
    return to_unit_interval(data) if data.dtype == torch.uint8 else data


def to_unit_interval(images: Tensor) -> Tensor:
    """Bytes 0..255 to float32 in [0, 1], laid out as the networks are."""
    return images.to(torch.float32, memory_format=torch.channels_last).div_(255)


def add_noise(images: Tensor, sd: float, generator: torch.Generator | None = None) -> Tensor:
    """Images in [0, 1] with Gaussian noise, clamped to [0, 1]; themselves if sd is 0.

    The noise is from the generator, or from the global random stream.
    """
    if not sd:
        return images
    return torch.empty_like(images).normal_(generator=generator).mul_(sd).add_(images).clamp_(0, 1)
