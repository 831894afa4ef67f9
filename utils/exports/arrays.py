"""What is exported of a run: the latents, samples and reconstructions of its model, so many rows at a time."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from utils.datasets import Dataset
from utils.runs.config import RunConfig
from vae.inputs import to_network
from vae.models import VAE
from vae.random import Stream, seed_everything

CHUNK = 1000  # rows that are in memory at a time

Parts = Iterator[dict[str, np.ndarray]]  # the next rows of arrays, by their names


@torch.no_grad()
def latents(model: VAE, config: RunConfig, splits: dict[str, Dataset], samples: int) -> Parts:
    """Of each split the mean and the log-variance of q(z|x), (N, latent_dim), and its labels or factors.

    A split without labels has -1 for each where another split has some, so that all have the same columns.
    """
    labelled = any(split.labels is not None for split in splits.values())
    for name, split in splits.items():
        unknown = torch.full((len(split),), -1) if labelled else None
        known = {"labels": unknown if split.labels is None else split.labels, "factors": split.factors}
        for rows in chunks(len(split)):
            mean, logvar = model.encode(to_network(split.data[rows].to(device_of(model))))
            found = {"mean": mean, "logvar": logvar}
            found |= {key: values[rows] for key, values in known.items() if values is not None}
            yield {f"{name}_{key}": values.cpu().numpy() for key, values in found.items()}


def sampled(model: VAE, config: RunConfig, splits: dict[str, Dataset], samples: int) -> Parts:
    """Mean images of latents from the prior, the same for each export: `arr_0`, uint8 (N, H, W, C)."""
    seed_everything(config.seed, Stream.PICTURES)
    for rows in chunks(samples):
        yield {"arr_0": to_bytes(model.sample(rows.stop - rows.start))}


def reconstructed(model: VAE, config: RunConfig, splits: dict[str, Dataset], samples: int) -> Parts:
    """The test images and what the model makes of them at z = posterior mean: each uint8 (N, H, W, C)."""
    data = splits["test"].data
    for rows in chunks(len(data)):
        seen = data[rows].permute(0, 2, 3, 1).numpy()
        yield {"images": seen, "reconstructions": to_bytes(model.reconstruct(data[rows]))}


class Source(NamedTuple):
    """Where arrays come from."""

    parts: Callable[[VAE, RunConfig, dict[str, Dataset], int], Parts]
    of_data: bool  # whether the splits are needed
    of_images: bool  # whether there is nothing like it of vectors


ARRAYS = {
    "latents": Source(latents, of_data=True, of_images=False),
    "samples": Source(sampled, of_data=False, of_images=True),
    "reconstructions": Source(reconstructed, of_data=True, of_images=True),
}


def chunks(count: int) -> Iterator[slice]:
    """The rows of so many, in slices."""
    return (slice(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK))


def device_of(model: VAE) -> torch.device:
    """Where a model is."""
    return next(model.parameters()).device


def to_bytes(images: Tensor) -> np.ndarray:
    """Images (N, C, H, W) in [0, 1] as uint8 (N, H, W, C)."""
    return images.mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
