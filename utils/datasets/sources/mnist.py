"""MNIST and Fashion-MNIST: 28x28 grey images, padded with zeros to 32x32.

References:
    MNIST: LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/
    Fashion-MNIST: Xiao, Rasul and Vollgraf, 2017, https://arxiv.org/abs/1708.07747
"""

import gzip
import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from utils.datasets.dataset import Dataset, DatasetError
from utils.datasets.files.download import download
from utils.datasets.files.official import find_contents, unpacked
from utils.datasets.registry import first, register

PADDING = 2  # on each side, from 28x28 to 32x32


@dataclass(frozen=True)
class Source:
    """Where four IDX files come from and go to.

    Arguments:
        folder: below the data directory, as torchvision lays it out.
        mirrors: base addresses of the compressed files.
        md5: of each compressed file, by its name without ".gz".
        sha256: of its uncompressed content.
    """

    folder: str
    mirrors: tuple[str, ...]
    md5: dict[str, str]
    sha256: dict[str, str]


FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}

BYTES = {  # of each file, of either data set
    "train-images-idx3-ubyte": 47_040_016,
    "train-labels-idx1-ubyte": 60_008,
    "t10k-images-idx3-ubyte": 7_840_016,
    "t10k-labels-idx1-ubyte": 10_008,
}

SOURCES = {
    "mnist": Source(
        folder="MNIST/raw",
        mirrors=("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"),
        md5={
            "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
        },
        sha256={
            "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
    ),
    "fashion": Source(
        folder="FashionMNIST/raw",
        mirrors=("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
        md5={
            "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
        },
        sha256={
            "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        },
    ),
}


@register("mnist", "fashion")
def load(name: str, split: str, data_dir: Path, size: int | None) -> Dataset:
    """Images uint8 (N, 1, 32, 32) and labels 0..9, in the order of the official files.

    The files are looked for where torchvision puts them, then below the data directory by what is in them, whatever
    they are called, see `find_contents`, and else downloaded.
    """
    source = SOURCES[name]
    images_file, labels_file = FILES[split]
    contents = _contents(source, FILES[split], data_dir)
    images, labels = _idx(contents[images_file], images_file), _idx(contents[labels_file], labels_file)
    count = first(size, len(images), name, split)
    margin = (PADDING, PADDING)
    padded = np.pad(images[:count, None], ((0, 0), (0, 0), margin, margin))
    return Dataset(
        name=name,
        split=split,
        images=torch.from_numpy(padded),
        labels=torch.from_numpy(labels[:count].astype(np.int64)),
        source="official files",
        sha256=source.sha256[images_file],
    )


def _contents(source: Source, files: Sequence[str], data_dir: Path) -> dict[str, bytes]:
    """The verified, uncompressed bytes of these files, by their names."""
    contents, obstacles = {}, {}
    for file in files:
        try:
            contents[file] = _in_its_place(source, file, data_dir)
        except DatasetError as error:
            obstacles[file] = error
    absent = [file for file in files if contents.get(file) is None]
    elsewhere = find_contents(data_dir, {source.sha256[file]: BYTES[file] for file in absent}) if absent else {}
    for file in absent:
        contents[file] = elsewhere.get(source.sha256[file])
        if contents[file] is None and file in obstacles:
            raise obstacles[file]
        if contents[file] is None:
            _download(source, file, data_dir)
            contents[file] = _in_its_place(source, file, data_dir)
    return contents


def _place(source: Source, file: str, data_dir: Path) -> Path | None:
    """Where a file lies if torchvision has put it there, as it is or as `.gz`; None if it does not."""
    path = data_dir / source.folder / file
    return next((place for place in (path, path.with_name(f"{file}.gz")) if place.is_file()), None)


def _in_its_place(source: Source, file: str, data_dir: Path) -> bytes | None:
    """The verified, uncompressed bytes of a file in its place; None if it is not there.

    Raises:
        DatasetError: it is damaged or another file.
    """
    path = _place(source, file, data_dir)
    if path is None:
        return None
    remedy = f"replace it, or delete it to have {file}.gz downloaded"
    content = path.read_bytes()
    if path.suffix == ".gz":
        try:
            content = unpacked(content)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DatasetError(f"{path} is damaged ({error}); {remedy}") from error
    found, expected = hashlib.sha256(content).hexdigest(), source.sha256[file]
    if found != expected:
        raise DatasetError(
            f"{path} is not the official file: its {len(content)} bytes {_whose(found)}have SHA-256 {found} "
            f"instead of {expected}; {remedy}"
        )
    return content


def _whose(sha256: str) -> str:
    """A clause on the file that has this digest, if it is one that we know."""
    for name, source in SOURCES.items():
        for file, digest in source.sha256.items():
            if digest == sha256:
                return f"are {file} of {name}, they "
    return ""


def _download(source: Source, file: str, data_dir: Path) -> None:
    """Fetch a file to its place. If that fails, the error names all files of the data set that are not there."""
    elsewhere = find_contents(data_dir, {digest: BYTES[name] for name, digest in source.sha256.items()})
    missing = [
        f"{name}.gz"
        for name, digest in source.sha256.items()
        if digest not in elsewhere and not _place(source, name, data_dir)
    ]
    path = data_dir / source.folder / f"{file}.gz"
    download([mirror + path.name for mirror in source.mirrors], path, f"md5:{source.md5[file]}", missing=missing)


def _idx(content: bytes, file: str) -> np.ndarray:
    """The array of an IDX file: bytes 0, 0, 8 (unsigned bytes), rank, each dimension as big-endian int32."""
    if content[:3] != b"\0\0\x08" or len(content) < 4 + 4 * content[3]:
        raise DatasetError(f"{file} is not an IDX file of bytes: it begins with {content[:4].hex(' ')}")
    shape = np.frombuffer(content, dtype=">i4", offset=4, count=content[3])
    values = np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * content[3])
    if values.size != shape.prod():
        raise DatasetError(f"{file} announces {shape.tolist()} bytes and holds {values.size}")
    return values.reshape(shape)
