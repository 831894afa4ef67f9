"""`folder:PATH`: any folder of pictures, cropped to a square and resized for the networks."""

import hashlib
import io
import os
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from utils.datasets.dataset import Dataset, DatasetError
from utils.datasets.files.pictures import is_grey, open_picture, square
from utils.datasets.registry import SPLITS, first, register_path
from utils.datasets.splits import split_indices

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")  # of these suffixes, the last also of .pgm
SMALL, LARGE = 32, 64
SPLIT_SEED = 2020


@register_path("folder")
def load(name: str, split: str, path: Path, size: int | None) -> Dataset:
    """Images uint8 (N, C, S, S) of all pictures below a folder, without labels.

    C is 1 if every file of both splits is stored as grey, else 3; S is 32 if the shorter side of none is longer than
    that, else 64. Subfolders `train` and `test`, where there are both, are the splits; otherwise a tenth is for
    testing. Either way the order is a fixed permutation of the sorted file names. `sha256` is that of the names and
    the bytes of all files of the split.

    Errors:
        DatasetError: no folder, no pictures, or a file that is no picture or a damaged one.
    """
    if not path.is_dir():
        raise DatasetError(f"{path} is a file; expected a folder of pictures (npz:PATH is for an npz file)")
    files = _pictures(path)
    if not files:
        raise DatasetError(
            f"{path} has no pictures in it; expected files ending in {', '.join(sorted(SUFFIXES))}, in subfolders too"
        )
    splits = _splits(files, path, name)
    grey, side = _format([*splits["train"], *splits["test"]])
    chosen = splits[split]
    count = first(size, len(chosen), name, split)
    images = np.empty((count, 1 if grey else 3, side, side), dtype=np.uint8)
    digest = hashlib.sha256()
    for position, file in enumerate(tqdm(chosen, desc=name, unit=" files", disable=None, leave=False)):
        content = file.read_bytes()
        digest.update(os.fsencode(file.relative_to(path).as_posix()) + b"\0" + hashlib.sha256(content).digest())
        if position < count:
            try:
                images[position] = square(open_picture(io.BytesIO(content), FORMATS), side, grey=grey)
            except Exception as error:
                raise _unreadable(file, error) from error
    return Dataset(
        name=name,
        split=split,
        images=torch.from_numpy(images),
        source="pictures in a folder",
        sha256=digest.hexdigest(),
    )


def _pictures(path: Path) -> list[Path]:
    """All pictures below a folder, by their names; hidden files and those in hidden folders are none."""
    files = [file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file()]
    shown = (file for file in files if not any(part.startswith(".") for part in file.relative_to(path).parts))
    return sorted(shown, key=lambda file: file.relative_to(path).as_posix())


def _format(files: list[Path]) -> tuple[bool, int]:
    """Whether every picture is grey, and the side to resize to, from the beginnings of the files."""
    grey, side = True, SMALL
    for file in files:
        try:
            with open_picture(file, FORMATS) as picture:
                grey = grey and is_grey(picture)
                side = SMALL if side == SMALL and min(picture.size) <= SMALL else LARGE
        except Exception as error:
            raise _unreadable(file, error) from error
    return grey, side


def _splits(files: list[Path], path: Path, name: str) -> dict[str, list[Path]]:
    """The files of both splits, in their fixed orders."""
    parts = {split: [file for file in files if file.relative_to(path).parts[0] == split] for split in SPLITS}
    if all(parts.values()):
        orders = {split: np.random.RandomState(SPLIT_SEED).permutation(len(parts[split])) for split in SPLITS}
        return {split: [parts[split][index] for index in orders[split]] for split in SPLITS}
    test = -(-len(files) // 10)
    orders = {split: split_indices(len(files), split, test=test, seed=SPLIT_SEED, name=name) for split in SPLITS}
    return {split: [files[index] for index in orders[split]] for split in SPLITS}


def _unreadable(file: Path, error: Exception) -> DatasetError:
    """The error that names a file that cannot be read."""
    return DatasetError(f"{file} cannot be read ({error}); replace it or take it out of the folder")
