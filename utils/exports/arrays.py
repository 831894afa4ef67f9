"""`--export`: the latents, samples and reconstructions of a run that has ended, each as an archive of NumPy arrays."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

import vae
from utils.datasets import Dataset
from utils.datasets.record import check_same_data
from utils.exports import KINDS
from utils.machine.environment import choose_device, keep_freed_memory
from utils.runs.config import RunConfig, read_config, reconcile
from utils.runs.folder import EXPORT
from utils.runs.loading import load_splits, open_folder
from utils.runs.runtime import Runtime
from vae.inputs import to_network
from vae.models import VAE
from vae.options import OptionError
from vae.random import Stream, seed_everything

CHUNK = 1000  # images that are floats at a time

Arrays = dict[str, np.ndarray]


def export(experiment: str, kind: str, samples: int, flags: dict[str, Any], runtime: Runtime) -> None:
    """Write one kind of EXPORTS of a run that has ended into its folder, such as export-latents.npz.

    The flags must equal the saved configuration. Raises OptionError, ResultsError and DatasetError.
    """
    keep_freed_memory()
    folder = open_folder(experiment, runtime)
    folder.check_place()
    with folder.held():
        saved, record = read_config(folder)
        config = reconcile(saved, flags, changeable=())
        model, _, _ = vae.load(folder.path, choose_device(runtime.device), note=print)
        splits = {} if kind == "samples" else load_splits(config, runtime)
        if splits:
            check_same_data(record["data"], splits)
        if kind != "latents" and len(record["data"]["image_shape"]) == 1:
            raise OptionError(f"--export {kind} is of images: {config.dataset} has vectors, export latents")
        arrays = EXPORTS[kind](model, config, splits, samples)
        name = EXPORT.replace("*", kind)
        folder.replace(name, lambda file: np.savez_compressed(file, **arrays))
    shapes = ", ".join(f"{name} {array.dtype} {array.shape}" for name, array in arrays.items())
    print(f"{folder.path / name}: {shapes}")


def latents(model: VAE, config: RunConfig, splits: dict[str, Dataset], samples: int) -> Arrays:
    """Of each split the mean and the log-variance of q(z|x), (N, latent_dim), and its labels or factors."""
    arrays = {}
    for name, split in splits.items():
        mean, logvar = in_chunks(lambda images: torch.stack(model.encode(images), 1), split.data, model).unbind(1)
        known = {"labels": split.labels, "factors": split.factors}
        known = {key: value for key, value in known.items() if value is not None}
        found = {"mean": mean, "logvar": logvar, **known}
        arrays |= {f"{name}_{key}": value.numpy() for key, value in found.items()}
    return arrays


def sampled(model: VAE, config: RunConfig, splits: dict[str, Dataset], samples: int) -> Arrays:
    """Mean images of latents from the prior, the same for each export: `arr_0`, uint8 (N, H, W, C)."""
    seed_everything(config.seed, Stream.PICTURES)
    sizes = [CHUNK] * (samples // CHUNK) + [samples % CHUNK] * (samples % CHUNK > 0)
    return {"arr_0": np.concatenate([to_bytes(model.sample(size)) for size in sizes])}


def reconstructed(model: VAE, config: RunConfig, splits: dict[str, Dataset], samples: int) -> Arrays:
    """The test images and what the model makes of them at z = posterior mean: each uint8 (N, H, W, C)."""
    data = splits["test"].data
    parts = range(0, len(data), CHUNK)
    made = [to_bytes(model.reconstruct(data[start : start + CHUNK])) for start in parts]
    seen = [data[start : start + CHUNK].permute(0, 2, 3, 1).numpy() for start in parts]
    return {"images": np.concatenate(seen), "reconstructions": np.concatenate(made)}


EXPORTS: dict[str, Callable[..., Arrays]] = dict(zip(KINDS, (latents, sampled, reconstructed)))


@torch.no_grad()
def in_chunks(function: Callable[[Tensor], Tensor], data: Tensor, model: VAE) -> Tensor:
    """What a function of network inputs makes of data, on the CPU, in the memory of a chunk and the result."""
    device = next(model.parameters()).device
    starts = range(0, len(data), CHUNK)
    return torch.cat([function(to_network(data[start : start + CHUNK].to(device))).cpu() for start in starts])


def to_bytes(images: Tensor) -> np.ndarray:
    """Images (N, C, H, W) in [0, 1] as uint8 (N, H, W, C)."""
    return images.mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
