import hashlib
import io
import tarfile

import numpy as np
import pytest
import torch

from utils.datasets import DatasetError, load_dataset
from utils.datasets.sources import cifar10


def records(seed, count=6):
    generator = np.random.default_rng(seed)
    labels, pixels = generator.integers(0, 10, (count, 1)), generator.integers(0, 256, (count, 3072))
    return np.hstack([labels, pixels]).astype(np.uint8)


@pytest.fixture
def archive(monkeypatch, tmp_path, mirror):
    """An archive of the official layout with six images a file, at a local mirror; gives the content of its files."""
    batches = {file: records(seed) for seed, file in enumerate(cifar10.FILES["train"] + cifar10.FILES["test"])}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        folder = tarfile.TarInfo("cifar-10-batches-bin")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        link = tarfile.TarInfo("elsewhere/test_batch.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        for file in reversed(batches):
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{file}")
            member.size = batches[file].nbytes
            tar.addfile(member, io.BytesIO(batches[file].tobytes()))
    mirror.files = {cifar10.ARCHIVE: buffer.getvalue()}
    monkeypatch.setattr(cifar10, "MIRRORS", (mirror.url(f"good/{cifar10.ARCHIVE}"),))
    monkeypatch.setattr(cifar10, "MD5", hashlib.md5(buffer.getvalue()).hexdigest())
    monkeypatch.setattr(cifar10, "FILE_IMAGES", 6)
    return batches


def test_splits_are_the_official_files_in_order(archive, tmp_path, mirror):
    train, test = (load_dataset("cifar10", split, tmp_path) for split in ("train", "test"))
    assert train.images.shape == (30, 3, 32, 32)
    assert test.images.shape == (6, 3, 32, 32)
    expected = np.concatenate([archive[file] for file in cifar10.FILES["train"]])
    assert train.images.numpy().tobytes() == expected[:, 1:].tobytes()
    assert train.labels.tolist() == expected[:, 0].tolist()
    assert test.images.numpy().tobytes() == archive["test_batch.bin"][:, 1:].tobytes()
    assert train.sha256 == test.sha256 == hashlib.sha256(mirror.files[cifar10.ARCHIVE]).hexdigest()
    assert len(mirror.requests) == 1
    assert [path.name for path in tmp_path.rglob("*.*")] == [cifar10.ARCHIVE]


@pytest.mark.parametrize("size", [1, 6, 7, 30])
def test_size_takes_the_first(archive, tmp_path, size):
    part, whole = load_dataset("cifar10", "train", tmp_path, size), load_dataset("cifar10", "train", tmp_path)
    assert torch.equal(part.images, whole.images[:size])
    assert torch.equal(part.labels, whole.labels[:size])


@pytest.mark.parametrize("damage", [lambda c: c[:-9], lambda c: b"", lambda c: c[:-1] + bytes([c[-1] ^ 1])])
def test_damaged_archive_is_named(archive, tmp_path, mirror, damage):
    path = tmp_path / "cifar10" / cifar10.ARCHIVE
    path.parent.mkdir()
    path.write_bytes(damage(mirror.files[cifar10.ARCHIVE]))
    with pytest.raises(DatasetError, match="is not the official file: it has MD5 .* to have it downloaded"):
        load_dataset("cifar10", "train", tmp_path)
    assert not mirror.requests


def test_missing_archive_says_where_to_put_it(archive, tmp_path, monkeypatch, mirror):
    monkeypatch.setattr(cifar10, "MIRRORS", (mirror.url("good/other.gz"),))
    with pytest.raises(DatasetError, match=rf"put it into {tmp_path / 'cifar10'}"):
        load_dataset("cifar10", "test", tmp_path)


def test_real_archive(data_dir):
    if not (data_dir / "cifar10" / cifar10.ARCHIVE).exists():
        pytest.skip("the official archive is not in VAE_DATA")
    assert load_dataset("cifar10", "test", data_dir).labels.bincount().tolist() == [1000] * 10
    assert load_dataset("cifar10", "train", data_dir).labels.bincount().tolist() == [5000] * 10
