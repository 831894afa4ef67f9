import hashlib
import zipfile

import numpy as np
import pytest
import torch

from utils.datasets import DatasetError, load_dataset
from utils.datasets.sources import dsprites
from utils.datasets.sources.dsprites import FILE, IMAGES, classes_of, split_order
from utils.datasets.sources.dsprites_renderer import render


def test_indices_run_through_the_factors_with_pos_y_fastest():
    assert IMAGES == 737_280
    assert classes_of(np.array([0, 1, 32, 1024, 40_960, 245_760, IMAGES - 1])).tolist() == [
        [0, 0, 0, 0, 0],
        [0, 0, 0, 0, 1],
        [0, 0, 0, 1, 0],
        [0, 0, 1, 0, 0],
        [0, 1, 0, 0, 0],
        [1, 0, 0, 0, 0],
        [2, 5, 39, 31, 31],
    ]


def test_splits_share_nothing_and_cover_everything():
    train, test = split_order("train"), split_order("test")
    assert (len(train), len(test)) == (663_552, 73_728)
    assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(IMAGES))


def test_the_first_and_the_last_orientation_are_in_the_same_split():
    for split in ("train", "test"):
        classes = classes_of(split_order(split))
        first, last = (classes[classes[:, 2] == k][:, [0, 1, 3, 4]] for k in (0, 39))
        assert len(first) > 1000
        assert np.array_equal(first, last), "and in the same order, each pair together"


def test_split_is_the_same_for_ever():
    first = split_order("train")[:1000].astype("<i8")
    assert hashlib.sha256(first.tobytes()).hexdigest() == (
        "6cb1904e034967e802e6affa2c4ae8b727d2d41859801d1f653ac61d06307ae1"
    )


def test_no_seed_changes_the_split(tmp_path):
    np.random.seed(1)
    torch.manual_seed(1)
    one = load_dataset("dsprites", "train", tmp_path, size=50)
    np.random.seed(2)
    torch.manual_seed(2)
    other = load_dataset("dsprites", "train", tmp_path, size=50)
    assert torch.equal(one.factors, other.factors)


def test_whole_test_split_is_rendered_from_its_factors(tmp_path):
    dataset = load_dataset("dsprites", "test", tmp_path)
    assert len(dataset) == 73_728
    assert dataset.images.shape == (73_728, 1, 64, 64)
    assert dataset.image_shape == (1, 64, 64)
    assert dataset.factors.dtype == torch.int64
    assert dataset.labels is None
    assert dataset.source == "rendered from its factors"
    chosen = torch.tensor([73_727, 0, 500, 500])
    expected = render(dataset.factors[chosen].numpy())[:, None] * np.uint8(255)
    assert np.array_equal(dataset.images[chosen].numpy(), expected)
    assert not list(tmp_path.iterdir())


def test_size_takes_the_first_of_the_split(tmp_path):
    few, more = (load_dataset("dsprites", "train", tmp_path, size) for size in (20, 40))
    assert len(few) == len(few.factors) == 20
    assert torch.equal(few.images[:], more.images[:20])
    assert torch.equal(few.factors, more.factors[:20])
    assert np.array_equal(few.factors.numpy(), classes_of(split_order("train")[:20]))


def test_digest_names_the_rendered_images_whatever_the_size(tmp_path):
    digests = {load_dataset("dsprites", split, tmp_path, size).sha256 for split in ("train", "test") for size in (1, 9)}
    assert digests == {"676e84cc00bbcc679a2e6c2cf15c7eea255f2d1a3666396126ac32b061e68b3d"}


@pytest.fixture
def small(monkeypatch):
    """dSprites cut down to 480 images, so that a whole official file can be made; gives its arrays."""
    monkeypatch.setattr(dsprites, "FACTOR_SIZES", (3, 2, 5, 4, 4))
    monkeypatch.setattr(dsprites, "IMAGES", 480)
    monkeypatch.setattr(dsprites, "TRAIN_IMAGES", 432)
    monkeypatch.setattr(dsprites, "CHUNK", 100)
    classes = classes_of(np.arange(480))
    colour = np.zeros((480, 1), dtype=int)
    metadata = np.array({"pickled": "as in the official file, and never unpickled"}, dtype=object)
    forget()
    yield {"metadata": metadata, "imgs": render(classes), "latents_classes": np.hstack([colour, classes])}
    forget()


