"""`npz:PATH`: which arrays of an archive are taken, as what, and what is said of them."""

import hashlib
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch

from own_data import error_of, images_of, load, notes, sizes, write
from utils.datasets.registry import dataset_defaults


@pytest.mark.parametrize("dtype", [np.uint8, np.bool_, np.float32, np.float64, np.float16])
@pytest.mark.parametrize(
    ("shape", "image_shape"),
    [
        ((20, 32, 32), (1, 32, 32)),
        ((20, 64, 64), (1, 64, 64)),
        ((20, 28, 28), (1, 32, 32)),
        ((20, 32, 32, 3), (3, 32, 32)),
        ((20, 28, 28, 1), (1, 32, 32)),
        ((20, 3, 64, 64), (3, 64, 64)),
        ((20, 1, 64, 64), (1, 64, 64)),
    ],
)
def test_archive_is_read_in_every_layout(tmp_path, shape, image_shape, dtype):
    path, images = tmp_path / "a.npz", images_of(shape, dtype)
    np.savez(path, images=images, labels=np.arange(20, dtype=np.int32))
    train, test = load("npz", path), load("npz", path, "test")
    assert (len(train), len(test)) == (18, 2)
    assert train.image_shape == test.image_shape == image_shape
    assert sorted(train.labels.tolist() + test.labels.tolist()) == list(range(20))
    assert train.images.is_contiguous() and train.labels.dtype == torch.int64
    original = images[test.labels[1]]
    if original.ndim == 3 and original.shape[-1] in (1, 3):
        original = original.transpose(2, 0, 1)
    inner = test.images[1, :, 2:30, 2:30] if shape[1] == 28 else test.images[1]
    scale = 1 if dtype is np.uint8 else 255
    expected = np.rint(original.astype(np.float64) * scale).astype(np.uint8).reshape(inner.shape)
    assert np.array_equal(inner.numpy(), expected)
    assert test.images[1].sum() == inner.sum()
    assert torch.equal(load("npz", path, size=5).images, train.images[:5])
    assert load("npz", path, size=5).sha256 == train.sha256 != test.sha256


def test_archive_with_its_own_test_split(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(
        path, images=images_of((8, 32, 32)), test_images=images_of((3, 32, 32)), test_labels=np.arange(3)
    )
    assert len(load("npz", path)) == 8
    assert load("npz", path).labels is None
    assert sorted(load("npz", path, "test").labels.tolist()) == [0, 1, 2]


GOOD = {"images": images_of((20, 32, 32))}


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"pictures": GOOD["images"]}, "has no array named images; it has pictures"),
        ({}, "has no array named images; it has none at all"),
        ({"images": images_of((20, 7, 7))}, "images has shape (20, 7, 7); expected (N, H, W)"),
        ({"images": images_of((20, 32, 64))}, "images has shape (20, 32, 64)"),
        ({"images": images_of((20, 5, 32, 32))}, "images has shape (20, 5, 32, 32)"),
        ({"images": images_of((20, 1024))}, "images has shape (20, 1024)"),
        ({"images": np.uint8(3)}, "images has shape ()"),
        ({"images": images_of((0, 32, 32))}, "images is empty"),
        ({"images": images_of((1, 32, 32))}, "need at least 2"),
        ({"images": GOOD["images"].astype(complex)}, "images is complex128; expected uint8, bool, or floating point"),
        ({"images": GOOD["images"].astype(np.int64) * 300}, "images is int64 from 0 to 76500; expected uint8, or 0 to"),
        ({"images": GOOD["images"].astype(np.int16) - 9}, "images is int16 from -9 to 246; expected uint8, or 0 to"),
        ({"images": GOOD["images"] * 1.0}, "images has values from 0 to 255; expected 0 to 1"),
        ({"images": np.full((9, 32, 32), np.nan)}, "images has values from nan to nan"),
        ({"images": GOOD["images"] // 128}, "images is uint8 with no value above 1"),
        ({"images": GOOD["images"].astype(object)}, "allow_pickle=False"),
        ({**GOOD, "labels": np.arange(19)}, "labels is int64 of shape (19,); expected an integer for each of 20"),
        ({**GOOD, "labels": np.arange(20) / 2}, "labels is float64 of shape (20,)"),
        ({**GOOD, "test_images": images_of((3, 64, 64))}, "expected images of one shape"),
    ],
)
def test_wrong_arrays_are_told_in_one_line(tmp_path, arrays, reason):
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    assert reason in error_of("npz", path)


