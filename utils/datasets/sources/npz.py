"""`npz:PATH`: the user's own images, as arrays in a NumPy archive."""

import zipfile
from pathlib import Path

import numpy as np
import torch

from utils.datasets.dataset import Dataset, DatasetError
from utils.datasets.files.download import file_digest
from utils.datasets.registry import first, register_path
from utils.datasets.splits import split_digest, split_indices
from utils.machine.environment import memory_bytes

ARRAYS = ("images", "labels", "test_images", "test_labels")
SIDES = (28, 32, 64)  # 28 is padded to 32
SPLIT_SEED = 2020


@register_path("npz")
def load(name: str, split: str, path: Path, size: int | None) -> Dataset:
    """Images uint8 (N, C, S, S) of the array `images`, with `labels` where there are any.

    `images` is uint8 from 0 to 255, bool, or floating point from 0 to 1, of shape (N, H, W), (N, H, W, C) or
    (N, C, H, W), C of 1 or 3; 28x28 is padded with zeros to 32x32. `labels` are integers (N,). With `test_images`
    (and `test_labels`) the archive has a test split of its own, otherwise a tenth of `images` is for testing. Either
    way the order is a fixed permutation of the archive's. `sha256` is that of the file's digest and the
    indices of the split.

    Errors:
        DatasetError: not such an archive, or a damaged one.
    """
    digest = file_digest(path)
    arrays = _read(path)
    keys = [key for key in ("images", "test_images") if key in arrays]
    shaped = {key: _channels_first(arrays[key], key, path) for key in keys}
    if len({images.shape[1:] for images in shaped.values()}) > 1:
        shapes = " and ".join(f"{key} {arrays[key].shape}" for key in keys)
        raise DatasetError(f"{path} has {shapes}; expected images of one shape")
    prefix = "test_" if split == "test" and "test_images" in arrays else ""
    images = shaped[f"{prefix}images"]
    total = len(images)
    if "test_images" in arrays:
        order = np.random.RandomState(SPLIT_SEED).permutation(total)
    else:
        order = split_indices(total, split, test=-(-total // 10), seed=SPLIT_SEED, name=name)
    chosen = order[: first(size, len(order), name, split)]
    labels = arrays.get(f"{prefix}labels")
    return Dataset(
        name=name,
        split=split,
        images=torch.from_numpy(_bytes(images, chosen, f"{prefix}images", path)),
        labels=None if labels is None else torch.from_numpy(_integers(labels, total, f"{prefix}labels", path)[chosen]),
        source="arrays of an npz file",
        sha256=split_digest(digest, order),
    )


def _read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an archive that bear one of our names. Never unpickles."""
    if not zipfile.is_zipfile(path):
        raise DatasetError(f"{path} is not an npz archive or is cut short; np.savez(path, images=...) writes one")
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > (most := memory_bytes()):
            raise ValueError(f"its arrays take {unpacked:,} bytes and this machine has {most:,}")
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in ARRAYS if key in archive.files}
            found = ", ".join(archive.files) or "none at all"
        for key, array in arrays.items():
            if not isinstance(array, np.ndarray):
                raise ValueError(f"{key} is no array")
    except Exception as error:  # of any kind: NumPy parses what the file says of itself
        raise DatasetError(
            f"{path} cannot be read ({error}); write it anew with np.savez(path, images=...), numbers only"
        ) from error
    if "images" not in arrays:
        raise DatasetError(f"{path} has no array named images; it has {found}")
    return arrays


def _channels_first(images: np.ndarray, key: str, path: Path) -> np.ndarray:
    """A view of the images in the order (N, C, H, W)."""
    shaped = images[:, None] if images.ndim == 3 else images
    if shaped.ndim == 4 and shaped.shape[1] not in (1, 3):
        shaped = shaped.transpose(0, 3, 1, 2)
    if shaped.ndim != 4 or shaped.shape[1] not in (1, 3) or shaped.shape[2:] not in [(side, side) for side in SIDES]:
        raise DatasetError(
            f"{path}: {key} has shape {images.shape}; expected (N, H, W), (N, H, W, C) or (N, C, H, W) "
            "with H = W of 28, 32 or 64 and C of 1 or 3"
        )
    if not len(shaped):
        raise DatasetError(f"{path}: {key} is empty; expected at least one image")
    return shaped


def _bytes(images: np.ndarray, chosen: np.ndarray, key: str, path: Path) -> np.ndarray:
    """The chosen images as bytes 0..255, at 32x32 or 64x64."""
    if images.dtype == np.uint8:
        if images.max() <= 1:
            raise DatasetError(f"{path}: {key} is uint8 with no value above 1; uint8 is for 0..255, bool for 0 and 1")
        scaled = images[chosen]
    elif images.dtype == np.bool_:
        scaled = images[chosen] * np.uint8(255)
    elif images.dtype.kind == "f":
        low, high = images.min(), images.max()
        if not 0 <= low <= high <= 1:
            raise DatasetError(f"{path}: {key} has values from {low:g} to {high:g}; expected 0 to 1, or uint8")
        scaled = np.rint(images[chosen] * 255.0).astype(np.uint8)
    else:
        raise DatasetError(f"{path}: {key} is {images.dtype}; expected uint8, bool, or floating point from 0 to 1")
    if scaled.shape[-1] == 28:
        scaled = np.pad(scaled, ((0, 0), (0, 0), (2, 2), (2, 2)))
    return np.ascontiguousarray(scaled)


def _integers(labels: np.ndarray, total: int, key: str, path: Path) -> np.ndarray:
    """The labels as int64."""
    if labels.dtype.kind not in "iu" or labels.shape != (total,):
        raise DatasetError(
            f"{path}: {key} is {labels.dtype} of shape {labels.shape}; expected an integer for each of {total} images"
        )
    return labels.astype(np.int64)
