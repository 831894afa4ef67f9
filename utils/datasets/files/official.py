"""Official files under whatever name: what is in them tells which they are.

Programs keep the files of MNIST in their own ways: torchvision as `MNIST/raw/train-images-idx3-ubyte`, with or without
`.gz`, keras as arrays of `mnist.npz`, TensorFlow in a flat folder or under names of its own, unpackers as
`train-images.idx3-ubyte`.
"""

import gzip
import hashlib
import io
import math
import os
import struct
import zlib
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import numpy as np

from utils.datasets.dataset import DatasetError
from utils.datasets.files.archives import array_form, member_sizes, read_arrays

GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"  # what files begin with
DEPTH = 4  # of folders that are looked into
MOST_IN_A_FOLDER = 1_000  # entries: in a larger one are pictures, not these files
MOST_ENTRIES = 20_000
MOST_BYTES = 1 << 26  # of a file unpacked, which stops a bomb; the largest has 47 million


def find_contents(folder: Path, sizes: dict[str, int]) -> dict[str, bytes]:
    """The bytes of official files that lie below a folder, by their SHA-256; those that are not there are left out.

    They may be as they are, gzipped, or an array of an npz archive whose IDX file they are.

    Arguments:
        sizes: how many bytes each has, by its SHA-256.
    """
    found: dict[str, bytes] = {}
    for path in _files(folder):
        for content in _candidates(path, set(sizes.values())):
            digest = hashlib.sha256(content).hexdigest()
            if digest in sizes:
                found[digest] = content
        if len(found) == len(sizes):
            break
    return found


def unpacked(content: bytes) -> bytes:
    """What a gzip file holds, of a bomb the beginning. Raises EOFError, gzip.BadGzipFile or zlib.error for damage."""
    return gzip.GzipFile(fileobj=io.BytesIO(content)).read(MOST_BYTES)


def as_idx(array: np.ndarray) -> bytes:
    """An array of bytes as an IDX file: bytes 0, 0, 8, rank, each dimension as big-endian int32, then the values."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def _files(folder: Path) -> Iterator[Path]:
    """Regular files below a folder, those near to it first; what is hidden, and most of large folders, left out."""
    folders, looked_at = deque([(folder, 0)]), 0
    while folders and looked_at < MOST_ENTRIES:
        place, depth = folders.popleft()
        with suppress(OSError):  # a folder that cannot be read holds nothing for us
            inside = sorted(islice(place.iterdir(), MOST_IN_A_FOLDER))
            looked_at += len(inside)
            for path in inside:
                if path.name.startswith("."):
                    continue
                if path.is_dir() and depth < DEPTH:
                    folders.append((path, depth + 1))
                elif path.is_file():
                    yield path


def _candidates(path: Path, sizes: Collection[int]) -> Iterator[bytes]:
    """What a file may hold of one of these sizes; nothing if it is damaged or of another kind."""
    with suppress(OSError, EOFError, zlib.error, struct.error, DatasetError):
        with path.open("rb") as file:
            beginning = file.read(4)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - 4, 0))
            (ending,) = struct.unpack("<I", file.read())  # of gzip, the size of what is packed
        if size in sizes:
            yield path.read_bytes()
        elif beginning.startswith(GZIP) and ending in sizes:
            yield unpacked(path.read_bytes())
        elif beginning == ZIP:
            for name in member_sizes(path):
                shape, dtype = array_form(path, name) or ((), np.dtype(object))
                if dtype.kind in "iu" and 4 + 4 * len(shape) + math.prod(shape) in sizes:
                    yield as_idx(read_arrays(path, [name])[name])
