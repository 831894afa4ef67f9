"""scikit-learn's digits: 1,797 handwritten digits of 8x8, enlarged to 32x32. They come with the package.

Reference:
    Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998,
    https://doi.org/10.24432/C50P49
"""

import functools
import hashlib
from pathlib import Path

import numpy as np
import torch

from utils.datasets.dataset import Dataset, DatasetError
from utils.datasets.registry import first, register
from utils.datasets.splits import split_indices

TEST_IMAGES = 360  # a fifth
SPLIT_SEED = 1998
HIGHEST = 16  # value of a pixel
ENLARGEMENT = 4


@register("digits", needs_files=False)
def load(name: str, split: str, data_dir: Path, size: int | None) -> Dataset:
    """Images uint8 (N, 1, 32, 32) and labels 0..9; `data_dir` is not looked at.

    Values 0..16 become 0..255, and each pixel a block of 4x4: nothing is made up between them. A fifth of the images,
    by one permutation, is for testing.

    Raises:
        DatasetError: scikit-learn is not installed.
    """
    try:
        small, labels = small_digits()
    except ImportError:
        raise DatasetError("digits come with scikit-learn, which is not installed: pip install scikit-learn") from None
    order = split_indices(len(small), split, test=TEST_IMAGES, seed=SPLIT_SEED, name=name)
    chosen = order[: first(size, len(order), name, split)]
    images = small[chosen, None].repeat(ENLARGEMENT, axis=2).repeat(ENLARGEMENT, axis=3)
    return Dataset(
        name=name,
        split=split,
        images=torch.from_numpy(images),
        labels=torch.from_numpy(labels[chosen]),
        source="scikit-learn",
        sha256=hashlib.sha256(small.tobytes()).hexdigest(),
    )


@functools.cache
def small_digits() -> tuple[np.ndarray, np.ndarray]:
    """All images, uint8 (N, 8, 8), and labels, int64 (N,): kept, because they are a text that takes long to read.

    Raises ImportError if scikit-learn is not installed.
    """
    from sklearn.datasets import load_digits  # not a requirement

    digits = load_digits()
    return np.rint(digits.images * (255 / HIGHEST)).astype(np.uint8), digits.target.astype(np.int64)
