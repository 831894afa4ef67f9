"""Data sets by name: each loader registers itself, the command line's choices come from here."""

from collections.abc import Callable
from pathlib import Path

from .dataset import Dataset, DatasetError

__all__ = ["SPLITS", "dataset_names", "first", "load_dataset", "register"]

SPLITS = ("train", "test")

_LOADERS: dict[str, Callable[[str, str, Path, int | None], Dataset]] = {}


def register(*names: str):
    """Decorator: loads these names with the function `loader(name, split, data_dir, size) -> Dataset`."""

    def decorate(loader):
        for name in names:
            _LOADERS[name] = loader
        return loader

    return decorate


def dataset_names() -> list[str]:
    """Every name that `load_dataset` knows, in alphabetical order."""
    return sorted(_LOADERS)


def load_dataset(name: str, split: str, data_dir: str | Path, size: int | None = None) -> Dataset:
    """Loads one split, downloading or rendering what is missing.

    Arguments:
        name: one of `dataset_names()`.
        split: "train" or "test".
        data_dir: directory of the files (data/README.md says where each goes); read-only will do for files
            that are there.
        size: take the first `size` of the split in its fixed order; None takes all.

    Errors:
        DatasetError: unknown name or split, size beyond the split, a file missing, damaged or unobtainable.
    """
    if name not in _LOADERS:
        raise DatasetError(f"there is no data set {name!r}; choose from {', '.join(dataset_names())}")
    if split not in SPLITS:
        raise DatasetError(f"there is no split {split!r}; choose from {', '.join(SPLITS)}")
    try:
        return _LOADERS[name](name, split, Path(data_dir).expanduser(), size)
    except OSError as error:
        raise DatasetError(f"{name} cannot be read: {error}") from error


def first(size: int | None, available: int, name: str, split: str) -> int:
    """How many images to take: `size`, or all for None. A DatasetError unless 1 <= size <= available."""
    if size is None:
        return available
    if not 1 <= size <= available:
        raise DatasetError(f"{name} has {available} {split} images; a size of {size} is not between 1 and {available}")
    return size
