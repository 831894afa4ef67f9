"""From a picture in a file to the square array of bytes that the networks take.

Pillow has many exceptions for files that are damaged, of every kind: whoever reads strangers' files catches them all.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

MOST_PIXELS = 64_000_000
BLOCK_ROWS = 256  # summed at once


def open_picture(file: Path | BinaryIO, formats: Sequence[str]) -> Image.Image:
    """The picture in a file, its pixels not yet read. Some exception if there is none.

    Arguments:
        formats: the ones to try, whatever the file's name, by Pillow's names: for others it may run programs.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # of pictures above a limit higher than ours
        try:
            picture = Image.open(file, formats=formats)
        except UnidentifiedImageError:
            raise ValueError("not a picture in any known format") from None
    if picture.width * picture.height > MOST_PIXELS:
        picture.close()
        raise ValueError("it has {}x{} pixels; expected at most {:,} in all".format(*picture.size, MOST_PIXELS))
    return picture


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
    deep = picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format in ("PNG", "PPM"))
    picture = ImageOps.exif_transpose(picture)  # as the camera was held
    if deep:
        picture = Image.fromarray((np.asarray(picture) // 257).astype(np.uint8))
    elif picture.mode in ("I", "F"):
        raise ValueError("a pixel has 32 bits; expected 8 or 16 for each channel")
    if "A" in picture.getbands() or "transparency" in picture.info:
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
    length = pixels.shape[-1]
    area = length**2
    blocks = (pixels[:, row : row + BLOCK_ROWS] for row in range(0, length, BLOCK_ROWS))  # 8 bytes a pixel in sums
    rows = np.concatenate([_area_sums(block, side) for block in blocks], axis=1)
    sums = _area_sums(rows.swapaxes(1, 2), side).swapaxes(1, 2)
    return ((2 * sums + area) // (2 * area)).astype(np.uint8)


def _area_sums(values: np.ndarray, side: int) -> np.ndarray:
    """The sums over `side` equal stretches of the last axis, times `side`, which makes them integers."""
    length = values.shape[-1]
    padded = np.pad(values.astype(np.int64), [(0, 0)] * (values.ndim - 1) + [(0, 1)])
    before = np.cumsum(padded, axis=-1) - padded  # of the values before each
    whole, part = np.divmod(np.arange(side + 1) * length, side)
    return np.diff(side * before[..., whole] + part * padded[..., whole], axis=-1)
