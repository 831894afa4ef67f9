"""Binarised MNIST: the fixed binary images on which log-likelihoods are usually compared, padded to 32x32.

References:
    Salakhutdinov and Murray, On the Quantitative Analysis of Deep Belief Networks, 2008
    Larochelle and Murray, The Neural Autoregressive Distribution Estimator, 2011, whose files these are
"""

import hashlib
from pathlib import Path

import numpy as np
import torch

from utils.datasets.dataset import Dataset, DatasetError
from utils.datasets.files.download import download
from utils.datasets.packed import PackedImages
from utils.datasets.registry import first, register

MIRROR = "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/"
FILES = {"train": {"train": 50_000, "valid": 10_000}, "test": {"test": 10_000}}  # parts of a split, images in each
SIDE = 28
PADDING = 2  # on each side
LINE_BYTES = 2 * SIDE**2  # "0 1 0 ... 1\n"


@register("bmnist")
def load(name: str, split: str, data_dir: Path, size: int | None) -> Dataset:
    """Packed images (N, 1, 32, 32) without labels, in the order of the files; train ends with the validation file.

    No digest of the files is published: their form is verified, every character of it, and `sha256`, that of the
    split's files one after the other, says what was found.
    """
    parts = FILES[split]
    count = first(size, sum(parts.values()), name, split)
    digest = hashlib.sha256()
    packed = [_packed(data_dir / "bmnist" / _file(part), images, digest) for part, images in parts.items()]
    side = SIDE + 2 * PADDING
    return Dataset(
        name=name,
        split=split,
        images=PackedImages(torch.from_numpy(np.concatenate(packed)[:count].copy()), (1, side, side)),
        source="Larochelle's files",
        sha256=digest.hexdigest(),
    )


def _file(part: str) -> str:
    """The name of the file that holds a part of a split."""
    return f"binarized_mnist_{part}.amat"


def _packed(path: Path, images: int, digest) -> np.ndarray:
    """The images of a file, padded and packed: uint8 (N, 128). Adds the file to the digest."""
    if not path.is_file():
        names = [_file(part) for parts in FILES.values() for part in parts]
        missing = [name for name in names if not path.with_name(name).is_file()]
        download([MIRROR + path.name], path, None, lambda part: _verify(part.read_bytes(), images), missing)
    content = path.read_bytes()
    digest.update(content)
    try:
        _verify(content, images)
    except OSError as error:
        raise DatasetError(
            f"{path} is not the official file: {error}; replace it, or delete it to have it downloaded"
        ) from None
    pixels = (np.frombuffer(content, dtype=np.uint8)[::2] - ord("0")).reshape(-1, SIDE, SIDE)
    padded = np.pad(pixels, ((0, 0), (PADDING, PADDING), (PADDING, PADDING)))
    return np.packbits(padded.reshape(images, -1), axis=1)


def _verify(content: bytes, images: int) -> None:
    """Raise an OSError unless these are the lines of that many images."""
    if len(content) != images * LINE_BYTES:
        raise OSError(f"it has {len(content):,} bytes instead of {images * LINE_BYTES:,}")
    characters = np.frombuffer(content, dtype=np.uint8)
    form = np.frombuffer((b"0 " * SIDE**2)[:-1] + b"\n", dtype=np.uint8)
    if len(wrong := np.flatnonzero((characters.reshape(-1, LINE_BYTES) ^ form) > (form == ord("0")))):
        line, column = divmod(int(wrong[0]), LINE_BYTES)
        raise OSError(f"character {column + 1} of line {line + 1} is {chr(characters[wrong[0]])!r}")
