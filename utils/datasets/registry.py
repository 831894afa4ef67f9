"""Data sets by name: each loader registers itself, the command line's choices come from here.

Besides plain names there are names with a path in them, `folder:PATH` and `npz:PATH`, for the user's own images.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from utils.datasets.dataset import Dataset, DatasetError

SPLITS = ("train", "test")

Loader = Callable[[str, str, Path, int | None], Dataset]

_LOADERS: dict[str, Loader] = {}
_KINDS: dict[str, str] = {}
_DEFAULTS: dict[str, dict[str, Any]] = {}
_PATH_LOADERS: dict[str, Loader] = {}


def register(*names: str, kind: str = "images", defaults: dict[str, Any] | None = None):
    """Decorator: loads these names with the function `loader(name, split, data_dir, size) -> Dataset`.

    `kind` is "images" or "vectors"; `defaults` are the settings of a run, by name, that these data have others for
    than images have.
    """

    def decorate(loader):
        for name in names:
            _LOADERS[name] = loader
            _KINDS[name] = kind
            _DEFAULTS[name] = defaults or {}
        return loader

    return decorate


def register_path(kind: str):
    """Decorator: loads the names `kind:PATH` with the function `loader(name, split, path, size) -> Dataset`.

    The loader is given the file or folder at PATH, which exists, and the name that results may record.
    """

    def decorate(loader):
        _PATH_LOADERS[kind] = loader
        return loader

    return decorate


def dataset_names() -> list[str]:
    """Every name without a path that `load_dataset` knows, in alphabetical order."""
    return sorted(_LOADERS)


def dataset_choices() -> list[str]:
    """What `load_dataset` knows, for people: every name, then the forms `kind:PATH`."""
    return [*dataset_names(), *(f"{kind}:PATH" for kind in sorted(_PATH_LOADERS))]


def dataset_defaults(name: str) -> dict[str, Any]:
    """The settings of a run, by name, that these data have their own defaults for."""
    return _DEFAULTS.get(name, {})


def data_kind(name: str) -> str:
    """What a data set consists of: "images" or "vectors"."""
    return _KINDS.get(name, "images")


def path_kind(name: str) -> str | None:
    """The kind of a name `kind:PATH`; None for any other name."""
    kind, _, path = name.partition(":")
    return kind if kind in _PATH_LOADERS and path else None


def is_dataset(name: str) -> bool:
    """Whether a name is one that `load_dataset` knows, whatever lies at its path."""
    return name in _LOADERS or path_kind(name) is not None


def portable_name(name: str) -> str:
    """The name as results record it, in UTF-8 whatever the file system's: of an absolute path the last component."""
    kind, _, path = name.partition(":")
    portable = f"{kind}:{Path(path).name}" if path_kind(name) and Path(path).is_absolute() else name
    return portable.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def load_dataset(name: str, split: str, data_dir: str | Path, size: int | None = None) -> Dataset:
    """Loads one split, downloading or rendering what is missing.

    Arguments:
        name: one of `dataset_names()`, or `folder:PATH` or `npz:PATH` with a path from here or from `data_dir`.
        split: "train" or "test".
        data_dir: directory of the files (data/README.md says where each goes); read-only will do for files
            that are there.
        size: take the first `size` of the split in its fixed order; None takes all.

    Errors:
        DatasetError: unknown name or split, size beyond the split, a file missing, damaged or unobtainable.
    """
    if not is_dataset(name):
        raise DatasetError(f"there is no data set {name!r}; choose from {', '.join(dataset_choices())}")
    if split not in SPLITS:
        raise DatasetError(f"there is no split {split!r}; choose from {', '.join(SPLITS)}")
    data_dir = _expanded(data_dir)
    try:
        if kind := path_kind(name):
            return _PATH_LOADERS[kind](portable_name(name), split, _located(name, data_dir), size)
        return _LOADERS[name](name, split, data_dir, size)
    except OSError as error:
        raise DatasetError(f"{name} cannot be read: {error}") from error


def _expanded(path: str | Path) -> Path:
    """The path with a leading ~ or ~user replaced by the home directory; a DatasetError if there is none."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise DatasetError(f"no home directory is known for the path {path}; write it in full") from None


def _located(name: str, data_dir: Path) -> Path:
    """What lies at the path in a name: as it stands, else below the data directory. A DatasetError if nothing."""
    kind, _, path = name.partition(":")
    for place in (_expanded(path), data_dir / path):
        if place.exists():
            return place
    raise DatasetError(f"there is nothing at {path}, here or in {data_dir}; say where it is: --dataset {kind}:PATH")


def first(size: int | None, available: int, name: str, split: str) -> int:
    """How many examples to take: `size`, or all for None. A DatasetError unless 1 <= size <= available."""
    if size is None:
        return available
    if not 1 <= size <= available:
        raise DatasetError(
            f"{name} has {available} {split} {data_kind(name)}; a size of {size} is not between 1 and {available}"
        )
    return size
