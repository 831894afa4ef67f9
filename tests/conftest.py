"""What every test may use."""

import contextlib
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from utils.grids.grid import configurations
from utils.grids.sweep import sweep
from utils.machine.locks import locked
from utils.runs.runtime import Runtime


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Tests are small: threads only cost time, and dearly where several processes share the cores."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def signals_as_in_a_terminal():
    """Processes that tests start heed signals, also where the tests themselves run in a script's background."""
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


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


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """Gives the folder that a function fills: made_once(name, fill). All workers of a session share it."""
    base = tmp_path_factory.getbasetemp()
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "made-once"

    def folder_of(name: str, fill: Callable[[Path], object]) -> Path:
        place = root / name
        place.mkdir(parents=True, exist_ok=True)
        with locked(place):
            if not (place / "filled").exists():
                shutil.rmtree(place / "folder", ignore_errors=True)  # what another worker has failed to fill
                (place / "folder").mkdir()
                fill(place / "folder")
                (place / "filled").touch()
        return place / "folder"

    return folder_of


DIGITS = {"dataset": "digits", "rec_dist": "gaussian", "train_size": 20, "test_size": 10, "epochs": 2}
GRIDS = [  # folder, preset, flags
    ("table1", "table1", {"loss": ["KL", "GJS"], "GJS_A": [0.1, 0.5], "importance_samples": 2}),
    ("table1", "table1", {"loss": ["rKL", "betaH", "MMD", "tGJS", "dGJS", "tdGJS"], "GJS_A": [0.1, 0.5]}),
    ("lambda", "lambda", {"GJS_A": [0.1, 0.5], "GJS_B": [1.0, 2.0]}),
    ("beta", "beta", {"betaH_B": [0.5, 4.0]}),
    ("alpha-starts", None, {"loss": ["tGJS", "tdGJS"], "GJS_A": [0.1, 0.9]}),
    ("noise", None, {"loss": ["KL", "tGJS"], "noise": [0.5, 1.0]}),
    ("zoo", "zoo", {"loss": ["KL", "betaH", "VR", "CatVAE"], "seed": [1], "importance_samples": 2}),
]


@pytest.fixture(scope="session")
def results(made_once) -> Path:
    """A folder that has, in results/reference/, small runs of the grids that notebooks read: on a few digits."""

    def fill(root: Path) -> None:
        runtime = Runtime(results_dir=root / "results" / "reference", device="cpu", progress_bar=False)
        for folder, preset, flags in GRIDS:
            sweep(folder, configurations({**DIGITS, **flags}, preset), runtime)

    return made_once("results", fill)
