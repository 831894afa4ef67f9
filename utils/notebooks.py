"""What notebooks start from: a run that has ended, with its model, its numbers and its test images."""

from dataclasses import dataclass
from pathlib import Path

import vae
from utils.datasets import Dataset
from utils.figures.one_run import draw_run
from utils.runs.config import RunConfig, read_config
from utils.runs.folder import CONFIG, EVALUATION, ResultsFolder
from utils.runs.loading import load_split
from utils.runs.run import resume, run
from utils.runs.runtime import Drawing, Runtime
from vae.models import VAE


@dataclass(frozen=True)
class FinishedRun:
    """A run as results/<experiment>/ has it."""

    folder: Path
    config: RunConfig
    model: VAE  # in evaluation mode, on the CPU
    evaluation: dict[str, dict[str, float]]  # by split
    test: Dataset


def load_or_run(
    experiment: str, *, otherwise: RunConfig, results_dir: Path = Path("results"), draw: Drawing | None = draw_run
) -> FinishedRun:
    """The run of that name; if there is none, the run `otherwise`, trained or gone on with if need be.

    `draw` makes the pictures of what is trained.

    Raises ResultsError if the run's files are damaged or it has not ended, DatasetError if its data are not there.
    """
    runtime = Runtime(results_dir=results_dir, progress_bar=False, draw=draw)
    path = results_dir / experiment
    if not (path / CONFIG).exists():
        path = results_dir / otherwise.experiment
        carry_out(otherwise, runtime)
    folder = ResultsFolder(path)
    model, _, _ = vae.load(path)
    config, _ = read_config(folder)
    evaluation = folder.read_json(EVALUATION)
    test = load_split(config, "test", runtime.data_dir, config.test_size)
    return FinishedRun(path, config, model, evaluation, test)


def carry_out(config: RunConfig, runtime: Runtime) -> None:
    """Carry out a run, or the rest of it if it has begun; one that has ended is left as it is."""
    folder = ResultsFolder(runtime.results_dir / config.experiment)
    if not (folder / CONFIG).exists():
        run(config, runtime)
    elif read_config(folder)[1]["ended_after"] is None:
        resume(config.experiment, {}, runtime)
