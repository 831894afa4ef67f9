"""From arrays of images or vectors, as people keep them, to those that the networks take."""

from pathlib import Path

import numpy as np

from utils.datasets.dataset import DatasetError
from utils.datasets.files.archives import FLAT, rewritten
from utils.datasets.files.pictures import WHITE, white_of

SCALE = "with x for the array, (x - x.min()) / (x.max() - x.min())"
SQUARES, CHANNELS = range(8, 257), range(1, 5)
SMALL, PADDED = 28, 32  # images of the first size are padded to the second


def channels_first(images: np.ndarray, key: str, path: Path) -> np.ndarray:
    """A view of images in the order (N, C, H, W). Raises DatasetError for another shape than the networks take."""
    shaped = images[:, None] if images.ndim == 3 else images
    if shaped.ndim == 4 and shaped.shape[1] not in CHANNELS:
        shaped = shaped.transpose(0, 3, 1, 2)
    is_square = shaped.ndim == 4 and shaped.shape[2] == shaped.shape[3] and shaped.shape[3] in SQUARES
    if not is_square or shaped.shape[1] not in CHANNELS:
        remedy = "folder:PATH resizes pictures of any size"
        if images.ndim == 2 and images.shape[1] in FLAT:
            side, channels = FLAT[images.shape[1]]
            shape = (-1, side, side) if channels == 1 else (-1, side, side, channels)
            remedy = f"as vectors, name it vectors; of flat images, {rewritten(path, key, f'{{}}.reshape{shape}')}"
        elif images.ndim == 2:
            remedy = "as vectors, name it vectors"
        raise DatasetError(
            f"{path}: {key} has shape {images.shape}; expected (N, H, W), (N, H, W, C) or (N, C, H, W) "
            f"with H = W of {SQUARES[0]} to {SQUARES[-1]} and C of 1 to {CHANNELS[-1]}; {remedy}"
        )
    if not len(shaped):
        raise DatasetError(f"{path}: {key} is empty; expected at least one image")
    return shaped


def white_value(images: np.ndarray, key: str, path: Path) -> int:
    """The value of integer images that is white, 255 or more; 1 of truth values and floating point.

    Raises:
        DatasetError: another type, or values out of its range; says how to bring them into it.
    """
    kind, place = images.dtype.kind, f"{path}: {key}"
    if kind not in "biuf":
        raise DatasetError(f"{place} is {images.dtype}; expected uint8, bool, or floating point from 0 to 1")
    low, high = images.min(), images.max()
    if kind == "f" and not 0 <= low <= high <= 1:
        remedy = _into_range(float(low), float(high), key, path)
        raise DatasetError(f"{place} has values from {low:g} to {high:g}; expected 0 to 1, or uint8: {remedy}")
    if kind in "bf":
        return 1
    if not 0 <= low <= high <= WHITE:
        raise DatasetError(f"{place} is {images.dtype} from {low} to {high}; expected uint8, or 0 to {WHITE}: {SCALE}")
    if high <= 1:
        remedy = f"bool for 0 and 1: {rewritten(path, key, '{}.astype(bool)')}"
        raise DatasetError(f"{place} is {images.dtype} with no value above 1; {images.dtype} is for 0..255, {remedy}")
    return white_of(int(high))


def _into_range(low: float, high: float, key: str, path: Path) -> str:
    """The line that brings floating point into the range from 0 to 1."""
    if not np.isfinite([low, high]).all():
        return rewritten(path, key, "np.nan_to_num({}, posinf=1, neginf=0)")
    if low >= 0 and high <= 255:
        return rewritten(path, key, "{} / 255")
    return rewritten(path, key, "({} + 1) / 2") if low >= -1 and high <= 1 else SCALE


def as_bytes(images: np.ndarray, white: int) -> np.ndarray:
    """Images of values 0..white as bytes 0..255, (N, C, H, W), those of 28x28 padded with zeros to 32x32."""
    if images.dtype == np.uint8:
        scaled = images
    elif images.dtype.kind in "iu":
        scaled = images.astype(np.int32) * 255 // white
    else:
        scaled = np.rint(images * 255.0)
    margin = (PADDED - SMALL) // 2 if images.shape[-1] == SMALL else 0
    padded = np.pad(scaled.astype(np.uint8), ((0, 0), (0, 0), (margin, margin), (margin, margin)))
    return np.ascontiguousarray(padded)


def as_vectors(vectors: np.ndarray, key: str, path: Path) -> np.ndarray:
    """Vectors as float32, (N, D). Raises DatasetError for another shape or type, and for what is not finite in it."""
    if vectors.ndim != 2 or vectors.dtype.kind not in "biuf":
        raise DatasetError(
            f"{path}: {key} is {vectors.dtype} of shape {vectors.shape}; expected numbers of shape (N, D) for N vectors"
        )
    if not vectors.size:
        raise DatasetError(f"{path}: {key} is empty, of shape {vectors.shape}; expected at least one vector")
    with np.errstate(over="ignore"):
        values = vectors.astype(np.float32)
    if bad := int((~np.isfinite(values)).any(1).sum()):
        raise DatasetError(
            f"{path}: {bad:,} of {len(values):,} rows of {key} have a value that is no number or beyond 3.4e38; "
            f"expected finite ones: v[np.isfinite(v).all(1)] leaves these rows out"
        )
    return values
