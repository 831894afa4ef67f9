"""dSprites: 737,280 binary images of 64x64 from five factors, read from the official file or drawn anew.

Reference:
    Matthey, Higgins, Hassabis and Lerchner, dSprites: Disentanglement testing Sprites dataset, 2017,
    https://github.com/google-deepmind/dsprites-dataset
"""

import functools
import hashlib
import zipfile
from pathlib import Path

import numpy as np
import torch

from utils.datasets.dataset import Dataset, DatasetError
from utils.datasets.files.download import file_digest
from utils.datasets.packed import PackedImages
from utils.datasets.registry import first, register
from utils.datasets.sources.dsprites_renderer import FACTOR_SIZES, SIDE, render_packed
from utils.datasets.splits import split_digest

FILE = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
IMAGES = int(np.prod(FACTOR_SIZES))
TRAIN_IMAGES = IMAGES * 9 // 10
SPLIT_SEED = 2017
FACTORS = ("shape", "scale", "orientation", "position x", "position y")
ORIENTATION = FACTORS.index("orientation")  # the column of the factors

PROBE = 4096  # images whose digest stands for the rendered set
CHUNK = 4096  # images read from the official file at once: 16 MB


def classes_of(indices: np.ndarray) -> np.ndarray:
    """Factor classes (N, 5) of the images with these official indices: posY runs fastest, shape slowest."""
    return np.stack(np.unravel_index(indices, FACTOR_SIZES), axis=1)


@functools.cache
def split_order(split: str) -> np.ndarray:
    """Official indices of a split's images in its fixed order: 663,552 for "train", 73,728 for "test".

    The first nine tenths and the last of one permutation, the same for every seed of a run. It comes from NumPy's
    `RandomState`, whose stream is frozen for good (NEP 19), unlike that of `Generator`. The last orientation is the
    same angle as the first, and draws the same picture: it follows it directly, into the same split. What is left are
    3,142 images that repeat another because the shape is small and nearly symmetric; 589 of the test images do so.
    """
    grid = np.arange(IMAGES).reshape(FACTOR_SIZES)
    order = np.random.RandomState(SPLIT_SEED).permutation(grid[:, :, :-1].ravel())  # the last orientation left out
    order = np.repeat(order, np.where(np.unravel_index(order, FACTOR_SIZES)[ORIENTATION] == 0, 2, 1))
    order[1:][order[1:] == order[:-1]] += grid[0, 0, -1, 0, 0]  # from the first orientation to the last
    order.flags.writeable = False
    return order[:TRAIN_IMAGES] if split == "train" else order[TRAIN_IMAGES:]


@register("dsprites", needs_files=False)
def load(name: str, split: str, data_dir: Path, size: int | None) -> Dataset:
    """Packed images (N, 1, 64, 64) and factors (N, 5): shape, scale, orientation, posX, posY.

    The official file is used where it lies in `data_dir/dsprites` or `data_dir`; `sha256` is then that of its digest
    and the indices of the split. Otherwise the images are rendered, and `sha256` is that of train's first 4,096 images
    and their factors.
    """
    order = split_order(split)
    indices = order[: first(size, len(order), name, split)]
    factors = classes_of(indices)
    official = [path for path in (data_dir / "dsprites" / FILE, data_dir / FILE) if path.is_file()]
    if official:
        packed, source = _read(official[0], indices), "official file"
        sha256 = split_digest(file_digest(official[0]), order)
    else:
        packed, source = render_packed(factors), "rendered from its factors"
        sha256 = _render_digest()
    return Dataset(
        name=name,
        split=split,
        images=PackedImages(torch.from_numpy(packed), (1, SIDE, SIDE)),
        factors=torch.from_numpy(factors),
        factor_names=FACTORS,
        source=source,
        sha256=sha256,
    )


@functools.cache
def _render_digest() -> str:
    classes = classes_of(split_order("train")[:PROBE])
    return hashlib.sha256(classes.astype("<i8").tobytes() + render_packed(classes).tobytes()).hexdigest()


def _read(path: Path, indices: np.ndarray) -> np.ndarray:
    """The images with these indices, packed: uint8 (N, 512). Streams the file, which is 3 GB unpacked."""
    packed = np.empty((len(indices), SIDE * SIDE // 8), dtype=np.uint8)
    place = np.full(IMAGES, -1)
    place[indices] = np.arange(len(indices))
    try:
        with zipfile.ZipFile(path) as archive:
            for start, classes in _chunks(archive, "latents_classes", (IMAGES, 1 + len(FACTOR_SIZES))):
                expected = classes_of(np.arange(start, start + len(classes)))
                if not np.array_equal(classes[:, 1:], expected):
                    raise ValueError(f"latents_classes are in another order near image {start}")
            for start, images in _chunks(archive, "imgs", (IMAGES, SIDE, SIDE)):
                target = place[start : start + len(images)]
                wanted = target >= 0
                packed[target[wanted]] = np.packbits(images[wanted].reshape(-1, SIDE * SIDE), axis=1)
    except Exception as error:  # of any kind: zipfile and NumPy parse what the file says of itself
        raise DatasetError(
            f"{path} is not the official file or is damaged ({error}); "
            "replace it, or delete it to have the images rendered"
        ) from error
    return packed


def _chunks(archive: zipfile.ZipFile, key: str, shape: tuple[int, ...]):
    """Pairs (first index, rows) of the array `key` of an npz archive, a chunk of rows at a time."""
    with archive.open(f"{key}.npy") as stream:
        version = np.lib.format.read_magic(stream)
        if version != (1, 0):
            raise ValueError(f"{key} has format {version}, expected (1, 0)")
        found, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        if found != shape or is_fortran or dtype.kind not in "iu":
            raise ValueError(f"{key} is {dtype} of shape {found}, expected integers of shape {shape}")
        row_bytes = dtype.itemsize * int(np.prod(shape[1:]))
        for start in range(0, shape[0], CHUNK):
            rows = min(CHUNK, shape[0] - start)
            content = stream.read(rows * row_bytes)
            yield start, np.frombuffer(content, dtype).reshape(rows, *shape[1:])
