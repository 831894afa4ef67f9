"""What notebooks of results draw: the runs of a grid that have ended, by data set and protocol, and what is missing.

A grid is told as on the command line, by a preset and flags; which of its runs are there is for their configurations to
say, not for the names of their folders.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, mode
from typing import Any

from utils.datasets import Dataset, DatasetError, load_dataset
from utils.grids.commands import command
from utils.grids.grid import configurations
from utils.grids.saved import SavedRun, saved_runs
from utils.report.tables import SKEWED, count_of, flag_label
from utils.runs.config import EVALUATION_OPTIONS, RunConfig, default_options
from utils.runs.folder import MODEL

LATER = ("evaluate_every", *EVALUATION_OPTIONS)  # what was measured of a run
NOT_SHARED = ("loss", "seed", *LATER)  # by the runs of a protocol


@dataclass(frozen=True)
class Protocol:
    """Runs that have ended and share all settings: they differ in their loss, its options, and their seed."""

    settings: dict[str, Any]
    runs: list[SavedRun]
    test: Dataset | None = None  # the test images, where models are looked at

    @property
    def name(self) -> str:
        """Data set and likelihood."""
        return f"{self.settings['dataset']}, {self.settings['rec_dist']}"

    @property
    def seeds(self) -> list[int]:
        """The seeds that there are runs of, ascending."""
        return sorted({run.config.seed for run in self.runs})

    @property
    def title(self) -> str:
        """What figures say of the runs: data set, likelihood, epochs, and the seed or how many."""
        seeds = f"seed {self.seeds[0]}" if len(self.seeds) == 1 else count_of(len(self.seeds), "seed")
        return f"{self.name}: {count_of(self.settings['epochs'], 'epoch')}, {seeds}"

    def of(self, loss: str, *, over: str = "", **options: Any) -> list[SavedRun]:
        """The runs with a loss, whose options are as given or else the defaults, but for the flag `over`."""
        wanted = {name: value for name, value in {**default_options(loss), **options}.items() if name != over}
        return [run for run in self.runs if run.config.loss == loss and wanted.items() <= run.config.flags().items()]

    def over(self, flag: str, loss: str, **options: Any) -> dict[float, list[SavedRun]]:
        """The runs with a loss by the value of a flag, ascending; more than one for a value if there are more seeds."""
        series: dict[float, list[SavedRun]] = {}
        for run in self.of(loss, over=flag, **options):
            series.setdefault(run.config.flags()[flag], []).append(run)
        return dict(sorted(series.items()))

    def values(self, flag: str, loss: str) -> list[float]:
        """The values of a flag that there are runs of, ascending."""
        return sorted({run.config.flags()[flag] for run in self.runs if run.config.loss == loss})


Grid = dict[str, list[Protocol]]  # by data set


def read_grid(
    folder: str | Path, preset: str | None = None, *, over: str = "", like: Grid | None = None, **flags: Any
) -> Grid:
    """The runs in the folder of a grid; prints what they are, what is missing, and the command that makes it.

    The grid is a preset with flags, or flags alone, as on the command line. Runs with other losses than the grid's are
    left out. `over` is a setting that runs of a protocol need not share. Given another grid in `like`, which these runs
    are to be set beside, only runs of its data sets and protocols are read.
    """
    if like is not None:
        flags |= {"dataset": list(like)}
    folder, planned = Path(folder), configurations(flags, preset)
    losses = {config.loss for config in planned}
    shared = [name for name in RunConfig.options() if name not in (*NOT_SHARED, over)]
    groups: dict[tuple[Any, ...], list[SavedRun]] = {}
    for run in saved_runs(folder):
        if run.ended and run.config.loss in losses:
            groups.setdefault(tuple(run.config.flags()[name] for name in shared), []).append(run)
    grid: Grid = {}
    protocols = [Protocol(dict(zip(shared, settings)), runs) for settings, runs in groups.items()]
    if like is not None:
        asked = [protocol.settings for protocol in every_protocol(like)]
        protocols = [protocol for protocol in protocols if protocol.settings in asked]
    datasets = list(dict.fromkeys(config.dataset for config in planned))
    protocols.sort(key=lambda one: [*datasets, one.settings["dataset"]].index(one.settings["dataset"]))
    for protocol in protocols:
        grid.setdefault(protocol.settings["dataset"], []).append(protocol)
        # The runs of a preset are always named after both of these, others where there are several in the command.
        together = [one.settings for one in ([protocol] if preset else protocols)]
        own = {name: list(dict.fromkeys(one[name] for one in together)) for name in ("dataset", "rec_dist")}
        describe(protocol, folder, preset, {**flags, **own})
    if absent := [dataset for dataset in datasets if dataset not in grid]:
        print(f"{', '.join(absent)}: no runs in {folder} yet")
        print("   ", command(folder, {**flags, "dataset": absent}, preset))
    return grid


def describe(protocol: Protocol, folder: Path, preset: str | None, flags: dict[str, Any]) -> None:
    """Print what a protocol's runs are, the command that makes such runs, and which of them are not there."""
    data, seeds = protocol.runs[0].record["data"], protocol.seeds
    images = f"{data['train_images']:,} training and {data['test_images']:,} test images"
    lengths = f"{count_of(len(protocol.runs), 'run')}, {count_of(protocol.settings['epochs'], 'epoch')}"
    print(f"{protocol.name}: {lengths}, {images}, seed {', '.join(map(str, seeds))}")
    planned = configurations(flags, preset)
    plain = planned[0].flags()
    flags = {**{name: value for name, value in protocol.settings.items() if plain[name] != value}, **flags}
    flags |= {"seed": seeds} if seeds != [plain["seed"]] else {}
    for name in LATER:
        asked = {run.config.flags()[name] for run in protocol.runs}
        flags |= {name: asked.pop()} if len(asked) == 1 and asked != {plain[name]} else {}
    print("   ", command(folder, flags, preset))
    there = [identity(run.config, protocol) for run in protocol.runs]
    if missing := [config for config in planned if identity(config, protocol) not in there]:
        print("    not there yet:", names(missing, planned))


