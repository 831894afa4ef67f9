"""Data sets by name: each loader registers itself, the command line's choices come from here.

Besides plain names there are names with a path in them, `folder:PATH` and `npz:PATH`, for the user's own images.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from utils.datasets.dataset import Dataset, DatasetError

CACHE = "folders"  # below the data directory: where prepared pictures are kept
SPLITS = ("train", "test")

Loader = Callable[[str, str, Path, int | None], Dataset]


class Named(NamedTuple):
    """A data set with a plain name."""

    loader: Loader
    kind: str
    defaults: dict[str, Any]
    needs_files: bool


class Placed(NamedTuple):
    """Data sets that a path leads to."""

    loader: Loader
    kind_of: Callable[[Path], str] | None
    resized: bool
    defaults: dict[str, dict[str, Any]]


_NAMED: dict[str, Named] = {}
_PLACED: dict[str, Placed] = {}


def register(*names: str, kind: str = "images", defaults: dict[str, Any] | None = None, needs_files: bool = True):
    """Decorator: loads these names with the function `loader(name, split, data_dir, size) -> Dataset`.

    `kind` is "images" or "vectors"; `defaults` are the settings of a run, by name, for which these data have a default
    of their own; `needs_files` says whether files have to be there or to be fetched. Raises TypeError for a name that
    is taken.
    """

    def decorate(loader):
        _check_free(names, _NAMED)
        _NAMED.update(dict.fromkeys(names, Named(loader, kind, defaults or {}, needs_files)))
        return loader

    return decorate


def register_path(
    kind: str, kind_of: Callable[[Path], str] | None = None, *, resized: bool = False, **defaults: dict[str, Any]
):
    """Decorator: loads the names `kind:PATH` with the function `loader(name, split, path, size) -> Dataset`.

    The loader is given the file or folder at PATH, which exists, and the name that results may record; one of pictures
    that are `resized`, to any side, also their `side` and the folder `cache` for what it has prepared. Where there
    may be "vectors" as well as "images", `kind_of` tells them apart, and `defaults` are settings as above by either.
    """

    def decorate(loader):
        _check_free([kind], _PLACED)
        _PLACED[kind] = Placed(loader, kind_of, resized, defaults)
        return loader

    return decorate


def _check_free(names: Sequence[str], taken: Mapping[str, Any]) -> None:
    """Raise TypeError for a name that another data set has."""
    for name in names:
        if name in taken:
            raise TypeError(f"there is a data set {name!r} already: give this one another name")


def default_data_dir() -> Path:
    """The data directory where none is told: VAE_DATA in the environment, else data/."""
    return Path(os.environ.get("VAE_DATA") or "data")


def dataset_names(*, without_files: bool = False) -> list[str]:
    """Every name without a path that `load_dataset` knows, or those that need no files, in alphabetical order."""
    return sorted(name for name, dataset in _NAMED.items() if not (without_files and dataset.needs_files))


def dataset_choices() -> list[str]:
    """What `load_dataset` knows, for people: every name, then the forms `kind:PATH`."""
    return [*dataset_names(), *(f"{kind}:PATH" for kind in sorted(_PLACED))]


def dataset_defaults(name: str, data_dir: str | Path = "") -> dict[str, Any]:
    """The settings of a run, by name, that these data have their own defaults for.

    What lies at a path, from here or from `data_dir`, is looked at; where it cannot be read, loading it will tell.
    """
    if name in _NAMED:
        return _NAMED[name].defaults
    kind = path_kind(name)
    if kind is None or _PLACED[kind].kind_of is None:
        return {}
    try:
        held = _PLACED[kind].kind_of(_located(name, _expanded(data_dir)))
    except (DatasetError, OSError):
        return {}
    return _PLACED[kind].defaults.get(held, {})


def data_kind(name: str) -> str | None:
    """What a data set consists of, "images" or "vectors"; None where only the file at a path can tell."""
    if name in _NAMED:
        return _NAMED[name].kind
    kind = path_kind(name)
    return None if kind and _PLACED[kind].kind_of else "images"


def path_kind(name: str) -> str | None:
    """The kind of a name `kind:PATH`; None for any other name."""
    kind, _, path = name.partition(":")
    return kind if kind in _PLACED and path else None


def is_dataset(name: str) -> bool:
    """Whether a name is one that `load_dataset` knows, whatever lies at its path."""
    return name in _NAMED or path_kind(name) is not None


def is_resized(name: str) -> bool:
    """Whether a data set consists of pictures that are resized as they are read, to any side."""
    kind = path_kind(name)
    return kind is not None and _PLACED[kind].resized


def portable_name(name: str) -> str:
    """The name as results record it, in UTF-8 whatever the file system's: of an absolute path the last component."""
    kind, _, path = name.partition(":")
    portable = f"{kind}:{Path(path).name}" if path_kind(name) and Path(path).is_absolute() else name
    return portable.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def load_dataset(
    name: str, split: str, data_dir: str | Path, size: int | None = None, side: int | None = None
) -> Dataset:
    """Loads one split, downloading or rendering what is missing.

    Arguments:
        name: one of `dataset_names()`, or `folder:PATH` or `npz:PATH` with a path from here or from `data_dir`.
        split: "train" or "test".
        data_dir: directory of the files (data/README.md says where each goes); read-only will do for files
            that are there.
        size: take the first `size` of the split in its fixed order; None takes all.
        side: of the pictures in a folder, which are resized to it, see `is_resized`; None leaves it to the folder.

    Raises:
        DatasetError: unknown name or split, size beyond the split, a file missing, damaged or unobtainable.
    """
    if not is_dataset(name):
        raise DatasetError(f"there is no data set {name!r}; choose from {', '.join(dataset_choices())}")
    if split not in SPLITS:
        raise DatasetError(f"there is no split {split!r}; choose from {', '.join(SPLITS)}")
    data_dir = _expanded(data_dir)
    try:
        if kind := path_kind(name):
            of_pictures = {"side": side, "cache": data_dir / CACHE} if is_resized(name) else {}
            found = _PLACED[kind].loader(portable_name(name), split, _located(name, data_dir), size, **of_pictures)
        else:
            found = _NAMED[name].loader(name, split, data_dir, size)
    except OSError as error:
        raise DatasetError(f"{name} cannot be read: {error}") from error
    if size is not None and len(found) != size:
        raise DatasetError(f"{name}: its loader gave {len(found):,} {split} examples, where {size:,} were asked for")
    return found


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
    raise DatasetError(
        f"there is nothing at {path}, here or in {data_dir}; say where it is: --dataset {kind}:PATH, or --data-dir"
    )


def first(size: int | None, available: int, name: str, split: str, kind: str | None = None) -> int:
    """How many examples to take: `size`, or all for None. A DatasetError unless 1 <= size <= available.

    `kind` is what they are, where the name does not say.
    """
    if size is None:
        return available
    if not 1 <= size <= available:
        held = f"{available} {split} {kind or data_kind(name)}"
        flag = f"--{split}-size" + (" or --validation-size, which adds to it" if split == "train" else "")
        raise DatasetError(
            f"{name} has {held}; a size of {size} is not between 1 and {available}: choose another {flag}"
        )
    return size
