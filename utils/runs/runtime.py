"""Where and how a run is carried out, and what may end it."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from utils.datasets import Dataset, DatasetError, portable_name
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
    checkpoint_minutes: float | None = None  # and after so many minutes, within an epoch too; None: not by time
    again: str = "--resume goes on"  # what does, where a run has ended early
    tensorboard: bool = False  # scalars beside metrics.jsonl
    draw: Drawing | None = None  # what makes the pictures of a run; None: there are none


class Interrupted(Exception):
    """Ctrl-C, or another signal to `end`; the message says what is saved, what is lost and how to go on."""

    def __init__(self, message: str, end: KeyboardInterrupt):
        super().__init__(message)
        self.end = end


def resume_command(folder: Path, runtime: Runtime = Runtime(), dataset: str = "") -> str:
    """The command that goes on with the run in a folder, on the same device and with the same data.

    The data set is told where its name is not the one that config.json records.
    """
    given = {
        "--dataset": (dataset, portable_name(dataset)),
        "--results-dir": (folder.parent, Runtime.results_dir),
        "--data-dir": (runtime.data_dir, Runtime.data_dir),
        "--device": (runtime.device, Runtime.device),
    }
    told = [flag_words(flag, value) for flag, (value, default) in given.items() if value != default]
    return shlex.join(["python", "main.py", folder.name, "--resume", *chain.from_iterable(told)])


def flag_words(flag: str, *values: Any) -> list[str]:
    """A flag with its values, as words of a command line."""
    texts = list(map(str, values))
    return [f"{flag}={texts[0]}"] if len(texts) == 1 and texts[0].startswith("-") else [flag, *texts]