def identity(config: RunConfig, protocol: Protocol) -> dict[str, Any]:
    """What tells a run from the others of its protocol, whatever its seed."""
    shared = {*protocol.settings, *NOT_SHARED} - {"loss"}
    return {name: value for name, value in config.flags().items() if name not in shared}


def names(configs: Sequence[RunConfig], among: Sequence[RunConfig]) -> str:
    """The loss of each configuration, with what tells it from others with that loss: GJS (GJS-A 0.1; GJS-A 0.2), KL."""
    found: dict[str, list[str]] = {}
    for config in configs:
        others = [other.flags() for other in among if other.loss == config.loss]
        told = [
            flag_label(name, value)
            for name, value in config.flags().items()
            if name not in ("seed", *LATER) and any(other[name] != value for other in others)
        ]
        found.setdefault(config.loss, []).extend([", ".join(told)] if told else [])
    return ", ".join(f"{loss} ({'; '.join(dict.fromkeys(told))})" if told else loss for loss, told in found.items())


def every_protocol(grid: Grid) -> list[Protocol]:
    """The protocols of all data sets."""
    return [protocol for protocols in grid.values() for protocol in protocols]


def with_models(grid: Grid) -> Grid:
    """The runs whose models are there, with the test images; prints which are left out, and why."""
    remedy = "with another --results-dir, because reference results are kept without"
    kept = keep(grid, lambda run: (run.folder / MODEL).exists(), MODEL, remedy)
    data_dir = Path(os.environ.get("VAE_DATA") or "data")
    for dataset, protocols in list(kept.items()):
        try:
            sizes = [protocol.settings["test_size"] for protocol in protocols]
            tests = [load_dataset(dataset, "test", data_dir, size) for size in sizes]
            kept[dataset] = [replace(protocol, test=test) for protocol, test in zip(protocols, tests)]
        except DatasetError as error:
            print(f"{dataset}: left out, {error}")
            del kept[dataset]
    return kept


def with_best_skew(grid: Grid) -> Grid:
    """Of the runs of GJS and dGJS those of the alpha with the least squared error on training images, mean over seeds.

    Those of other losses are all there, those of GJS and dGJS with other options than the defaults, such as lambda, are
    not.
    """

    def best(protocol: Protocol) -> list[SavedRun]:
        chosen = [run for run in protocol.runs if run.config.loss not in SKEWED]
        for loss in SKEWED:
            series = protocol.over("GJS_A", loss).values()
            chosen += min(series, key=lambda runs: fmean(evaluated(runs, "squared_error", "train")), default=[])
        return chosen

    return {dataset: [replace(one, runs=best(one)) for one in protocols] for dataset, protocols in grid.items()}


def with_evidence(grid: Grid) -> Grid:
    """The runs whose evaluation has the evidence from the same number of samples, that of most; prints the others."""

    def samples_of(run: SavedRun) -> int | None:
        return run.evaluation["test"].get("evidence", {}).get("importance_samples")

    counts = [count for one in every_protocol(grid) for run in one.runs if (count := samples_of(run))]
    samples = mode(counts) if counts else 1000
    what, remedy = f"evidence from {samples} samples", f"with --is-eval-only --importance-samples {samples}"
    return keep(grid, lambda run: samples_of(run) == samples, what, remedy)


def keep(grid: Grid, condition: Callable[[SavedRun], bool], what: str, remedy: str) -> Grid:
    """The runs that meet a condition; prints which do not, what they lack, and how the command above helps."""
    kept: Grid = {}
    for protocol in every_protocol(grid):
        runs = [run for run in protocol.runs if condition(run)]
        if others := [run.config for run in protocol.runs if run not in runs]:
            print(f"{protocol.name}: no {what}: {names(others, [run.config for run in protocol.runs])}")
            print(f"    the command above makes it {remedy}")
        if runs:
            kept.setdefault(protocol.settings["dataset"], []).append(replace(protocol, runs=runs))
    return kept


def merged(*grids: Grid) -> Grid:
    """The runs of several grids, with those that share all settings in one protocol."""
    together: Grid = {}
    for dataset in dict.fromkeys(dataset for grid in grids for dataset in grid):
        runs: dict[tuple[Any, ...], list[SavedRun]] = {}
        for protocol in (protocol for grid in grids for protocol in grid.get(dataset, [])):
            runs.setdefault(tuple(protocol.settings.items()), []).extend(protocol.runs)
        together[dataset] = [Protocol(dict(settings), members) for settings, members in runs.items()]
    return together


def evaluated(runs: Sequence[SavedRun], quantity: str, split: str = "test") -> list[Any]:
    """A quantity in the evaluation of each run, such as squared_error."""
    return [run.evaluation[split][quantity] for run in runs]
