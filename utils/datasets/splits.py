"""Splits that no seed of a run changes."""

import hashlib
from collections.abc import Collection

import numpy as np

from utils.datasets.dataset import DatasetError
from utils.machine.console import counted

# What people call the parts of their own data.
PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing"), "test"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
}


def tested_part(parts: Collection[str]) -> str | None:
    """Which part of a set that is split already is for testing: "val" only where there is no "test"; None if neither.

    Beside "test", "val" is in neither split: it is there to choose by, not to train on or to test on.
    """
    return next((part for part in ("test", "val") if part in parts), None)


def split_indices(count: int, split: str, *, test: int, seed: int, name: str) -> np.ndarray:
    """Which of `count` things belong to a split, in its fixed order: int64 indices.

    Train is the first `count - test` of one permutation, test the rest. The permutation comes from NumPy's
    `RandomState`, whose stream is frozen for good (NEP 19), unlike that of `Generator`.

    Raises:
        DatasetError: a split would be empty.
    """
    if not 0 < test < count:
        raise DatasetError(f"{name} has {counted(count, 'example')} in all; a train and a test split need at least 2")
    order = np.random.RandomState(seed).permutation(count)
    return order[:-test] if split == "train" else order[-test:]


def split_digest(digest: str, order: np.ndarray) -> str:
    """SHA-256 of a split: that of the file it is taken from, and the indices into it."""
    return hashlib.sha256(bytes.fromhex(digest) + order.astype("<i8").tobytes()).hexdigest()
