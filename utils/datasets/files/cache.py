"""Prepared images on the disk, so that a large archive or folder is gone through only once.

A cache is an HDF5 file with a group per split, which bears the SHA-256 of its arrays. It is verified whenever it is
read, and made anew if it is damaged. Where it cannot be written, what was prepared stays in memory.
"""

import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from utils.machine.locks import held

Arrays = dict[str, np.ndarray]
Splits = dict[str, Arrays]  # arrays by their names, by split
Form = dict[str, tuple[np.dtype, tuple[int, ...]]]  # of the arrays of a split: type and shape of one element, by name

MOST_OF_NAME = 60  # letters of a folder's name, of up to four bytes: file systems take 255 bytes
_IN_MEMORY: dict[tuple[Path, str], tuple[Splits, str]] = {}  # by place and recipe


class Cached(NamedTuple):
    """One split of a cache."""

    arrays: Arrays
    origin: str  # where the images come from and what else is known of them, in words or as JSON
    sha256: str  # hex digest of the arrays

    def first(self, name: str, count: int) -> torch.Tensor:
        """The first `count` of an array, see `first_rows`."""
        return first_rows(self.arrays[name], count)


def first_rows(array: np.ndarray, count: int) -> torch.Tensor:
    """The first `count` rows; a copy unless that is all, so as not to keep the rest in memory."""
    rows = torch.from_numpy(array)
    return rows if count == len(rows) else rows[:count].clone()


def name_of(path: Path) -> str:
    """The name of the folder for the caches of a folder: that folder's own name, and a digest of its whole path."""
    whole = path.resolve()
    digest = hashlib.sha256(os.fsencode(whole)).hexdigest()
    return re.sub(r"[^\w.-]", "-", whole.name)[:MOST_OF_NAME] + f"-{digest[:12]}"


def cached(
    path: Path,
    recipe: str,
    split: str,
    form: Form | None,
    prepare: Callable[[], tuple[Splits, str]],
    enough: Callable[[Cached], bool] = lambda found: True,
) -> Cached:
    """A split from the cache at `path`, which is made by `prepare()` unless it is there.

    Several processes may ask at once: one prepares, the others wait. If `prepare` fails, nothing is left behind.

    Arguments:
        path: of the HDF5 file.
        recipe: how the images are prepared, in words; a cache made by another recipe is replaced.
        split: "train" or "test".
        form: what arrays there have to be; a cache with others is replaced. None: any that the recipe has made.
        prepare: gives the arrays of the splits that the cache is to have, and their origin.
        enough: whether what was found will do; otherwise it is replaced.
    """
    if (found := _read(path, recipe, split, form)) and enough(found):
        return found
    with _lock(path.parent):
        found = _read(path, recipe, split, form)  # another process may have made it meanwhile
        if not found and (path, recipe) in _IN_MEMORY:
            found = _of(*_IN_MEMORY[path, recipe], split)
        if found and enough(found):
            return found
        unusable = path.is_file() and not found
        splits, origin = prepare()
        if obstacle := _write(path, recipe, splits, origin):
            print(f"{path} cannot be written ({obstacle}): its images stay in memory", file=sys.stderr)
            _IN_MEMORY[path, recipe] = splits, origin
        elif unusable:
            print(f"{path} was damaged, or of other files or another version: it has been made anew", file=sys.stderr)
    return _of(splits, origin, split)


def _of(splits: Splits, origin: str, split: str) -> Cached:
    return Cached(splits[split], origin, _digest(splits[split]))


def _digest(arrays: Arrays) -> str:
    """SHA-256 of arrays with their names, types and shapes."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _read(path: Path, recipe: str, split: str, form: Form | None) -> Cached | None:
    """A split of the cache; None if there is no cache, or none that can be used."""
    if not path.is_file():
        return None
    import h5py  # where data are read: --help and mistakes need it not

    try:
        with h5py.File(path, "r", locking=False) as file:
            if file.attrs["recipe"] != recipe:
                return None
            group = file[split]
            held = {name: (group[name].dtype, group[name].shape[1:]) for name in group}
            if len({len(group[name]) for name in group}) != 1 or form not in (None, held):
                return None
            found = Cached({name: group[name][()] for name in group}, file.attrs["origin"], group.attrs["sha256"])
        return found if _digest(found.arrays) == found.sha256 else None
    except Exception:  # h5py has no error of its own for damage
        return None


def _write(path: Path, recipe: str, splits: Splits, origin: str) -> Exception | None:
    """Write the cache under another name and give it its own once it is whole; what hindered it, if anything."""
    import h5py

    part = path.with_name(f".{path.name}.part")  # one at a time, under the lock
    try:
        with h5py.File(part, "w", locking=False) as file:
            file.attrs.update(recipe=recipe, origin=origin)
            for split, arrays in splits.items():
                group = file.create_group(split)
                group.attrs["sha256"] = _digest(arrays)
                for name, array in arrays.items():
                    group.create_dataset(name, data=array)
        os.replace(part, path)
    except (OSError, RuntimeError) as error:
        return error
    finally:
        with suppress(OSError):  # it has its own name, or could not even be begun
            part.unlink()
    return None


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Hold the lock of the folder of a cache, where one can be had; a folder that stays empty goes again."""
    with ExitStack() as stack:
        with suppress(OSError):  # which _write will tell of
            stack.enter_context(held(folder))
        yield
