import gzip
import hashlib
import os
import shutil
import struct
from dataclasses import replace

import numpy as np
import pytest
import torch

from utils.datasets import DatasetError, load_dataset
from utils.datasets.sources import mnist

NAMES = ("mnist", "fashion")
SIZES = {"train": 60_000, "test": 10_000}
PIXEL_SUMS = {
    ("mnist", "train"): 1_567_298_545,
    ("mnist", "test"): 264_923_200,
    ("fashion", "train"): 3_431_114_169,
    ("fashion", "test"): 573_469_082,
}
FIRST_LABELS = {
    ("mnist", "train"): [5, 0, 4, 1, 9],
    ("mnist", "test"): [7, 2, 1, 0, 4],
    ("fashion", "train"): [9, 0, 0, 3, 0],
    ("fashion", "test"): [9, 2, 1, 1, 6],
}
LABELS, IMAGES = "t10k-labels-idx1-ubyte", "t10k-images-idx3-ubyte"


@pytest.mark.slow
@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("name", NAMES)
def test_official_files_are_read_whole_and_in_order(data_dir, name, split):
    dataset = load_dataset(name, split, data_dir)
    assert (dataset.name, dataset.split, dataset.source) == (name, split, "official files")
    assert dataset.images.dtype == torch.uint8
    assert dataset.images.shape == (SIZES[split], 1, 32, 32)
    assert dataset.image_shape == (1, 32, 32)
    assert dataset.images.sum(dtype=torch.int64) == PIXEL_SUMS[name, split]
    assert dataset.labels.dtype == torch.int64
    assert dataset.labels[:5].tolist() == FIRST_LABELS[name, split]
    assert len(dataset.labels.bincount()) == 10
    assert dataset.factors is None


@pytest.mark.parametrize("name", NAMES)
def test_padding_is_zero_around_the_image(data_dir, name):
    images = load_dataset(name, "test", data_dir).images
    inner = images[:, :, 2:30, 2:30]
    assert inner.sum(dtype=torch.int64) == images.sum(dtype=torch.int64) == PIXEL_SUMS[name, "test"]
    raw = (data_dir / mnist.SOURCES[name].folder / IMAGES).read_bytes()
    assert inner[3].numpy().tobytes() == raw[16 + 3 * 784 : 16 + 4 * 784]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_splits_share_no_image(data_dir, name):
    train, test = (
        {hashlib.md5(image.tobytes()).digest() for image in load_dataset(name, split, data_dir).images.numpy()}
        for split in ("train", "test")
    )
    assert not train & test


def test_digest_is_that_of_the_image_file(data_dir):
    for name in NAMES:
        content = (data_dir / mnist.SOURCES[name].folder / IMAGES).read_bytes()
        assert load_dataset(name, "test", data_dir, size=1).sha256 == hashlib.sha256(content).hexdigest()


def test_size_takes_the_first_of_the_split(data_dir):
    whole = load_dataset("mnist", "test", data_dir)
    part = load_dataset("mnist", "test", data_dir, size=100)
    assert len(part) == len(part.labels) == 100
    assert torch.equal(part.images, whole.images[:100])
    assert torch.equal(part.labels, whole.labels[:100])
    assert part.images.untyped_storage().nbytes() == 100 * 32 * 32


@pytest.mark.parametrize("size", [0, -1, 10_001])
def test_size_beyond_the_split_is_refused(data_dir, size):
    with pytest.raises(DatasetError, match=f"mnist has 10000 test images; a size of {size} is not between 1 and 10000"):
        load_dataset("mnist", "test", data_dir, size)


