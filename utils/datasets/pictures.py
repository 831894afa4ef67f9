"""From a picture in a file to the square array of bytes that the networks take.

Pillow has many exceptions for files that are damaged, of every kind: whoever reads strangers' files catches them all.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

__all__ = ["area_means", "is_grey", "open_picture", "square"]


def open_picture(file: Path | BinaryIO, formats: Sequence[str]) -> Image.Image:
    """The picture in a file, its pixels not yet read. Some exception if there is none.

    Arguments:
        formats: the ones to try, whatever the file's name, by Pillow's names: for others it may run programs.
    """
    try:
        return Image.open(file, formats=formats)
    except UnidentifiedImageError:
        raise ValueError("not a picture in any known format") from None


def is_grey(picture: Image.Image) -> bool:
    """Whether a picture is stored as grey, of 1, 8, 16 or 32 bits."""
    return picture.mode in ("1", "L", "LA", "F") or picture.mode.startswith("I")


def square(picture: Image.Image, side: int, *, grey: bool, crop: int | None = None) -> np.ndarray:
    """The central square of a picture, resized by averaging areas: uint8 of shape (1 or 3, side, side).

    Transparent parts show white; 16 bits become 8.

    Arguments:
        side: of the result, in pixels.
        grey: whether the result has 1 channel, else 3.
        crop: side of the central square; None takes as much as there is.

    Errors:
        Any exception: the file is damaged or cut short.
    """
    picture = ImageOps.exif_transpose(picture)  # as the camera was held
    if picture.mode.startswith("I"):
        picture = Image.fromarray((np.clip(np.asarray(picture), 0, 65535) // 257).astype(np.uint8))
    elif picture.mode == "F":
        raise ValueError("pixels are floating-point numbers; expected whole ones")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    crop = crop or min(picture.size)
    left, top = ((length - crop) // 2 for length in picture.size)
    pixels = np.asarray(picture.crop((left, top, left + crop, top + crop)).convert("L" if grey else "RGB"))
    return area_means(pixels.reshape(crop, crop, -1).transpose(2, 0, 1), side)


def area_means(pixels: np.ndarray, side: int) -> np.ndarray:
    """Square images resized, each pixel of the result being the mean over the area that it covers.

    uint8 (C, L, L) to uint8 (C, side, side). In integers, so that every machine gets the same; Pillow's box filter
    counts pixels that lie partly in an area as whole or not at all.
    """
    area = pixels.shape[-1] ** 2
    sums = _area_sums(_area_sums(pixels, side).swapaxes(1, 2), side).swapaxes(1, 2)
    return ((2 * sums + area) // (2 * area)).astype(np.uint8)


def _area_sums(values: np.ndarray, side: int) -> np.ndarray:
    """The sums over `side` equal stretches of the last axis, times `side`, which makes them integers."""
    length = values.shape[-1]
    padded = np.pad(values.astype(np.int64), [(0, 0)] * (values.ndim - 1) + [(0, 1)])
    before = np.cumsum(padded, axis=-1) - padded  # of the values before each
    whole, part = np.divmod(np.arange(side + 1) * length, side)
    return np.diff(side * before[..., whole] + part * padded[..., whole], axis=-1)
