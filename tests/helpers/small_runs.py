"""Runs of seconds, and what is compared of their folders."""

import json

from utils.runs.config import RunConfig, read_config
from utils.runs.folder import METRICS, ResultsFolder

SMALL = {"dataset": "digits", "train_size": 20, "test_size": 10, "batch_size": 8, "latent_dim": 3, "lr": 1e-3}
TIMINGS = ("seconds", "images_per_second")


def config(experiment="exp", **flags):
    """The configuration of such a run, with perceptrons as the networks; a flag that is None is left out."""
    network = {} if "network" in flags else {"network": "mlp", "hidden_units": 5}
    flags = {"epochs": 2, **SMALL, **network, **flags}
    return RunConfig.from_flags(experiment, {name: value for name, value in flags.items() if value is not None})


def saved_config(folder):
    """The configuration that a run has left."""
    return read_config(ResultsFolder(folder))[0]


def files_of(runtime, experiment="exp"):
    """The content of each file of a run, by its name."""
    return {path.name: path.read_bytes() for path in (runtime.results_dir / experiment).iterdir()}


def metrics_of(folder):
    """The lines of a run's metrics without what the clock says, which lines of training have."""
    lines = [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]
    assert all(line.keys() >= set(TIMINGS) for line in lines if line["split"] == "train")
    return [{name: value for name, value in line.items() if name not in TIMINGS} for line in lines]
