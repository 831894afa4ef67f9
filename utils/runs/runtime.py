"""Where and how a run is carried out, and what may end it."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.datasets import Dataset, DatasetError
from utils.machine.environment import MachineError
from utils.runs.config import RunConfig
from utils.runs.folder import ResultsError
from vae.means import NonFiniteError
from vae.models import VAE
from vae.options import OptionError

# What ends a run with a line for people.
RUN_ERRORS = (OptionError, DatasetError, ResultsError, MachineError, NonFiniteError, OSError)

Evaluation = dict[str, dict[str, Any]]  # what evaluation.json holds

# Makes matplotlib's figures by the names of their files, of a model in evaluation mode, its splits, its configuration,
# and the lines of its metrics.
Drawing = Callable[[VAE, dict[str, Dataset], RunConfig, list[dict[str, Any]]], dict[str, Any]]


@dataclass(frozen=True)
class Runtime:
    """Where and how a run is carried out: nothing that its results are about."""

    data_dir: Path = Path("data")
    results_dir: Path = Path("results")
    device: str = "auto"
    progress_bar: bool = True
    checkpoint_every: int = 1
    tensorboard: bool = False  # scalars beside metrics.jsonl
    draw: Drawing | None = None  # what makes the pictures of a run; None: there are none


class Interrupted(Exception):
    """Ctrl-C; the message says what is saved, what is lost and how to go on."""


def resume_command(folder: Path, runtime: Runtime = Runtime()) -> str:
    """The command that goes on with the run in a folder, on the same device and with the same data."""
    given = {
        "--results-dir": (folder.parent, Runtime.results_dir),
        "--data-dir": (runtime.data_dir, Runtime.data_dir),
        "--device": (runtime.device, Runtime.device),
    }
    flags = [word for flag, (value, default) in given.items() if value != default for word in (flag, str(value))]
    return shlex.join(["python", "main.py", folder.name, "--resume", *flags])
