"""CelebA: 202,599 aligned photographs of faces, as 64x64 colour images.

Reference:
    Liu, Luo, Wang and Tang, Deep Learning Face Attributes in the Wild, 2015,
    https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html
"""

import io
import zipfile
from pathlib import Path

import numpy as np

from utils.datasets.dataset import Dataset, DatasetError
from utils.datasets.files.cache import Splits, cached
from utils.datasets.files.download import file_digest
from utils.datasets.files.pictures import open_picture, square
from utils.datasets.registry import first, register
from utils.machine.bars import bar

PAGE = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
ARCHIVE, PARTITION = "img_align_celeba.zip", "list_eval_partition.txt"
MD5 = {  # as torchvision publishes them
    ARCHIVE: "00d2c5bc6d35e252742224ab0c1e8fcb",
    PARTITION: "d32c9cbf5e040fd4025c592c306e6668",
}
PARTS = {"train": "01", "test": "2"}  # of the official partition: 0 train, 1 validation, 2 test
SIDE = 64
FORM = {"images": (np.uint8, (3, SIDE, SIDE))}
RECIPE = f"central 178x178, colour, {SIDE}x{SIDE} by area, validation in train"


@register("celeba")
def load(name: str, split: str, data_dir: Path, size: int | None) -> Dataset:
    """Images uint8 (N, 3, 64, 64) without labels, in the order of the official files.

    The split is the official one, with the validation images in train: 182,637 and 19,962. The archive is gone
    through once, without being unpacked; the images are kept in `data_dir/celeba/celeba_64.h5`. `sha256` is that
    of the split's images; decoders of JPEG may differ by a bit from one version to the next.

    Raises:
        DatasetError: a file is missing (they cannot be downloaded by a program) or is not the official one.
    """
    folder = data_dir / "celeba"
    found = cached(folder / "celeba_64.h5", RECIPE, split, FORM, lambda: _prepare(folder))
    count = first(size, len(found.arrays["images"]), name, split)
    return Dataset(
        name=name, split=split, images=found.first("images", count), source=found.origin, sha256=found.sha256
    )


def _prepare(folder: Path) -> tuple[Splits, str]:
    """The images of both splits from the official files."""
    missing = [file for file in MD5 if not (folder / file).is_file()]
    if missing:
        files = " and ".join(f"{file} (MD5 {MD5[file]})" for file in missing)
        raise DatasetError(f"celeba cannot be downloaded by a program: fetch {files} from {PAGE} and put into {folder}")
    for file, expected in MD5.items():
        if (found := file_digest(folder / file, "md5")) != expected:
            raise DatasetError(
                f"{folder / file} is not the official file: it has MD5 {found} instead of {expected}; "
                f"fetch it again from {PAGE}"
            )
    rows = [line.split() for line in (folder / PARTITION).read_text(encoding="ascii").splitlines()]
    with zipfile.ZipFile(folder / ARCHIVE) as archive:
        splits = {
            split: {"images": _images(archive, [photo for photo, part in rows if part in parts])}
            for split, parts in PARTS.items()
        }
    return splits, f"official {ARCHIVE}"


def _images(archive: zipfile.ZipFile, photos: list[str]) -> np.ndarray:
    """These photographs, 178x218 each, as squares: uint8 (N, 3, 64, 64)."""
    images = np.empty((len(photos), 3, SIDE, SIDE), dtype=np.uint8)
    for position, photo in enumerate(bar(photos, desc=ARCHIVE, unit=" images")):
        content = archive.read(f"img_align_celeba/{photo}")
        images[position] = square(open_picture(io.BytesIO(content), ("JPEG",)), SIDE, grey=False)
    return images
