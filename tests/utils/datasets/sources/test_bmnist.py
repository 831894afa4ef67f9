import hashlib

import numpy as np
import pytest
import torch

from utils.datasets import DatasetError, load_dataset
from utils.datasets.sources import bmnist


def text(images):
    return "".join(" ".join(map(str, image)) + "\n" for image in images.tolist()).encode()


@pytest.fixture
def files(monkeypatch, mirror):
    """Small files of the original form at a local mirror; gives their images by part."""
    counts = {"train": 5, "valid": 3, "test": 4}
    images = {part: np.random.default_rng(seed).integers(0, 2, (counts[part], 784)) for seed, part in enumerate(counts)}
    mirror.files = {f"binarized_mnist_{part}.amat": text(images[part]) for part in counts}
    monkeypatch.setattr(bmnist, "MIRROR", mirror.url("good/"))
    monkeypatch.setattr(bmnist, "FILES", {"train": {"train": 5, "valid": 3}, "test": {"test": 4}})
    return images


def test_splits_are_the_files_in_order(files, tmp_path, mirror):
    train, test = (load_dataset("bmnist", split, tmp_path) for split in ("train", "test"))
    assert train.images.shape == (8, 1, 32, 32)
    assert test.images.shape == (4, 1, 32, 32)
    for dataset, parts in ((train, ("train", "valid")), (test, ("test",))):
        expected = np.concatenate([files[part] for part in parts]) * 255
        assert np.array_equal(dataset.images[:][:, 0, 2:30, 2:30].reshape(-1, 784).numpy(), expected)
        assert dataset.images[:].sum() == expected.sum(), "the padding is black"
        content = b"".join(mirror.files[f"binarized_mnist_{part}.amat"] for part in parts)
        assert dataset.sha256 == hashlib.sha256(content).hexdigest()
    assert len(mirror.requests) == 3
    assert torch.equal(load_dataset("bmnist", "train", tmp_path, 6).images[:], train.images[:6])
    assert load_dataset("bmnist", "train", tmp_path, 6).sha256 == train.sha256
    assert len(mirror.requests) == 3


def test_sizes_are_the_published_ones():
    assert bmnist.FILES == {"train": {"train": 50_000, "valid": 10_000}, "test": {"test": 10_000}}
    assert bmnist.LINE_BYTES * 50_000 == 78_400_000


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda c: c[:-100], "it has 6,172 bytes instead of 6,272"),
        (lambda c: b"", "it has 0 bytes"),
        (lambda c: b"<html>", "it has 6 bytes"),
        (lambda c: c[:1572] + b"2" + c[1573:], "character 5 of line 2 is '2'"),
        (lambda c: c[:1567] + b" " + c[1568:], "character 1568 of line 1 is ' '"),
        (lambda c: c[:1] + b"\n" + c[2:], r"character 2 of line 1 is '\n'"),
        (lambda c: bytes(len(c)), r"character 1 of line 1 is '\x00'"),
    ],
)
def test_damaged_file_is_named(files, tmp_path, mirror, damage, reason):
    path = tmp_path / "bmnist" / "binarized_mnist_test.amat"
    path.parent.mkdir()
    path.write_bytes(damage(mirror.files[path.name]))
    with pytest.raises(DatasetError) as caught:
        load_dataset("bmnist", "test", tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{path} is not the official file: {reason}")
    assert message.endswith("replace it, or delete it to have it downloaded")


def test_page_instead_of_a_file_does_not_become_the_file(files, tmp_path, mirror):
    for page in (b"<html>not here</html>", b"<html>".ljust(4 * bmnist.LINE_BYTES)):
        mirror.files = {"binarized_mnist_test.amat": page}
        with pytest.raises(DatasetError, match=r"are missing and cannot be downloaded \(127.0.0.1:\d+: (it|char)"):
            load_dataset("bmnist", "test", tmp_path)
        assert not list(tmp_path.iterdir())


def test_broken_download_leaves_nothing_behind(files, tmp_path, monkeypatch, mirror):
    monkeypatch.setattr(bmnist, "MIRROR", mirror.url("short/"))
    with pytest.raises(DatasetError, match=rf"broke off after .* put them into {tmp_path / 'bmnist'}"):
        load_dataset("bmnist", "test", tmp_path)
    assert not list(tmp_path.rglob("*.*"))
