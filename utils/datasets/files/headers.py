"""What the files of a folder are, from their beginnings: which are pictures, and of what kind."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from utils.datasets.files.pictures import check_size, is_deep, is_grey, page_numbers, use_picture

Image.init()
FORMATS = tuple(name for name in ("PNG", "JPEG", "BMP", "GIF", "WEBP", "AVIF", "TIFF", "PPM") if name in Image.OPEN)
ENDINGS = {ending for ending, name in Image.registered_extensions().items() if name in FORMATS} - {".pfm"}
# Not told by the beginning alone: photographs as cameras store them begin as TIFF does, and any text may begin with P1.
BY_ENDING = ("TIFF", "PPM")
MOVING = ("GIF", "PNG", "WEBP", "AVIF")
MOST_BYTES = 1 << 32  # of a file


@dataclass(frozen=True)
class Picture:
    """One picture of a folder.

    Arguments:
        name: of its file, from the folder on, with /.
        page: its number in a stack; None if the file holds one picture.
        side: the shorter one, in pixels.
        deep: whether a pixel has 16 bits.
        animated: whether it is the first of a moving one.
        error: why it cannot be read, if so; the rest is then unknown.
    """

    name: str
    path: Path
    page: int | None = None
    grey: bool = True
    side: int = 0
    deep: bool = False
    animated: bool = False
    error: Exception | None = None


def pictures_in(name: str, path: Path) -> list[Picture]:
    """The picture in a file, or every page of a stack; none if neither its beginning nor its name is a picture's.

    A file that is a picture by its name only is a Picture with an error, and so is a damaged one of that name.
    """
    named = path.suffix.lower() in ENDINGS
    formats = FORMATS if named or not path.suffix else tuple(form for form in FORMATS if form not in BY_ENDING)
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise ValueError(f"it has {size:,} bytes; expected at most {MOST_BYTES:,}")
        if not size and not named:
            return []
        return use_picture(path, formats, lambda picture: list(_pages(picture, name, path)))
    except Exception as error:
        return [Picture(name, path, error=error)] if named else []


def _pages(picture: Image.Image, name: str, path: Path) -> Iterator[Picture]:
    """The pages of an open picture, or the picture itself."""
    numbers = page_numbers(picture)
    for number in numbers:
        if number:
            picture.seek(number)
        check_size(picture)
        yield Picture(
            name,
            path,
            page=number if len(numbers) > 1 else None,
            grey=is_grey(picture),
            side=min(picture.size),
            deep=is_deep(picture),
            animated=picture.format in MOVING and _is_animated(picture),
        )


def _is_animated(picture: Image.Image) -> bool:
    """Whether there is a second picture, as far as can be told: only the first has to be whole."""
    try:
        return picture.is_animated
    except Exception:
        return False
