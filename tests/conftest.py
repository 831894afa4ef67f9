"""What every test may use."""

import contextlib
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


@pytest.fixture(scope="session")
def descendants():
    """Gives the command lines of all that a process has started, directly or not, by their ids."""

    def find(pid: int) -> dict[int, str]:
        found = {}
        for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
                found[child] = Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")
                found |= find(child)
        return found

    return find
