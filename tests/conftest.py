"""What every test may use."""

import os
from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Tests are small: threads only cost time, and dearly where several processes share the cores."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The directory that VAE_DATA names."""
    if "VAE_DATA" not in os.environ:
        pytest.skip("VAE_DATA is not set: it names a directory with MNIST/raw, FashionMNIST/raw and dsprites")
    return Path(os.environ["VAE_DATA"])
