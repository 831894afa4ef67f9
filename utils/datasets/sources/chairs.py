"""Rendered chairs: 1,393 models of chairs, each from 62 views, as grey 64x64 images.

Reference:
    Aubry, Maturana, Efros, Russell and Sivic, Seeing 3D chairs: exemplar part-based 2D-3D alignment using a large
    dataset of CAD models, 2014, https://www.di.ens.fr/willow/research/seeing3Dchairs/
"""

import io
import re
import tarfile
from pathlib import Path

import numpy as np

from utils.datasets.dataset import Dataset, DatasetError
from utils.datasets.files.cache import Splits, cached
from utils.datasets.files.download import download, file_digest
from utils.datasets.files.pictures import open_picture, square
from utils.datasets.registry import SPLITS, first, register
from utils.datasets.splits import split_indices
from utils.machine.bars import bar

ARCHIVE = "rendered_chairs.tar"
MIRRORS = (f"https://www.di.ens.fr/willow/research/seeing3Dchairs/data/{ARCHIVE}",)
FOLDER = "rendered_chairs"  # that everything in it is in
MEMBER = re.compile(FOLDER + r"/([\w-]+)/renders/([\w-]+)\.png", re.ASCII)
MEMBER_BYTES = 1 << 22  # at most; the renders have some tens of thousands

MODELS, VIEWS = 1393, 62
TEST_MODELS = 139  # a tenth
SPLIT_SEED = 2014

FRAME = 600  # side of a render, in pixels
CROP = 400  # of its centre: around it there is hardly anything but white
SIDE = 64
FORM = {"images": (np.uint8, (1, SIDE, SIDE)), "labels": (np.int64, ())}
RECIPE = f"central {CROP}x{CROP} of {FRAME}x{FRAME}, grey, {SIDE}x{SIDE} by area, split by model"


@register("chairs")
def load(name: str, split: str, data_dir: Path, size: int | None) -> Dataset:
    """Images uint8 (N, 1, 64, 64); labels are the models, 0..1392 in the order of their names.

    The split is by model: 1,254 models with all their views are for training, the other 139 for testing, so that no
    chair of the test split was ever seen. It is one permutation of the sorted names of the models, and the images of
    a split are in the order of another.

    The archive is gone through once, as a stream that is never unpacked to the disk; the images are kept in
    `data_dir/chairs/chairs_64.h5`. No digest of the archive is published: its structure is verified, and `source`
    has the digest that was found. `sha256` is that of the split's images and labels.
    """
    folder = data_dir / "chairs"
    found = cached(folder / "chairs_64.h5", RECIPE, split, FORM, lambda: _prepare(folder / ARCHIVE))
    count = first(size, len(found.arrays["images"]), name, split)
    return Dataset(
        name=name,
        split=split,
        images=found.first("images", count),
        labels=found.first("labels", count),
        source=found.origin,
        sha256=found.sha256,
    )


def _prepare(path: Path) -> tuple[Splits, str]:
    """The images and labels of both splits from the archive, and its name and digest."""
    if not path.is_file():
        download(MIRRORS, path, None, _verify)
    images = _images(path)
    splits = {}
    for number, split in enumerate(SPLITS):
        models = split_indices(MODELS, split, test=TEST_MODELS, seed=SPLIT_SEED, name="chairs")
        order = np.random.RandomState(SPLIT_SEED + 1 + number).permutation(len(models) * VIEWS)
        model, view = models[order // VIEWS], order % VIEWS
        splits[split] = {"images": images[model, view], "labels": model}
    return splits, f"{path.name}, SHA-256 {file_digest(path)}"


def _verify(path: Path) -> None:
    """Raise an OSError unless a file begins as the archive does; the rest shows when it is gone through."""
    try:
        with tarfile.open(path, "r:") as archive:
            member = next(iter(archive), None)  # archive.next() fails at an empty one before Python 3.11
    except Exception as error:
        raise OSError(f"it is no tar archive ({error})") from error
    if not member or member.name.partition("/")[0] != FOLDER:
        raise OSError(f"it is a tar archive that does not begin with {FOLDER}")


def _images(path: Path) -> np.ndarray:
    """All images, (model, view, 1, 64, 64), models and views in the order of their names."""
    chairs: dict[str, dict[str, np.ndarray]] = {}
    try:
        # Members are read as streams, whatever their names and kinds, and only regular files with the names of
        # renders: nothing in the archive decides where anything is written.
        with tarfile.open(path, "r|") as archive:
            for member in bar(archive, desc=path.name, unit=" files"):
                match = MEMBER.fullmatch(member.name)
                if match and member.isreg() and member.size <= MEMBER_BYTES:
                    chairs.setdefault(match[1], {})[match[2]] = _image(archive.extractfile(member).read(), member.name)
        if len(chairs) != MODELS:
            raise ValueError(f"it has {len(chairs):,} models of chairs instead of {MODELS:,}")
        for model, views in chairs.items():
            if len(views) != VIEWS:
                raise ValueError(f"model {model} has {len(views)} views instead of {VIEWS}")
    except Exception as error:  # of any kind: tarfile parses what the file says of itself
        raise DatasetError(
            f"{path} is not the original archive or is damaged ({error}); "
            "replace it, or delete it to have it downloaded"
        ) from error
    return np.stack([[views[view] for view in sorted(views)] for _, views in sorted(chairs.items())])


def _image(content: bytes, name: str) -> np.ndarray:
    """One render, cropped, grey and small: uint8 (1, 64, 64)."""
    try:
        picture = open_picture(io.BytesIO(content), ("PNG",))
        if picture.size != (FRAME, FRAME):
            raise ValueError("its size is {}x{} instead of {}x{}".format(*picture.size, FRAME, FRAME))
        return square(picture, SIDE, grey=True, crop=CROP)
    except Exception as error:
        raise ValueError(f"{name}: {error}") from error