def test_digest_of_an_archive_names_the_split(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    np.savez(path, **GOOD)
    before = load("npz", path).sha256
    monkeypatch.setattr("utils.datasets.sources.npz.SPLIT_SEED", 1)
    assert load("npz", path).sha256 != before


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("own", [False, True])
def test_digest_is_that_of_the_file_and_the_order(tmp_path, split, own):
    """Runs are gone on with by it, so what it is may never change."""
    path = tmp_path / "a.npz"
    np.savez(path, **GOOD, **({"test_images": GOOD["images"][:7]} if own else {}))
    order = np.random.RandomState(2020).permutation(7 if own and split == "test" else 20)
    if not own:
        order = order[:18] if split == "train" else order[18:]
    content = hashlib.sha256(path.read_bytes()).digest() + order.astype("<i8").tobytes()
    assert load("npz", path, split).sha256 == hashlib.sha256(content).hexdigest()
    images = GOOD["images"][:7] if own and split == "test" else GOOD["images"]
    assert np.array_equal(load("npz", path, split).images[:, 0], images[order])


def flipped(content):
    return content[:9000] + bytes(50) + content[9050:]


@pytest.mark.parametrize(
    "damage",
    [lambda c: b"", lambda c: b"\x80\x04K\x01.", lambda c: c[: len(c) // 2], flipped],
    ids=["empty", "pickle", "truncated", "flipped"],
)
def test_damaged_archive_is_told_in_one_line(tmp_path, damage):
    path = tmp_path / "a.npz"
    np.savez(path, **GOOD)
    path.write_bytes(damage(path.read_bytes()))
    assert str(path) in error_of("npz", path)


def test_hostile_members_are_told_in_one_line(tmp_path):
    path = tmp_path / "a.npz"
    header = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little")
    shape = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000, 64, 64), }"
    unclosed = b"{'descr': '|u1', 'fortran_order': False, 'shape': (20, 32, 32"
    for content in (header + shape.ljust(117) + b"\n", header + unclosed.ljust(117) + b"\n", b"no array at all"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("images.npy", content)
        assert "cannot be read" in error_of("npz", path)


# Names that people give to arrays


IMAGES, TESTS = images_of((12, 32, 32)), images_of((4, 32, 32))
NUMBERS = np.arange(12) % 3


@pytest.mark.parametrize(
    ("images", "labels", "tests", "test_labels"),
    [
        ("images", "labels", "test_images", "test_labels"),
        ("train_images", "train_labels", "test_images", "test_labels"),
        ("train_images", "train_labels", "val_images", "val_labels"),
        ("x_train", "y_train", "x_test", "y_test"),
        ("X_train", "Y_train", "X_val", "Y_val"),
        ("x", "y", "x_test", "y_test"),
        ("data", "target", "test_data", "test_target"),
        ("imgs", "targets", "imgs_valid", "targets_valid"),
        ("train.image", "train.label", "testing.image", "testing.label"),
    ],
)
def test_arrays_are_known_by_the_usual_names(tmp_path, images, labels, tests, test_labels):
    plain = write(tmp_path / "plain.npz", images=IMAGES, labels=NUMBERS, test_images=TESTS, test_labels=np.arange(4))
    path = write(
        tmp_path / "a.npz", **{images: IMAGES, labels: NUMBERS[:, None], tests: TESTS, test_labels: np.arange(4)}
    )
    for split in ("train", "test"):
        expected, found = load("npz", plain, split), load("npz", path, split)
        assert torch.equal(found.images, expected.images) and torch.equal(found.labels, expected.labels)
    assert f"12 images to train on and 4 to test on, from {images} and {tests}; " in notes("npz", path)
    assert "left out" not in notes("npz", path)


def test_arrays_without_names_are_images_and_labels(tmp_path):
    for arrays, labelled in (((IMAGES,), False), ((IMAGES, NUMBERS), True)):
        np.savez(tmp_path / "a.npz", *arrays)
        assert sizes("npz", tmp_path / "a.npz") == (10, 2)
        assert (load("npz", tmp_path / "a.npz").labels is not None) == labelled
    np.savez(tmp_path / "a.npz", IMAGES, TESTS)
    assert "arr_1 is uint8 of shape (4, 32, 32); expected an integer" in error_of("npz", tmp_path / "a.npz")


def test_validation_beside_test_is_left_out_and_so_are_other_arrays(tmp_path):
    path = write(
        tmp_path / "a.npz",
        train_images=IMAGES,
        train_labels=NUMBERS,
        val_images=TESTS,
        val_labels=np.zeros(9),
        test_images=TESTS,
        ids=np.array([{}]),
    )
    assert sizes("npz", path) == (12, 4)
    assert "; left out: other arrays 1 (ids), of neither split 2 (val_images, val_labels)" in notes("npz", path)
    assert load("npz", path, "test").labels is None


def test_our_own_names_are_meant_where_others_could_be_too(tmp_path):
    path = write(tmp_path / "a.npz", images=IMAGES, x=TESTS, train_images=TESTS)
    assert sizes("npz", path) == (10, 2)
    assert "left out: other arrays 2 (x, train_images)" in notes("npz", path)


def test_names_that_leave_a_doubt_are_refused_with_the_line_that_converts(tmp_path):
    path = write(tmp_path / "a.npz", x=IMAGES, train_images=IMAGES)
    assert error_of("npz", path).endswith("has x and train_images, which mean the same; leave one of them out")
    path = write(tmp_path / "a.npz", ids=NUMBERS, pictures=IMAGES)
    error = error_of("npz", path)
    assert "has no array named images; it has ids, pictures; if pictures are the images " in error
    line = 'np.savez("new.npz", images=np.load("a.npz")["pictures"])'
    assert line in error


@pytest.mark.slow
@pytest.mark.parametrize(
    "arrays",
    [
        {"pictures": IMAGES},
        {"images": IMAGES.astype(np.float32)},
        {"images": IMAGES / 127.5 - 1},
        {"images": np.where(IMAGES == 7, np.nan, IMAGES / 255)},
        {"images": IMAGES // 128},
        {"images": (IMAGES // 128).astype(np.int64)},
        {"images": IMAGES.reshape(12, -1)},
        {"images": (IMAGES / 255).reshape(12, -1)},
        {"x_train": images_of((12, 64, 64, 3)).reshape(12, -1)},
    ],
)
def test_the_line_in_an_error_makes_an_archive_that_is_taken(tmp_path, monkeypatch, arrays):
    monkeypatch.chdir(tmp_path)
    error = error_of("npz", write(tmp_path / "a.npz", **arrays))
    line = error[error.index("np.savez(") :]
    line = line[: line.rindex(")") + 1].partition(") makes ")[0] + (")" if ") makes " in line else "")
    line = line.partition("; as vectors")[0]
    subprocess.run([sys.executable, "-c", f"import numpy as np; {line}"], check=True)
    assert sizes("npz", tmp_path / "new.npz") == (10, 2)
    assert "warning" not in notes("npz", tmp_path / "new.npz")


def test_one_array_of_npy_is_refused_with_the_line_that_converts(tmp_path):
    np.save(tmp_path / "a.npy", IMAGES)
    error = error_of("npz", tmp_path / "a.npy")
    assert error.endswith('a.npy is a single array; np.savez("new.npz", images=np.load("a.npy")) writes one')


# Values


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.int64, np.uint64, ">i4"])
@pytest.mark.parametrize(("highest", "white"), [(255, 255), (200, 255), (1023, 1023), (4000, 4095), (65_535, 65_535)])
def test_integers_are_scaled_by_the_bits_they_use(tmp_path, dtype, highest, white):
    if highest > np.iinfo(dtype).max:
        pytest.skip("the type does not hold it")
    values = np.random.default_rng(0).integers(0, highest + 1, (12, 32, 32))
    values[0, 0, 0] = highest
    path = write(tmp_path / "a.npz", images=values[2:].astype(dtype), test_images=values[:2].astype(dtype))
    images = np.concatenate([load("npz", path, split).images for split in ("train", "test")])
    assert sorted(images.reshape(12, -1).tolist()) == sorted((values * 255 // white).reshape(12, -1).tolist())
    assert (f"integers of {white.bit_length()} bits: {white:,} is white" in notes("npz", path)) == (white > 255)


@pytest.mark.parametrize("highest", [255, 220, 90])
def test_values_divided_by_255_twice_are_warned_of(tmp_path, highest):
    images = np.minimum(IMAGES, highest) / 255 / 255
    path = write(tmp_path / "a.npz", images=images.astype(np.float32))
    text = notes("npz", path)
    assert "of 1, as if divided by 255 twice: multiply them by 255" in text and text.count("warning") == 1
    write(path, images=images * 255)
    assert "twice" not in notes("npz", path)


@pytest.mark.parametrize("scale", [0.05, 0.2])
def test_dark_images_are_warned_of(tmp_path, scale):
    path = write(tmp_path / "a.npz", images=IMAGES / 255 * scale)
    text = notes("npz", path)
    factor = 255 / np.rint(255 * scale)
    assert "warning: half of the train images or more are nearly black" in text
    assert f"multiply the array by {factor:.3g}" in text


# What is no archive


def test_what_is_no_file_is_never_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "zero.npz").symlink_to("/dev/zero")
    for name in ("pipe.npz", "zero.npz", "."):
        assert "is no regular file; expected an npz archive" in error_of("npz", tmp_path / name)
        assert dataset_defaults(f"npz:{tmp_path / name}") == {}
