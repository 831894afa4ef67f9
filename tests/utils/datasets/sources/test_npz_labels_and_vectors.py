"""`npz:PATH`: labels of whatever kind, and vectors in the place of images."""

import numpy as np
import pytest
import torch

from own_data import error_of, images_of, load, notes, sizes, write
from utils.datasets.registry import dataset_defaults

IMAGES, TESTS = images_of((12, 32, 32)), images_of((4, 32, 32))


# Labels


def labels_of(path):
    """The labels of both splits, and the sum of each image, by which it is known."""
    parts = [load("npz", path, split) for split in ("train", "test")]
    return {int(image.sum()): int(label) for part in parts for image, label in zip(part.images, part.labels)}


@pytest.mark.parametrize(
    ("labels", "numbers"),
    [
        (np.array([10**9] * 6 + [3] * 6), [1] * 6 + [0] * 6),
        (np.arange(12) % 4 - 1, [-1, 0, 1, 2] * 3),
        (np.array([2**63 + 5, 2**64 - 1, 7] * 4, dtype=np.uint64), [1, 2, 0] * 4),
        (np.array(["dog", "cat", "Ärger"] * 4), [1, 0, 2] * 4),
        (np.array([b"dog", b"cat"] * 6), [1, 0] * 6),
        (np.array([True, False] * 6), [1, 0] * 6),
        (np.eye(3)[np.arange(12) % 3], [0, 1, 2] * 4),
        (np.arange(12)[:, None] % 2 + 1, [0, 1] * 6),
        (np.full(12, -1), [-1] * 12),
    ],
)
def test_labels_are_numbered_by_their_distinct_values(tmp_path, labels, numbers):
    path = write(tmp_path / "a.npz", images=IMAGES, labels=labels)
    assert labels_of(path) == {int(image.sum(dtype=int)): number for image, number in zip(IMAGES, numbers)}


def test_labels_have_the_same_numbers_in_both_splits(tmp_path):
    path = write(
        tmp_path / "a.npz",
        images=IMAGES,
        labels=np.array([5, 9] * 6),
        test_images=TESTS,
        test_labels=np.array([9, 7, 2**63, 9], dtype=np.uint64),
    )
    assert set(load("npz", path).labels.tolist()) == {0, 2}
    assert sorted(load("npz", path, "test").labels.tolist()) == [1, 2, 2, 3]
    assert "4 classes (5, 7, 9, 9223372036854775808)" in notes("npz", path)


def test_unlabelled_examples_and_several_labels_of_one_are_said(tmp_path):
    path = write(tmp_path / "a.npz", images=IMAGES, labels=np.arange(12) % 4 - 1)
    assert "3 classes (0, 1, 2), 3 without a label" in notes("npz", path)
    write(path, images=IMAGES, labels=np.ones((12, 3), dtype=int))
    assert load("npz", path).labels is None
    assert "no labels; left out: several labels of an image 1 (labels)" in notes("npz", path)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (np.arange(12) - 5, "labels have the value -5; number classes from 0: -1 is for no label"),
        (np.array([-1, 1] * 6), "labels are -1 and 1; -1 is for no label: as two classes, write (labels + 1) // 2"),
        (
            np.arange(12.0),
            "expected an integer for each of 12 examples, or a text; of whole numbers, labels.ast",
        ),
        (np.arange(13), "labels is int64 of shape (13,); expected an integer for each of 12"),
        (np.array(3), "labels is int64 of shape (); expected"),
        (np.array(["2020-01-01"] * 12, dtype="datetime64[D]"), "labels is datetime64[D] of shape (12,)"),
        (np.ones((12, 1, 1), int), "labels is int64 of shape (12, 1, 1)"),
    ],
)
def test_labels_that_leave_a_doubt_are_refused(tmp_path, labels, reason):
    assert reason in error_of("npz", write(tmp_path / "a.npz", images=IMAGES, labels=labels))


# Vectors


POINTS = np.random.default_rng(0).standard_normal((30, 5))


@pytest.mark.parametrize("name", ["vectors", "x_train", "data", "images", "arr_0", "train_vectors"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_vectors_are_taken_by_their_name_or_their_form(tmp_path, name, dtype):
    path = write(tmp_path / "a.npz", **{name: POINTS.astype(dtype)})
    train, test = load("npz", path), load("npz", path, "test")
    assert (len(train), len(test)) == (27, 3) and train.images is None and train.image_shape == (5,)
    assert train.vectors.dtype == torch.float32
    found = np.concatenate([train.vectors, test.vectors])
    assert sorted(found.tolist()) == sorted(POINTS.astype(dtype).astype(np.float32).tolist())
    assert f"27 vectors to train on and 3 to test on, from {name}; 5 numbers each, no labels" in train.notes[0]
    assert dataset_defaults(f"npz:{path}") == {"rec_dist": "normal-diagonal", "network": "mlp"}


def test_integers_are_vectors_only_by_name(tmp_path):
    path = write(tmp_path / "a.npz", vectors=np.arange(60).reshape(20, 3), labels=np.arange(20) % 2)
    assert sizes("npz", path) == (18, 2)
    assert len(load("npz", path).labels) == 18
    assert "images has shape (20, 3)" in error_of("npz", write(path, images=np.arange(60).reshape(20, 3)))
    assert dataset_defaults(f"npz:{path}") == {}


def test_vectors_that_stay_the_same_or_differ_in_scale_are_warned_of(tmp_path):
    path = write(tmp_path / "a.npz", vectors=POINTS * [1, 1, 1, 1, 1e5])
    assert "warning: standard deviations of the dimensions run from" in notes("npz", path)
    write(path, vectors=POINTS * [1, 1, 0, 1, 1])
    assert "warning: dimension 2 of the vectors never changes: leave it out" in notes("npz", path)
    write(path, vectors=(POINTS - POINTS.mean(0)) / POINTS.std(0))
    assert "warning" not in notes("npz", path)


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"vectors": POINTS * np.nan}, "30 of 30 rows of vectors have a value that is no number or beyond 3.4e38"),
        ({"vectors": POINTS * 1e300}, "rows of vectors have a value that is no number or beyond 3.4e38"),
        ({"vectors": POINTS[:, 0]}, "vectors is float64 of shape (30,); expected numbers of shape (N, D)"),
        ({"vectors": POINTS[:, :0]}, "vectors is empty, of shape (30, 0)"),
        ({"vectors": POINTS.astype(str)}, "expected numbers of shape (N, D)"),
        ({"vectors": POINTS, "test_vectors": POINTS[:, :3]}, "expected vectors of one shape"),
        ({"vectors": POINTS, "test_images": TESTS}, "vectors are vectors and test_images are images; expected one"),
        ({"vectors": POINTS[:1]}, "has 1 example in all; a train and a test split need at least 2"),
    ],
)
def test_wrong_vectors_are_told_in_one_line(tmp_path, arrays, reason):
    assert reason in error_of("npz", write(tmp_path / "a.npz", **arrays))
