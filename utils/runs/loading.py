"""From a configuration to its data and its model, and from a folder to its saved model."""

import math
from pathlib import Path

import torch

from utils.datasets import Dataset, load_dataset
from utils.runs.config import RunConfig, read_config
from utils.runs.folder import CONFIG, MODEL, ForeignFolder, ResultsError, ResultsFolder, experiment_folder
from utils.runs.runtime import Runtime, resume_command
from vae.distributed import rank
from vae.losses import LOSSES, Loss, build_loss
from vae.models import VAE
from vae.options import OptionError


def load_model(folder: str | Path, device: torch.device | str = "cpu") -> tuple[VAE, Loss, RunConfig]:
    """The model, the loss and the configuration of a run that has ended, in evaluation mode.

    Reads config.json and model.pt. Raises ResultsError if one is missing or damaged or the run has not ended.
    """
    folder = ResultsFolder(Path(folder))
    config, record = read_config(folder)
    if record["ended_after"] is None:
        again = resume_command(folder.path)
        raise ResultsError(f"{folder.path} has not ended: {again} goes on with it")
    state = folder.load_model()
    with folder.refusing_misfits(MODEL):
        model, loss = build(config, tuple(record["data"]["image_shape"]), record["data"]["train_images"], device)
        model.load_state_dict(state["model"])
        loss.load_state_dict(state["loss"])
    return model.eval(), loss.eval(), config


def results_folder(experiment: str, runtime: Runtime) -> ResultsFolder:
    """The folder of a run, which the first rank writes and the others only read. Raises ResultsError for its name."""
    folder = experiment_folder(runtime.results_dir, experiment)
    return ForeignFolder(folder.path) if rank() else folder


def open_folder(experiment: str, runtime: Runtime) -> ResultsFolder:
    """The folder of an existing experiment. Raises ResultsError if there is none."""
    folder = results_folder(experiment, runtime)
    if folder.is_grid():
        where = f"--results-dir {folder.path}"
        raise ResultsError(f"{folder.path} holds several runs: give all of their flags, or the name of one and {where}")
    if not (folder / CONFIG).exists():
        raise ResultsError(f"there is no experiment {folder.path}: check the name, or start it without this flag")
    return folder


def build(
    config: RunConfig, image_shape: tuple[int, ...], dataset_size: int, device: torch.device | str
) -> tuple[VAE, Loss]:
    """The model and the loss of a configuration, on a device."""
    model = LOSSES[config.loss].build_model(image_shape, config.latent_dim, config.rec_dist, config.loss_options)
    loss = build_loss(config.loss, dataset_size=dataset_size, latent_dim=config.latent_dim, **config.loss_options)
    return model.to(device), loss.to(device)


def load_splits(config: RunConfig, runtime: Runtime) -> dict[str, Dataset]:
    """Both splits, each cut to its size. Raises DatasetError, and OptionError if factors are asked for and unknown."""
    sizes = {"train": config.train_size, "test": config.test_size}
    splits = {split: load_dataset(config.dataset, split, runtime.data_dir, size) for split, size in sizes.items()}
    if config.is_metrics and splits["train"].factors is None:
        raise OptionError(f"--is-metrics: --dataset {config.dataset} has no known factors to measure by: leave it out")
    return splits


def step_count(config: RunConfig, train: Dataset) -> int:
    """How many optimiser steps a whole run takes."""
    return config.epochs * math.ceil(len(train) / config.batch_size)
