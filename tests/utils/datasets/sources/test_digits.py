import sys

import numpy as np
import pytest
import torch

from utils.datasets import DatasetError, load_dataset
from utils.datasets.sources.digits import small_digits

load_digits = pytest.importorskip("sklearn.datasets").load_digits


def test_every_digit_is_in_one_split(tmp_path):
    train, test = load_dataset("digits", "train", tmp_path), load_dataset("digits", "test", tmp_path)
    assert train.images.shape == (1437, 1, 32, 32)
    assert test.images.shape == (360, 1, 32, 32)
    assert train.sha256 == test.sha256
    small = torch.cat([train.images, test.images])[:, 0, ::4, ::4]
    labels = torch.cat([train.labels, test.labels])
    found = sorted((image.numpy().tobytes(), int(label)) for image, label in zip(small, labels))
    digits = load_digits()
    original = np.rint(digits.images / 16 * 255).astype(np.uint8)
    assert found == sorted((image.tobytes(), int(label)) for image, label in zip(original, digits.target))
    assert (train.images.min(), train.images.max()) == (0, 255)


def test_every_pixel_is_a_block(tmp_path):
    blocks = load_dataset("digits", "test", tmp_path).images.view(-1, 8, 4, 8, 4)
    assert torch.equal(blocks, blocks[:, :, :1, :, :1].expand_as(blocks))


def test_order_is_the_same_for_ever(tmp_path):
    assert load_dataset("digits", "test", tmp_path, 10).labels.tolist() == [5, 7, 4, 4, 8, 0, 6, 4, 2, 6]
    whole, part = (load_dataset("digits", "train", tmp_path, size) for size in (None, 7))
    assert torch.equal(part.images, whole.images[:7]) and torch.equal(part.labels, whole.labels[:7])


def test_missing_package_is_told_in_one_line(tmp_path, monkeypatch):
    small_digits.cache_clear()
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(DatasetError, match="which is not installed: pip install scikit-learn"):
        load_dataset("digits", "train", tmp_path)
