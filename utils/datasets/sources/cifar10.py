"""CIFAR-10: 60,000 colour images of 32x32 in 10 classes.

Reference:
    Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009, https://www.cs.toronto.edu/~kriz/cifar.html
"""

import tarfile
from pathlib import Path

import numpy as np
import torch

from utils.datasets.dataset import Dataset, DatasetError
from utils.datasets.files.download import download, file_digest
from utils.datasets.registry import first, register

ARCHIVE = "cifar-10-binary.tar.gz"  # no pickles in it
MIRRORS = (f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}",)
MD5 = "c32a1d4ab5d03f1284b67883e8d87530"  # published beside it

FILES = {"train": [f"data_batch_{number}.bin" for number in range(1, 6)], "test": ["test_batch.bin"]}
IMAGE_SHAPE = (3, 32, 32)
FILE_IMAGES = 10_000
RECORD_BYTES = 1 + 3 * 32 * 32  # a label, then the red, the green and the blue pixels


@register("cifar10")
def load(name: str, split: str, data_dir: Path, size: int | None) -> Dataset:
    """Images uint8 (N, 3, 32, 32) and labels 0..9, in the order of the official archive.

    The archive is verified each time and read as a stream, never unpacked to the disk. `sha256` is that of it.
    """
    path = data_dir / "cifar10" / ARCHIVE
    if not path.is_file():
        download(MIRRORS, path, f"md5:{MD5}")
    elif (found := file_digest(path, "md5")) != MD5:
        raise DatasetError(
            f"{path} is not the official file: it has MD5 {found} instead of {MD5}; "
            "replace it, or delete it to have it downloaded"
        )
    files = FILES[split]
    count = first(size, FILE_IMAGES * len(files), name, split)
    records = _records(path, files[: -(-count // FILE_IMAGES)])[:count]
    return Dataset(
        name=name,
        split=split,
        images=torch.from_numpy(records[:, 1:].reshape(-1, *IMAGE_SHAPE)),
        labels=torch.from_numpy(records[:, 0].astype(np.int64)),
        source="official archive",
        sha256=file_digest(path),
    )


def _records(path: Path, files: list[str]) -> np.ndarray:
    """The records of these files of the archive: uint8 (N, 3,073)."""
    content = {}
    with tarfile.open(path, "r|gz") as archive:
        for member in archive:
            file = member.name.rpartition("/")[2]
            if member.isfile() and file in files:
                content[file] = np.frombuffer(archive.extractfile(member).read(), np.uint8)
    return np.concatenate([content[file] for file in files]).reshape(-1, RECORD_BYTES)
