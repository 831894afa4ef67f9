"""From a picture in a file to the square array of bytes that the networks take.

Pillow has many exceptions for files that are damaged, of every kind: whoever reads strangers' files catches them all.
"""

import io
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

MOST_PIXELS = 64_000_000
BLOCK_ROWS = 256  # summed at once
WHITE = 65_535  # of 16 bits

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_REMARKS = {b"iCCP", b"tEXt", b"zTXt", b"iTXt"}  # chunks that no pixel depends on: profile and texts
REDUCED_OR_MASK = 0b101  # of TIFF's tag NewSubfileType: the page is a smaller copy of another, or its mask
NEW_SUBFILE_TYPE = 254

Result = TypeVar("Result")

logging.getLogger("PIL").addHandler(logging.NullHandler())  # else what it logs goes to standard error


@contextmanager
def quiet() -> Iterator[None]:
    """What Pillow says of pictures kept to ourselves: warnings, and what libtiff writes to standard error by itself."""
    with warnings.catch_warnings(), ExitStack() as stack:
        warnings.simplefilter("ignore")
        if sys.__stderr__ is not None:  # else 2 may be any file
            standard_error, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
            stack.callback(os.close, standard_error)
            stack.callback(os.dup2, standard_error, 2)
            os.dup2(nowhere, 2)
            os.close(nowhere)
        yield


def open_picture(file: Path | BinaryIO, formats: Sequence[str]) -> Image.Image:
    """The picture in a file, its pixels not yet read. Some exception if there is none.

    Arguments:
        formats: the ones to try, whatever the file's name, by Pillow's names: for others it may run programs.
    """
    with quiet():
        try:
            picture = Image.open(file, formats=formats)
        except UnidentifiedImageError:
            raise ValueError("not a picture in any known format") from None
    try:
        check_size(picture)
    except ValueError:
        picture.close()
        raise
    return picture


def check_size(picture: Image.Image) -> None:
    """Raise ValueError for a picture of more pixels than are read."""
    if picture.width * picture.height > MOST_PIXELS:
        raise ValueError("it has {}x{} pixels; expected at most {:,} in all".format(*picture.size, MOST_PIXELS))


def page_numbers(picture: Image.Image) -> list[int]:
    """The numbers of the pages of a TIFF stack, without smaller copies and masks; [0] of any other picture.

    Of an animation the first picture is meant.
    """
    if picture.format != "TIFF":
        return [0]
    numbers = []
    for number in range(picture.n_frames):
        picture.seek(number)
        if not picture.tag_v2.get(NEW_SUBFILE_TYPE, 0) & REDUCED_OR_MASK:
            numbers.append(number)
    picture.seek(0)
    return numbers or [0]


@quiet()
def use_picture(source: Path | bytes, formats: Sequence[str], use: Callable[[Image.Image], Result]) -> Result:
    """What `use` makes of the picture in a file, or in its content. Some exception if there is none.

    Pillow refuses a PNG whose colour profile or texts are large or damaged, although its pixels are whole: where `use`
    fails at a PNG, it is tried without them.
    """
    try:
        with open_picture(source if isinstance(source, Path) else io.BytesIO(source), formats) as picture:
            return use(picture)
    except Exception:
        if not _begins_as_png(source):
            raise
        content = source.read_bytes() if isinstance(source, Path) else source
        with open_picture(io.BytesIO(without_remarks(content)), formats) as picture:
            return use(picture)


def _begins_as_png(source: Path | bytes) -> bool:
    if isinstance(source, Path):
        with source.open("rb") as file:
            return file.read(len(PNG_SIGNATURE)) == PNG_SIGNATURE
    return source.startswith(PNG_SIGNATURE)


def without_remarks(content: bytes) -> bytes:
    """A PNG without the chunks that hold a colour profile or texts."""
    kept, start = [PNG_SIGNATURE], len(PNG_SIGNATURE)
    while start < len(content):
        end = start + 12 + int.from_bytes(content[start : start + 4], "big")  # length, name, data and checksum
        if content[start + 4 : start + 8] not in PNG_REMARKS:
            kept.append(content[start:end])
        start = end
    return b"".join(kept)


def is_grey(picture: Image.Image) -> bool:
    """Whether a picture is stored as grey, of 1, 8, 16 or 32 bits."""
    return picture.mode in ("1", "L", "LA", "F") or picture.mode.startswith("I")


def is_deep(picture: Image.Image) -> bool:
    """Whether a picture has 16 bits a pixel, and grey ones only."""
    return picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format in ("PNG", "PPM"))


def white_of(greatest: int) -> int:
    """The greatest value of as few bits, 8, 10, 12, 14 or 16, as hold a value: of pictures in 16 bits, their white."""
    return next((2**bits - 1 for bits in (8, 10, 12, 14) if greatest < 2**bits), WHITE)


@quiet()
def square(picture: Image.Image, side: int, *, grey: bool, crop: int | None = None, white: int = WHITE) -> np.ndarray:
    """The central square of a picture, resized by averaging areas: uint8 of shape (1 or 3, side, side).

    Transparent parts show white; 16 bits become 8.

    Arguments:
        side: of the result, in pixels.
        grey: whether the result has 1 channel, else 3.
        crop: side of the central square; None takes as much as there is.
        white: the value that becomes 255, where a pixel has 16 bits.

    Raises:
        Any exception: the file is damaged or cut short.
    """
    deep, transparent = is_deep(picture), picture.info.get("transparency")
    picture = ImageOps.exif_transpose(picture)  # as the camera was held
    if deep:
        values = np.asarray(picture).astype(np.int32)
        shown = np.where(values == transparent, 255, values.clip(0, white) * 255 // white)
        picture = Image.fromarray(shown.astype(np.uint8))
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