def forget():
    """Forget what is kept of all 737,280 images, or of fewer."""
    split_order.cache_clear()
    dsprites._render_digest.cache_clear()


@pytest.mark.parametrize("folder", ["dsprites", "."])
@pytest.mark.parametrize("size", [None, 7])
@pytest.mark.parametrize("split", ["train", "test"])
def test_official_file_is_preferred_and_gives_the_same_images(small, tmp_path, folder, split, size):
    rendered = load_dataset("dsprites", split, tmp_path, size)
    path = tmp_path / folder / FILE
    path.parent.mkdir(exist_ok=True)
    np.savez_compressed(path, **small)
    official = load_dataset("dsprites", split, tmp_path, size)
    assert official.source == "official file"
    file, order = hashlib.sha256(path.read_bytes()), split_order(split).astype("<i8")
    assert official.sha256 == hashlib.sha256(file.digest() + order.tobytes()).hexdigest()
    assert torch.equal(official.images[:], rendered.images[:])
    assert torch.equal(official.factors, rendered.factors)


def damaged_by(change):
    def write(path, arrays):
        change(arrays)
        np.savez_compressed(path, **arrays)

    return write


def truncated(path, arrays):
    np.savez_compressed(path, **arrays)
    path.write_bytes(path.read_bytes()[:-1000])


def with_flipped_bytes(path, arrays):
    np.savez(path, **arrays)
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("imgs.npy").header_offset
    content = bytearray(path.read_bytes())
    content[start + 5000 : start + 5100] = bytes(100 * [7])
    path.write_bytes(content)


def with_header(offset, value):
    """Writes an archive whose members have this value in their headers, at this place in the central one."""

    def write(path, arrays):
        np.savez(path, **arrays)
        with zipfile.ZipFile(path) as archive:
            members = [member.header_offset for member in archive.infolist()]
            central = archive.start_dir
        content = bytearray(path.read_bytes())
        while (central := content.find(b"PK\1\2", central)) >= 0:
            content[central + offset] = value
            central += 4
        for member in members:
            content[member + offset - 2] = value
        path.write_bytes(content)

    return write


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (lambda path, arrays: path.write_bytes(b"not a zip file"), "not a zip file"),
        (lambda path, arrays: path.write_bytes(b""), "not a zip file"),
        (truncated, "zip"),
        (with_flipped_bytes, "CRC"),
        (with_header(8, 1), "encrypted"),
        (with_header(10, 99), "compression method is not supported"),
        (damaged_by(lambda arrays: arrays.pop("imgs")), "imgs.npy"),
        (
            damaged_by(lambda arrays: arrays.update(imgs=arrays["imgs"][:-1])),
            "of shape (479, 64, 64), expected",
        ),
        (damaged_by(lambda arrays: arrays.update(imgs=arrays["imgs"] / 2)), "float64"),
        (damaged_by(lambda arrays: arrays["latents_classes"].sort(axis=0)), "another order"),
        (damaged_by(lambda arrays: arrays.update(latents_classes=arrays["metadata"])), "expected integers"),
    ],
    ids=[
        "garbage",
        "empty",
        "truncated",
        "flipped",
        "encrypted",
        "compression",
        "no images",
        "too few",
        "floats",
        "order",
        "pickle",
    ],
)
def test_damaged_official_file_is_told_in_one_line(small, tmp_path, write, reason):
    path = tmp_path / FILE
    write(path, small)
    with pytest.raises(DatasetError) as caught:
        load_dataset("dsprites", "train", tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{path} is not the official file or is damaged")
    assert reason in message
    assert message.endswith("replace it, or delete it to have the images rendered")
    assert "\n" not in message
