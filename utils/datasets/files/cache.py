"""Prepared images on the disk, so that a large archive is gone through only once.

A cache is an HDF5 file with a group per split, which bears the SHA-256 of its arrays. It is verified whenever it is
read, and made anew if it is damaged. Where it cannot be written, what was prepared stays in memory.
"""

import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from utils.machine.locks import locked, made

Arrays = dict[str, np.ndarray]
Splits = dict[str, Arrays]  # arrays by their names, by split
Form = dict[str, tuple[np.dtype, tuple[int, ...]]]  # of the arrays of a split: type and shape of one element, by name

_IN_MEMORY: dict[Path, tuple[Splits, str]] = {}


class Cached(NamedTuple):
    """One split of a cache."""

    arrays: Arrays
    origin: str  # where the images come from, in words
    sha256: str  # hex digest of the arrays

    def first(self, name: str, count: int) -> torch.Tensor:
        """The first `count` of an array; a copy unless that is all, so as not to keep the rest in memory."""
        array = torch.from_numpy(self.arrays[name])
        return array if count == len(array) else array[:count].clone()


def cached(path: Path, recipe: str, split: str, form: Form, prepare: Callable[[], tuple[Splits, str]]) -> Cached:
    """A split from the cache at `path`, which is made by `prepare()` unless it is there.

    Several processes may ask at once: one prepares, the others wait. If `prepare` fails, nothing is left behind.

    Arguments:
        path: of the HDF5 file.
        recipe: how the images are prepared, in words; a cache made by another recipe is replaced.
        split: "train" or "test".
        form: what arrays there have to be; a cache with others is replaced.
        prepare: gives the arrays of both splits, and their origin.
    """
    if found := _read(path, recipe, split, form):
        return found
    with _lock(path.parent):
        if found := _read(path, recipe, split, form):  # another process has made it meanwhile
            return found
        if path in _IN_MEMORY:
            splits, origin = _IN_MEMORY[path]
        else:
            unusable = path.is_file()
            splits, origin = prepare()
            if obstacle := _write(path, recipe, splits, origin):
                print(f"{path} cannot be written ({obstacle}): its images stay in memory", file=sys.stderr)
                _IN_MEMORY[path] = splits, origin
            elif unusable:
                print(f"{path} was damaged or of another version: it has been made anew", file=sys.stderr)
    return Cached(splits[split], origin, _digest(splits[split]))


def _digest(arrays: Arrays) -> str:
    """SHA-256 of arrays with their names, types and shapes."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _read(path: Path, recipe: str, split: str, form: Form) -> Cached | None:
    """A split of the cache; None if there is no cache, or none that can be used."""
    if not path.is_file():
        return None
    import h5py  # where data are read: --help and mistakes need it not

    try:
        with h5py.File(path, "r", locking=False) as file:
            if file.attrs["recipe"] != recipe:
                return None
            group = file[split]
            if len({len(group[name]) for name in group}) != 1 or form != {
                name: (group[name].dtype, group[name].shape[1:]) for name in group
            }:
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
        with suppress(OSError):  # where it could not even be begun
            part.unlink()
        return error


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Hold the lock of the folder of a cache, where one can be had; a folder that stays empty goes again."""
    with ExitStack() as stack:
        with suppress(OSError):  # which _write will tell of
            stack.enter_context(made(folder))
            stack.enter_context(locked(folder))
        yield
