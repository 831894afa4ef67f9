"""The runs that lie in the folder of a grid, and the lock of its pages."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from utils.machine.locks import held
from utils.runs.config import RunConfig, read_config
from utils.runs.folder import CONFIG, EVALUATION, ResultsError, ResultsFolder


@dataclass(frozen=True)
class SavedRun:
    """A run that lies in a folder."""

    folder: ResultsFolder
    config: RunConfig
    record: dict[str, Any]  # the whole of config.json

    @property
    def ended(self) -> bool:
        """Whether it has trained for all of its epochs."""
        return self.record["ended_after"] == self.config.epochs

    @cached_property
    def evaluation(self) -> dict[str, dict[str, Any]] | None:
        """What evaluation.json holds; None before the run has ended. Raises ResultsError if it is damaged."""
        return self.folder.read_json(EVALUATION) if self.ended else None


def saved_runs(folder: Path) -> list[SavedRun]:
    """The runs in the folder of a grid, by name. Raises ResultsError for a damaged config.json.

    Links to other folders, and copies of runs that are there, are left out, with a line.
    """
    runs: dict[str, SavedRun] = {}
    for path in sorted(path.parent for path in folder.glob(f"*/{CONFIG}")):
        if path.is_symlink():
            print(f"note: {path} is left out: it is a link to {path.readlink()}")
        else:
            runs[path.name] = read_run(path)
    copies = {name: run for name, run in runs.items() if is_copy(name, run, runs)}
    for name, run in copies.items():
        print(f"note: {folder / name} is left out: it is a copy of {run.config.experiment}")
    return [run for name, run in runs.items() if name not in copies]


def is_copy(name: str, run: SavedRun, runs: dict[str, SavedRun]) -> bool:
    """Whether a run has the configuration, and so the bits, of another that lies under its own name."""
    own = run.config.experiment
    return own != name and own in runs and runs[own].config == run.config


def experiment_runs(folder: Path) -> list[SavedRun]:
    """The runs of an experiment, a grid or a single one. Raises ResultsError if there are none, or one is damaged."""
    runs = [read_run(folder)] if (folder / CONFIG).exists() else saved_runs(folder)
    if not runs:
        state = "holds no runs" if folder.exists() else "does not exist"
        raise ResultsError(f"{folder} {state}: check the name, or train runs of that name first")
    return runs


@contextmanager
def pages_held(folder: ResultsFolder) -> Iterator[None]:
    """Wait for others that write pages of a grid. The folder of a single run is held by who trains it, for hours."""
    with held(folder.path) if folder.is_grid() else nullcontext():
        yield


def read_run(path: Path) -> SavedRun:
    """The run in a folder. Raises ResultsError for a damaged config.json."""
    folder = ResultsFolder(path)
    return SavedRun(folder, *read_config(folder))
