"""The folder and the data of a run."""

import math

from utils.datasets import Dataset, load_dataset
from utils.runs.config import RunConfig
from utils.runs.folder import CONFIG, ResultsError, ResultsFolder, experiment_folder
from utils.runs.runtime import Runtime
from vae.distributed import rank
from vae.options import OptionError


def results_folder(experiment: str, runtime: Runtime) -> ResultsFolder:
    """The folder of a run, which the first rank writes and the others only read. Raises ResultsError for its name."""
    return experiment_folder(runtime.results_dir, experiment, writes=rank() == 0, again=runtime.again)


def open_folder(experiment: str, runtime: Runtime) -> ResultsFolder:
    """The folder of an existing experiment. Raises ResultsError if there is none."""
    folder = results_folder(experiment, runtime)
    if folder.is_grid():
        where = f"--results-dir {folder.path}"
        raise ResultsError(f"{folder.path} holds several runs: give all of their flags, or the name of one and {where}")
    if not (folder / CONFIG).exists():
        raise ResultsError(f"there is no experiment {folder.path}: check the name, or start it without this flag")
    return folder


def load_splits(config: RunConfig, runtime: Runtime) -> dict[str, Dataset]:
    """Both splits, each cut to its size. Raises DatasetError, and OptionError if factors are asked for and unknown."""
    sizes = {"train": config.train_size, "test": config.test_size}
    splits = {split: load_dataset(config.dataset, split, runtime.data_dir, size) for split, size in sizes.items()}
    config.check_data_shape(splits["train"].image_shape)
    if config.is_metrics and splits["train"].factors is None:
        raise OptionError(f"--is-metrics: --dataset {config.dataset} has no known factors to measure by: leave it out")
    if config.sampler:
        check_scikit_learn(config.sampler)
    return splits


def check_scikit_learn(sampler: str) -> None:
    """Raise OptionError if scikit-learn is missing, which fits the sampler."""
    try:
        import sklearn  # noqa: F401  (not a requirement)
    except ImportError:
        raise OptionError(f"--sampler {sampler}: scikit-learn is missing: pip install scikit-learn") from None


def step_count(config: RunConfig, train: Dataset) -> int:
    """How many optimiser steps a whole run takes."""
    return config.epochs * math.ceil(len(train) / config.batch_size)
