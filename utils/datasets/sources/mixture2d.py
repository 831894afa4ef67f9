"""A mixture of two Gaussians in the plane, generated: the smallest data with two modes and two known classes."""

import hashlib
from pathlib import Path

import numpy as np
import torch

from utils.datasets.dataset import Dataset
from utils.datasets.registry import first, register

TRAIN, TEST = 10_000, 2_000
SEED = 2019
CENTRE = 5.0  # the components have the means (-5, 0) and (5, 0) and the covariance I


@register(
    "mixture2d",
    kind="vectors",
    needs_files=False,
    defaults={"rec_dist": "normal-diagonal", "network": "mlp", "latent_dim": 1, "epochs": 60, "lr": 1e-3},
)
def load(name: str, split: str, data_dir: Path, size: int | None) -> Dataset:
    """Vectors float32 (N, 2) and labels, 0 for the left component and 1 for the right; `data_dir` is not looked at.

    Standardised by the moments of the distribution, not of the sample: the mean is 0, the variances are 1 + 5^2 and 1.
    The points come from NumPy's `RandomState`, whose stream is frozen for good (NEP 19).
    """
    random = np.random.RandomState(SEED)
    labels = random.randint(2, size=TRAIN + TEST)
    points = random.standard_normal((TRAIN + TEST, 2))
    points[:, 0] = (points[:, 0] + CENTRE * (2 * labels - 1)) / np.sqrt(1 + CENTRE**2)
    vectors = points.astype(np.float32)
    start, available = (0, TRAIN) if split == "train" else (TRAIN, TEST)
    chosen = slice(start, start + first(size, available, name, split))
    return Dataset(
        name=name,
        split=split,
        source="generated",
        sha256=hashlib.sha256(vectors.astype("<f4").tobytes()).hexdigest(),
        vectors=torch.from_numpy(vectors[chosen]),
        labels=torch.from_numpy(labels[chosen].astype(np.int64)),
    )
