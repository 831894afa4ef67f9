"""Small data of one's own: pictures, folders of them and arrays, and how they are loaded."""

import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from utils.datasets import Dataset, DatasetError, load_dataset


def picture(seed: int, size: tuple[int, int] = (40, 30), mode: str = "RGB") -> Image.Image:
    """A picture of noise, of a width and a height."""
    channels = {"RGB": (3,), "L": ()}[mode]
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size[::-1], *channels), dtype=np.uint8))


def save(picture: Image.Image, path: Path, *arguments, **options) -> Path:
    """Save a picture, in a folder that is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, *arguments, **options)
    return path


def fill(root: Path, *parts: tuple[str, int], mode: str = "L") -> Path:
    """Pictures of noise in folders below one: so many in each."""
    for place, count in parts:
        for seed in range(count):
            save(picture(seed + zlib.crc32(place.encode()) % 1000, mode=mode), root / place / f"{seed}.png")
    return root


def images_of(shape: tuple[int, ...], dtype: type = np.uint8) -> np.ndarray:
    """An array of noise, as people keep images of that type."""
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return values if dtype is np.uint8 else values > 127 if dtype is np.bool_ else (values / 255).astype(dtype)


def write(path: Path, **arrays: np.ndarray) -> Path:
    """Write an archive of arrays."""
    np.savez(path, **arrays)
    return path


def load(kind: str, path: Path, split: str = "train", size: int | None = None) -> Dataset:
    """A split of what lies at a path."""
    return load_dataset(f"{kind}:{path}", split, path.parent, size)


def sizes(kind: str, path: Path) -> tuple[int, int]:
    """How many examples there are in train and test."""
    return len(load(kind, path)), len(load(kind, path, "test"))


def notes(kind: str, path: Path) -> str:
    """What is said of train, in one text."""
    return "\n".join(load(kind, path).notes)


def error_of(kind: str, path: Path, split: str = "train") -> str:
    """The line that loading ends with."""
    with pytest.raises(DatasetError) as caught:
        load(kind, path, split)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def rows(dataset: Dataset) -> set[bytes]:
    """The bytes of each image."""
    return {image.numpy().tobytes() for image in dataset.images}
