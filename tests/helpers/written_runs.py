"""Result files that are written here, for reports of them: nothing is trained."""

import csv
import json
import shlex
from dataclasses import asdict

from utils.flags import build_parser
from utils.grids.grid import configurations
from utils.report.findings import read_findings
from utils.report.report import write_report
from utils.runs.config import RunConfig
from utils.runs.folder import CONFIG, CSV, EVALUATION

PARSER = build_parser()
SHA256 = {"train": "0" * 64, "test": "1" * 64}
RECORD = {"git_revision": None, "versions": {}, "machine": {}}
EVIDENCE = {"mean": -98.5, "interval": [-99.0, -98.0], "images": 1000, "binarised": False}
EVIDENCE |= {"effective_sample_size": 9.0, "importance_samples": 100}


def write_run(folder, config, test, train=None, *, ended=True):
    """What a run leaves, less weights, pictures and curves."""
    folder.mkdir(parents=True)
    images = {"train_images": config.train_size or 60_000, "test_images": config.test_size or 10_000}
    data = {"name": config.dataset, "source": "made up", "sha256": SHA256, "image_shape": [1, 32, 32], **images}
    record = {**asdict(config), **RECORD, "data": data, "ended_after": config.epochs if ended else None}
    (folder / CONFIG).write_text(json.dumps(record))
    if ended:
        errors = {"test": test, "train": test if train is None else train}
        (folder / EVALUATION).write_text(json.dumps({k: {"squared_error": v} for k, v in errors.items()}))


def write_grid(folder, errors, preset=None, **flags):
    """The runs of a grid, with the squared errors (test, or test and train) that a function gives a configuration."""
    for config in configurations(flags, preset):
        found = errors(config)
        write_run(folder / config.experiment, config, *(found if isinstance(found, tuple) else (found,)))


def report(results, name="exp"):
    """Write the report of an experiment; return its findings."""
    write_report(name, results.relative_to(results.parent))
    return read_findings(results.relative_to(results.parent) / name)


def table(results, name="exp"):
    """The lines of the table of a report."""
    with open(results / name / CSV, newline="") as file:
        return list(csv.DictReader(file))


def made_by(command):
    """The configurations of the runs that a command makes, by their folders."""
    assert command.startswith("python main.py ")
    flags = vars(PARSER.parse_args(shlex.split(command)[2:]))
    experiment, preset, parent = flags.pop("experiment"), flags.pop("preset", None), flags.pop("results_dir", "results")
    if preset or any(isinstance(value, list) for value in flags.values()):
        configs = configurations(flags, preset)
        return {f"{parent}/{experiment}/{config.experiment}": config for config in configs}
    return {f"{parent}/{experiment}": RunConfig.from_flags(experiment, flags)}
