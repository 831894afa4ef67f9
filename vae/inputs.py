"""What networks are given: images as numbers in [0, 1], vectors as they are, and noise on them."""

import torch
from torch import Tensor, nn


def check_data(data: Tensor, model: nn.Module) -> None:
    """Raise ValueError unless data are what a model takes.

    That is images (N, C, H, W), bytes or numbers in [0, 1], and vectors (N, D); numbers of its own type.
    """
    if not hasattr(data, "index_select"):
        raise ValueError(f"data are a {type(data).__name__}: expected a tensor: take torch.as_tensor(data)")
    images, own = len(data.shape) == 4, next(model.parameters()).dtype
    if len(data.shape) not in (2, 4):
        raise ValueError(f"data of shape {tuple(data.shape)}: expected images (N, C, H, W), or vectors (N, D)")
    if model.data_shape not in (None, tuple(data.shape[1:])):
        expected = ", ".join(map(str, model.data_shape))
        raise ValueError(f"data of shape {tuple(data.shape)}: this model takes (N, {expected})")
    if data.dtype != own and not (images and data.dtype == torch.uint8):
        raise ValueError(f"data are {data.dtype}: expected {own}, or images as bytes (uint8): take data.to({own})")
    if images and data.dtype != torch.uint8 and len(data) and not (data.min() >= 0 and data.max() <= 1):
        low, high = data.min().item(), data.max().item()
        raise ValueError(f"images from {low:g} to {high:g}: expected bytes 0 to 255 (uint8), or numbers in [0, 1]")


def check_examples(data: Tensor, model: nn.Module) -> None:
    """Raise ValueError unless data are what a model takes, one example at least."""
    check_data(data, model)
    if not len(data):
        raise ValueError("there are no data: expected one example at least")


def to_network(data: Tensor) -> Tensor:
    """What networks take: bytes as float32 in [0, 1], numbers as they are; images laid out as the networks are."""
    if data.dtype == torch.uint8:
        return to_unit_interval(data)
    return data.contiguous(memory_format=torch.channels_last) if len(data.shape) == 4 else data


def to_unit_interval(images: Tensor) -> Tensor:
    """Bytes 0..255 to float32 in [0, 1], laid out as the networks are."""
    return images.to(torch.float32, memory_format=torch.channels_last).div_(255)


def add_noise(images: Tensor, sd: float, generator: torch.Generator | None = None) -> Tensor:
    """Images in [0, 1] with Gaussian noise, clamped to [0, 1]; themselves if sd is 0.

    The noise is from the generator, or from the global random stream. Raises ValueError for vectors.
    """
    if not sd:
        return images
    if images.ndim < 3:
        raise ValueError(f"noise {sd:g} on vectors: it is for images only, take noise=0")
    return torch.empty_like(images).normal_(generator=generator).mul_(sd).add_(images).clamp_(0, 1)
