"""What notebooks start from: a run that has ended, with its model, its numbers and its test images."""

import os
from dataclasses import dataclass
from pathlib import Path

import vae
from utils.datasets import Dataset, load_dataset
from utils.figures.one_run import draw_run
from utils.runs.config import RunConfig, read_config
from utils.runs.folder import CONFIG, EVALUATION, ResultsFolder
from utils.runs.run import run
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
    """The run of that name or, where there is none, the run `otherwise`, which is carried out unless it is there.

    `draw` makes its pictures then.

    Raises ResultsError if the run's files are damaged or it has not ended, DatasetError if its data are not there.
    """
    data_dir = Path(os.environ.get("VAE_DATA") or "data")
    path = results_dir / experiment
    if not (path / CONFIG).exists():
        path = results_dir / otherwise.experiment
        if not (path / CONFIG).exists():
            run(otherwise, Runtime(data_dir=data_dir, results_dir=results_dir, progress_bar=False, draw=draw))
    folder = ResultsFolder(path)
    model, _, _ = vae.load(path)
    config, _ = read_config(folder)
    evaluation = folder.read_json(EVALUATION)
    test = load_dataset(config.dataset, "test", data_dir, config.test_size)
    return FinishedRun(path, config, model, evaluation, test)