def idx(values: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()


@pytest.fixture
def tiny(monkeypatch, tmp_path, mirror):
    """MNIST with a test split of five images, at a local mirror; gives the content of its files by name."""
    generator = np.random.default_rng(0)
    files = {
        IMAGES: idx(generator.integers(0, 256, (5, 28, 28), dtype=np.uint8)),
        LABELS: idx(np.arange(5, dtype=np.uint8)),
    }
    mirror.files = {f"{file}.gz": gzip.compress(content) for file, content in files.items()}
    source = mnist.Source(
        folder="MNIST/raw",
        mirrors=(mirror.url("good/"),),
        md5={file: hashlib.md5(mirror.files[f"{file}.gz"]).hexdigest() for file in files},
        sha256={file: hashlib.sha256(content).hexdigest() for file, content in files.items()},
    )
    monkeypatch.setitem(mnist.SOURCES, "mnist", source)
    return files


def put(folder, files):
    folder = folder / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def error_of_loading(folder) -> str:
    with pytest.raises(DatasetError) as caught:
        load_dataset("mnist", "test", folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_missing_files_are_downloaded_once_and_kept(tiny, tmp_path, mirror):
    downloaded = load_dataset("mnist", "test", tmp_path)
    assert downloaded.images[:, 0, 2:30, 2:30].numpy().tobytes() == tiny[IMAGES][16:]
    assert downloaded.labels.tolist() == [0, 1, 2, 3, 4]
    assert {path.name for path in tmp_path.rglob("*.*")} == {f"{IMAGES}.gz", f"{LABELS}.gz"}
    again = load_dataset("mnist", "test", tmp_path)
    assert torch.equal(again.images, downloaded.images)
    assert mirror.requests == [f"/good/{IMAGES}.gz", f"/good/{LABELS}.gz"]


def test_files_that_are_there_need_no_network(tiny, tmp_path, mirror):
    put(tmp_path / "raw", tiny)
    put(tmp_path / "compressed", mirror.files)
    raw, compressed = (load_dataset("mnist", "test", tmp_path / folder) for folder in ("raw", "compressed"))
    assert torch.equal(raw.images, compressed.images)
    assert torch.equal(raw.labels, compressed.labels)
    assert raw.sha256 == compressed.sha256
    assert not mirror.requests


@pytest.mark.parametrize("file", [IMAGES, LABELS])
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: b"",
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
    ],
    ids=["truncated", "empty", "one bit"],
)
def test_damaged_file_is_named(tiny, tmp_path, file, damage):
    folder = put(tmp_path, tiny | {file: damage(tiny[file])})
    message = error_of_loading(tmp_path)
    assert message.startswith(f"{folder / file} is not the official file")
    assert message.endswith(f"replace it, or delete it to have {file}.gz downloaded")


@pytest.mark.parametrize("damage", [lambda content: content[:-9], lambda content: b"", lambda content: b"<html>"])
def test_damaged_compressed_file_is_named(tiny, tmp_path, mirror, damage):
    file = f"{IMAGES}.gz"
    folder = put(tmp_path, mirror.files | {file: damage(mirror.files[file])})
    message = error_of_loading(tmp_path)
    assert message.startswith(f"{folder / file} is ")
    assert message.endswith(f"replace it, or delete it to have {file} downloaded")


def test_damaged_download_leaves_nothing_behind(tiny, tmp_path, mirror):
    mirror.files[f"{LABELS}.gz"] = gzip.compress(b"something else")
    message = error_of_loading(tmp_path)
    assert message.startswith(f"{LABELS}.gz is missing and cannot be downloaded")
    assert str(tmp_path / "MNIST" / "raw") in message
    assert [path.name for path in tmp_path.rglob("*.*")] == [f"{IMAGES}.gz"]


def test_file_that_cannot_be_read_is_told_in_one_line(tiny, tmp_path, monkeypatch):
    put(tmp_path, tiny)

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    assert error_of_loading(tmp_path).startswith("mnist cannot be read: [Errno 13] Permission denied")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x89PNG and so on", "it begins with 89 50 4e 47"),
        (b"\0\0\x0d\x01" + bytes(8), "it begins with 00 00 0d 01"),
        (b"\0\0\x08\x03\0\0", "it begins with 00 00 08 03"),
        (idx(np.zeros((2, 3), np.uint8))[:-1], r"announces \[2, 3\] bytes and holds 5"),
    ],
)
def test_header_that_is_not_of_an_idx_file_is_refused(content, reason):
    with pytest.raises(DatasetError, match=reason):
        mnist._idx(content, "a-file")


# Found by what is in them


@pytest.fixture(scope="module")
def official(data_dir):
    """The content of the files of both test splits, by data set and name."""
    return {
        name: {file: (data_dir / mnist.SOURCES[name].folder / file).read_bytes() for file in (IMAGES, LABELS)}
        for name in NAMES
    }


