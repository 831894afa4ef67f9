"""The folder and the data of a run, and the model of one that has ended."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import vae
from utils.datasets import Dataset, load_dataset
from utils.datasets.packed import PackedImages
from utils.datasets.record import check_same_data
from utils.machine.environment import choose_device, keep_freed_memory
from utils.runs.config import RunConfig, read_config, reconcile
from utils.runs.folder import CONFIG, ResultsError, ResultsFolder, check_experiment_name
from utils.runs.runtime import Runtime
from vae.distributed import rank, together
from vae.losses import Objective
from vae.models import VAE
from vae.models.networks import NETWORKS
from vae.options import OptionError, flag_of

LARGEST = 256  # side of images that are padded to


def experiment_folder(results_dir: Path, name: str, **how: Any) -> ResultsFolder:
    """The folder of an experiment, which lies in results_dir and nowhere else; `how` it is written, see ResultsFolder.

    Raises ResultsError for a name that is not one folder name, or that of a link.
    """
    check_experiment_name(name)
    path = results_dir / name
    if path.is_symlink():
        raise ResultsError(f"{path} is a link to {path.readlink()}: go there by --results-dir, or choose another name")
    return ResultsFolder(path, **how)


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


@dataclass(frozen=True)
class OpenedRun:
    """A run that has ended, opened again."""

    folder: ResultsFolder  # which is held
    config: RunConfig  # with what was changed of it
    record: dict[str, Any]  # the whole of config.json
    model: VAE  # in evaluation mode, as the loss is
    loss: Objective

    def load_splits(self, runtime: Runtime) -> dict[str, Dataset]:
        """The run's splits. Raises DatasetError, for other data than the run had too, and OptionError."""
        splits = load_splits(self.config, runtime)
        check_same_data(self.record["data"], splits)
        return splits


@contextmanager
def opened(
    experiment: str, flags: dict[str, Any], changeable: tuple[str, ...], runtime: Runtime
) -> Iterator[OpenedRun]:
    """A run that has ended, with its model, whose folder may be added to.

    The flags must equal the saved configuration, except those that are changeable. Raises OptionError, MachineError and
    ResultsError.
    """
    keep_freed_memory()
    folder = open_folder(experiment, runtime)
    folder.check_place()
    with folder.held():
        with together():
            saved, record = read_config(folder)
            config = reconcile(saved, flags, changeable)
            model, loss, _ = vae.load(folder.path, choose_device(runtime.device), note=print)
        yield OpenedRun(folder, config, record, model, loss)


def load_split(config: RunConfig, split: str, data_dir: Path, size: int | None = None) -> Dataset:
    """One split; images whose size the run's network does not take are padded to the next larger one that it takes."""
    data = load_dataset(config.dataset, split, data_dir, size, config.image_size)
    takes, shape = NETWORKS[config.network].takes, data.image_shape
    if takes(shape) or isinstance(data.images, PackedImages) or len(shape) == 1:
        return data
    larger = (side for side in range(shape[-1] + 1, LARGEST + 1) if takes((shape[0], side, side)))
    side = next(larger, None)
    return data if side is None else data.padded(side)


def load_splits(config: RunConfig, runtime: Runtime) -> dict[str, Dataset]:
    """The splits "train" and "test", each cut to its size, and "validation", which is held out of training, if any is.

    Raises DatasetError, and OptionError for settings that do not go with the data.
    """
    held = config.validation_size or 0
    sizes = {"train": config.train_size and config.train_size + held, "test": config.test_size}
    splits = {split: load_split(config, split, runtime.data_dir, size) for split, size in sizes.items()}
    if held >= len(splits["train"]):
        there = f"--dataset {config.dataset} has {len(splits['train']):,} to train on"
        raise OptionError(f"--validation-size {held}: {there}: expected fewer than that")
    if held:
        splits["train"], splits["validation"] = splits["train"].held_out(held, "validation")
    check_fits(config, splits)
    return splits


def check_fits(config: RunConfig, splits: dict[str, Dataset]) -> None:
    """Raise OptionError for settings that do not go with the data as they are."""
    config.check_data_shape(splits["train"].image_shape)
    steps = step_count(config, splits["train"])
    for name in ("warmup", "lr_warmup"):
        if (length := getattr(config, name)) > steps:
            raise OptionError(f"{flag_of(name)} {length}: it does not end within the {steps:,} steps of the run")
    if config.is_metrics and splits["train"].factors is None:
        raise OptionError(f"--is-metrics: --dataset {config.dataset} has no known factors to measure by: leave it out")
    if config.sampler:
        check_scikit_learn(config.sampler)
        if len(splits["train"]) < 2:
            raise OptionError(f"--sampler {config.sampler}: expected 2 training examples or more, to fit it to")


def check_scikit_learn(sampler: str) -> None:
    """Raise OptionError if scikit-learn is missing, which fits the sampler."""
    try:
        import sklearn  # noqa: F401  (not a requirement)
    except ImportError:
        raise OptionError(f"--sampler {sampler}: scikit-learn is missing: pip install scikit-learn") from None


def step_count(config: RunConfig, train: Dataset) -> int:
    """How many optimiser steps a whole run takes."""
    return config.epochs * math.ceil(len(train) / config.batch_size)
