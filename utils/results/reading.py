"""The groups of runs that there are of a grid, and what is missing, with the command that makes it: printed.

A grid is told as on the command line, by a preset and flags; which of its runs are there is for their configurations to
say, not for the names of their folders.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from utils.datasets import DatasetError, default_data_dir
from utils.grids.commands import command
from utils.grids.grid import configurations
from utils.grids.saved import SavedRun, saved_runs
from utils.machine.console import counted
from utils.results.groups import EVIDENCE, NOT_SHARED, RunGroup, comparable, evidence_samples, grouped
from utils.results.labels import INCIDENTAL, flag_label
from utils.runs.config import RunConfig
from utils.runs.folder import MODEL
from utils.runs.loading import load_split
from vae.losses import LOSSES


def read_groups(
    folder: str | Path,
    preset: str | None = None,
    *,
    over: str = "",
    like: Sequence[RunGroup] | None = None,
    **flags: Any,
) -> list[RunGroup]:
    """The runs in the folder of a grid, one data set after the other; prints what they are, and what is missing.

    The grid is a preset with flags, or flags alone, as on the command line. Where losses are asked for, runs with
    others are left out; else all that lie in the folder are read, with a loss of one's own too. `over` is a setting
    that runs of a group need not share. Given other groups in `like`, which these runs are to be set beside, only runs
    that share their settings are read.
    """
    if like is not None:
        flags |= {"dataset": list(dict.fromkeys(group.dataset for group in like))}
    folder, planned = Path(folder), configurations(flags, preset)
    datasets = list(dict.fromkeys(config.dataset for config in planned))
    losses = {config.loss for config in planned} if "loss" in flags else set(LOSSES)
    groups = grouped((run for run in saved_runs(folder) if run.config.loss in losses), over)
    if like is not None:
        asked = [group.settings for group in like]
        groups = [group for group in groups if group.settings in asked]
    groups.sort(key=lambda group: [*datasets, group.dataset].index(group.dataset))
    for group in groups:
        # The runs of a preset are always named after both of these, others where there are several in the command.
        together = [one.settings for one in ([group] if preset else groups)]
        own = {name: list(dict.fromkeys(one[name] for one in together)) for name in ("dataset", "rec_dist")}
        describe(group, folder, preset, {**flags, **own})
    found = {group.dataset for group in groups}
    if absent := [dataset for dataset in datasets if dataset not in found]:
        print(f"{', '.join(absent)}: no runs in {folder} yet")
        print("   ", command(folder, {**flags, "dataset": absent}, preset))
    return groups


def describe(group: RunGroup, folder: Path, preset: str | None, flags: dict[str, Any]) -> None:
    """Print what the runs of a group are, the command that makes such runs, and which of them are not there."""
    data, seeds = group.runs[0].record["data"], group.seeds
    images = f"{data['train_images']:,} training and {data['test_images']:,} test images"
    lengths = f"{counted(len(group.runs), 'run')}, {counted(group.settings['epochs'], 'epoch')}"
    print(f"{group.name}: {lengths}, {images}, seed {', '.join(map(str, seeds))}")
    planned = configurations(flags, preset)
    plain = planned[0].flags()
    flags = {**{name: value for name, value in group.settings.items() if plain[name] != value}, **flags}
    for compiled in dict.fromkeys(run.config.compile for run in group.runs):
        own = [run for run in group.runs if run.config.compile == compiled]
        print("   ", command(folder, {**flags, **own_flags(own, plain)}, preset))
    there = [identity(run.config, group) for run in group.runs]
    losses = {config.loss for config in planned}
    if besides := [run.config for run in group.runs if run.config.loss not in losses]:
        print("    besides:", names(besides, besides))
    if missing := [config for config in planned if identity(config, group) not in there]:
        print("    not there yet:", names(missing, planned))


def own_flags(runs: Sequence[SavedRun], plain: dict[str, Any]) -> dict[str, Any]:
    """The seeds of runs, and what is no part of what they are where they agree on it, as far as these are not plain."""
    seeds = sorted({run.config.seed for run in runs})
    found = {"seed": seeds} if seeds != [plain["seed"]] else {}
    for name in INCIDENTAL:
        asked = {run.config.flags()[name] for run in runs}
        found |= {name: asked.pop()} if len(asked) == 1 and asked != {plain[name]} else {}
    return found


def identity(config: RunConfig, group: RunGroup) -> dict[str, Any]:
    """What tells a run from the others of its group, whatever its seed."""
    shared = {*group.settings, *NOT_SHARED} - {"loss"}
    return {name: value for name, value in config.flags().items() if name not in shared}


def names(configs: Sequence[RunConfig], among: Sequence[RunConfig]) -> str:
    """The loss of each configuration, with what tells it from others with that loss: GJS (α = 0.1; α = 0.2), KL."""
    found: dict[str, list[str]] = {}
    for config in configs:
        others = [other.flags() for other in among if other.loss == config.loss]
        told = [
            flag_label(name, value)
            for name, value in config.flags().items()
            if name not in ("seed", *INCIDENTAL) and any(other[name] != value for other in others)
        ]
        found.setdefault(config.loss, []).extend([", ".join(told)] if told else [])
    return ", ".join(f"{loss} ({'; '.join(dict.fromkeys(told))})" if told else loss for loss, told in found.items())


def with_models(groups: Sequence[RunGroup]) -> list[RunGroup]:
    """The runs whose models are there, with the test images; prints which are left out, and why."""
    remedy = "with another --results-dir, because reference results are kept without"
    data_dir, kept, left_out = default_data_dir(), [], set()
    for group in keep(groups, lambda run: (run.folder / MODEL).exists(), MODEL, remedy):
        dataset = group.dataset
        try:
            test = load_split(group.runs[0].config, "test", data_dir, group.settings["test_size"])
            kept.append(replace(group, test=test))
        except DatasetError as error:
            if dataset not in left_out:
                print(f"{dataset}: left out, {error}")
            left_out.add(dataset)
    return kept


def with_evidence(groups: Sequence[RunGroup]) -> list[RunGroup]:
    """The runs whose evaluation has the evidence from the same number of samples, that of most; prints the others."""
    (runs,) = comparable(EVIDENCE, [run for group in groups for run in group.runs])
    samples = (evidence_samples(runs[0]) if runs else None) or 1000
    what, remedy = f"evidence from {samples} samples", f"with --is-eval-only --importance-samples {samples}"
    return keep(groups, lambda run: evidence_samples(run) == samples, what, remedy)


def keep(groups: Sequence[RunGroup], condition: Callable[[SavedRun], bool], what: str, remedy: str) -> list[RunGroup]:
    """The runs that meet a condition; prints which do not, what they lack, and how the command above helps.

    Models of which some seeds only lack it are told apart from those of which all do.
    """
    kept = []
    for group in groups:
        runs = [run for run in group.runs if condition(run)]
        others = [run.config for run in group.runs if run not in runs]
        there = [identity(run.config, group) for run in runs]
        for of_seeds, partly in (("", False), (" of some seeds", True)):
            if lacking := [config for config in others if (identity(config, group) in there) == partly]:
                print(f"{group.name}: no {what}{of_seeds}: {names(lacking, [run.config for run in group.runs])}")
        if others:
            print(f"    the command above makes it {remedy}")
        if runs:
            kept.append(replace(group, runs=runs))
    return kept