def place(folder, files):
    """Write files, by their paths below a folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


LAYOUTS = {
    "flat": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
    "as some unpackers name them": ("MNIST/raw/t10k-images.idx3-ubyte", "MNIST/raw/t10k-labels.idx1-ubyte"),
    "in folders of their names": (
        "archive/t10k-images-idx3-ubyte/t10k-images-idx3-ubyte",
        "archive/t10k-labels-idx1-ubyte/t10k-labels-idx1-ubyte",
    ),
    "as if they were packed": ("MNIST/raw/t10k-images-idx3-ubyte.dat", "t10k-labels-idx1-ubyte.gz"),
    "under any name": ("a/b/c/x.bin", "y"),
}


@pytest.mark.slow
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", NAMES)
def test_files_are_found_by_their_content(official, data_dir, tmp_path, monkeypatch, name, layout, packed):
    monkeypatch.setattr(mnist, "download", None)
    contents = official[name].values()
    place(tmp_path, dict(zip(LAYOUTS[layout], map(gzip_quickly, contents) if packed else contents)))
    found, expected = load_dataset(name, "test", tmp_path), load_dataset(name, "test", data_dir)
    assert torch.equal(found.images, expected.images) and torch.equal(found.labels, expected.labels)
    assert (found.sha256, found.source) == (expected.sha256, expected.source)


def gzip_quickly(content):
    return gzip.compress(content, compresslevel=1)


@pytest.mark.parametrize("labels", [np.uint8, np.int64])
@pytest.mark.parametrize("name", NAMES)
def test_arrays_as_keras_keeps_them_are_found(official, data_dir, tmp_path, monkeypatch, name, labels):
    monkeypatch.setattr(mnist, "download", None)
    images = np.frombuffer(official[name][IMAGES], np.uint8, offset=16).reshape(-1, 28, 28)
    numbers = np.frombuffer(official[name][LABELS], np.uint8, offset=8)
    train = {"x_train": images[:50], "y_train": numbers[:50]}
    np.savez(tmp_path / "mnist.npz", **train, x_test=images, y_test=numbers.astype(labels))
    expected = load_dataset(name, "test", data_dir)
    assert torch.equal(load_dataset(name, "test", tmp_path).images, expected.images)
    assert torch.equal(load_dataset(name, "test", tmp_path).labels, expected.labels)


def test_each_of_the_two_is_found_among_the_files_of_both(official, data_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "download", None)
    for name in NAMES:
        place(tmp_path / f"a folder of {name}", official[name])
    for name in NAMES:
        assert torch.equal(load_dataset(name, "test", tmp_path).images, load_dataset(name, "test", data_dir).images)


def test_a_damaged_file_in_its_place_does_not_hide_a_good_one(official, tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "download", None)
    folder = mnist.SOURCES["mnist"].folder
    place(tmp_path, {f"{folder}/{IMAGES}": b"cut", f"{folder}/{LABELS}": official["mnist"][LABELS]})
    assert error_of_loading(tmp_path).startswith(f"{tmp_path / folder / IMAGES} is not the official file: its 3 bytes")
    place(tmp_path, {"backup": official["mnist"][IMAGES]})
    assert len(load_dataset("mnist", "test", tmp_path)) == 10_000


def test_a_file_of_the_other_set_in_its_place_is_named(official, tmp_path, monkeypatch):
    place(tmp_path / "MNIST" / "raw", official["fashion"])
    assert f" bytes are {IMAGES} of fashion, they have SHA-256 " in error_of_loading(tmp_path)


def test_odd_files_beside_them_are_passed_over(official, tmp_path, monkeypatch):
    """Of the right size and another content, damaged archives, pipes, and folders that go round in circles."""
    monkeypatch.setattr(mnist, "download", None)
    images, labels = official["mnist"][IMAGES], official["mnist"][LABELS]
    packed = gzip_quickly(images)
    cut = packed[:99] + packed[-4:]
    place(tmp_path, {"1": images[:-1] + b"x", "2": cut, "3": b"PK\3\4" + bytes(99), "4": b"", "5": b"\x1f\x8b"})
    os.mkfifo(tmp_path / "6")
    (tmp_path / "7").symlink_to(tmp_path)
    np.savez(tmp_path / "8.npz", x_test=np.zeros((10_000, 28, 28), np.int64) - 1, y_test=np.zeros(10_000, complex))
    shutil.copy(tmp_path / "8.npz", tmp_path / "9.npz")
    os.truncate(tmp_path / "9.npz", 40_000_000)
    place(tmp_path, {"z/images": images, "z/labels": labels})
    assert len(load_dataset("mnist", "test", tmp_path)) == 10_000


def test_a_failed_download_names_all_that_is_missing_and_what_needs_no_files(official, tmp_path, mirror, monkeypatch):
    source = mnist.SOURCES["mnist"]
    monkeypatch.setitem(mnist.SOURCES, "mnist", replace(source, mirrors=(mirror.url("good/"),)))
    place(tmp_path, {"somewhere/labels": official["mnist"][LABELS]})
    assert error_of_loading(tmp_path) == (
        "train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz and t10k-images-idx3-ubyte.gz are missing and cannot "
        f"be downloaded (127.0.0.1:{mirror.server_port}: Not Found); fetch all of them from {mirror.url('good/')} on a "
        f"connected machine and put them into {tmp_path / 'MNIST' / 'raw'}; digits, dsprites and mixture2d need no "
        "files"
    )
    place(tmp_path, {"MNIST/raw/t10k-images-idx3-ubyte": official["mnist"][IMAGES]})
    assert len(load_dataset("mnist", "test", tmp_path)) == 10_000
