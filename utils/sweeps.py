"""Grids of runs: every combination of the flags that have several values, in results/<experiment>/<run>/.

A member of a sweep is an ordinary run whose results directory is the folder of the experiment, so its configuration's
`experiment` is the name of the run. Flags are by name, such as GJS_A; several values are a list.
"""

import re
import traceback
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from utils.config import EVALUATION_OPTIONS, RunConfig, read_config
from utils.datasets import DatasetError, portable_name
from utils.datasets.record import check_same_data
from utils.environment import choose_device
from utils.experiment import Interrupted, Runtime, evaluate_only, load_splits, resume, run
from utils.presets import as_list, preset_grids
from utils.processes import in_turn, side_by_side
from utils.results import CONFIG, EVALUATION, ResultsError, ResultsFolder, experiment_folder
from vae.losses import LOSSES, loss_name, resolve_options
from vae.means import NonFiniteError
from vae.options import OptionError


class SweepFailed(Exception):
    """Some runs of a sweep failed; the message is one line."""


@dataclass(frozen=True)
class Member:
    """A run that lies in the folder of a sweep."""

    folder: ResultsFolder
    config: RunConfig
    record: dict[str, Any]  # the whole of config.json

    @property
    def ended(self) -> bool:
        return self.record["ended_after"] == self.config.epochs

    @property
    def evaluation(self) -> dict[str, dict[str, float]] | None:
        """What evaluation.json holds; None before the run has ended."""
        return self.folder.read_json(EVALUATION) if self.ended else None


def members(folder: Path) -> list[Member]:
    """The runs in the folder of a sweep, by name. Raises ResultsError for a damaged config.json."""
    return [read_member(path.parent) for path in sorted(folder.glob(f"*/{CONFIG}"))]


def read_member(path: Path) -> Member:
    """The run in a folder. Raises ResultsError for a damaged config.json."""
    folder = ResultsFolder(path)
    return Member(folder, *read_config(folder))


# From flags to configurations


def configurations(given: dict[str, Any], preset: str | None = None) -> list[RunConfig]:
    """The configuration of every run of a grid, or of a preset with flags given besides.

    A loss that does not use a flag runs once without it. Raises OptionError for a flag that no loss of the grid uses,
    and for whatever is wrong in any configuration.
    """
    grids = preset_grids(preset, given) if preset else [{"loss": RunConfig.options()["loss"].default, **given}]
    several = {name for grid in grids for name, value in grid.items() if isinstance(value, list)}
    configs: dict[str, RunConfig] = {}
    for flags in combinations(grids):
        name = run_name({name: value for name, value in flags.items() if name in several})
        if name in configs:
            raise OptionError(f"two runs would have the name {name}: give their data sets other names")
        configs[name] = RunConfig.from_flags(name, flags)
    return list(configs.values())


def combinations(grids: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every combination of the values in the grids, once, less the flags that its loss does not use but others do."""
    used = {loss: used_flags(loss) for grid in grids for loss in map(loss_name, as_list(grid["loss"]))}
    optional = set().union(*used.values())
    found = {}
    for grid in grids:
        names = sorted(grid, key=flags_in_order().index)
        for values in product(*(as_list(grid[name]) for name in names)):
            flags = dict(zip(names, values))
            flags["loss"] = loss = loss_name(flags["loss"])
            found[tuple((name, v) for name, v in flags.items() if name in used[loss] or name not in optional)] = None
    return [dict(flags) for flags in found]


def used_flags(loss: str) -> set[str]:
    """Of the flags that are not for all losses, those that a loss uses."""
    options = resolve_options(loss, {})
    return {*options, *(["latent_dim"] if LOSSES[loss].fixed_latent_dim(options) is None else [])}


def flags_in_order() -> list[str]:
    """Every flag of a configuration, settings first: the order in a run's name."""
    options = dict.fromkeys(option.name for loss in LOSSES.values() for option in loss.options)
    return [*RunConfig.options(), *options]


def run_name(flags: dict[str, Any]) -> str:
    """The name of the run with these values, such as loss-GJS_GJS-A-0.1: one component of a path."""

    def text(value: Any) -> str:
        return str(value).removesuffix(".0") if isinstance(value, float) else portable_name(str(value))

    pairs = (f"{name.replace('_', '-')}-{text(value)}" for name, value in flags.items())
    return re.sub(r"[^\w.+-]", "-", "_".join(pairs))


# From configurations to runs


def sweep(
    experiment: str, configs: list[RunConfig], runtime: Runtime, *, jobs: int = 1, mode: str | None = None
) -> None:
    """Carry out the runs in results/<experiment>/, in turn, or `jobs` at a time with a process for each.

    A run that has ended is skipped, one that has begun goes on; not so in the modes "overwrite" and "is_eval_only".
    Raises what a run raises for a mistake in any, before the first begins; SweepFailed after the last if one failed;
    Interrupted once all that are at work are saved.
    """
    folder = experiment_folder(runtime.results_dir, experiment).path
    runtime = replace(runtime, results_dir=folder)
    pending = pending_runs(configs, runtime, mode)
    labels = {config.experiment: f"[{n}/{len(configs)}] {config.experiment}" for n, config in enumerate(configs, 1)}
    for config in configs:
        if config not in pending:
            print(f"{labels[config.experiment]}: ended before, skipped")

    def announce(config: RunConfig) -> None:
        goes_on = mode is None and (folder / config.experiment / CONFIG).exists()
        print(f"{labels[config.experiment]}: {'goes on' if goes_on else 'begins'}", flush=True)

    work = partial(attempt, runtime=runtime, mode=mode)
    outcomes = side_by_side(work, pending, announce, jobs) if jobs > 1 else in_turn(work, pending, announce)
    ended, failed = len(configs) - len(pending), []
    try:
        with closing(outcomes):
            for config, outcome in outcomes:
                succeeded, line = outcome or (False, "its process was killed, for want of memory perhaps")
                print(f"{labels[config.experiment]}: {'ended' if succeeded else 'failed'}, {line}", flush=True)
                ended += succeeded
                failed += [] if succeeded else [config.experiment]
    except KeyboardInterrupt:
        done = f"{ended} of {len(configs)} runs have ended, what others have is saved up to their last whole epoch"
        raise Interrupted(f"interrupted; {done}: the same command goes on") from None
    if failed:
        raise SweepFailed(f"{len(failed)} of {len(configs)} runs failed: {', '.join(failed)}")
    print(f"results in {folder}")


def pending_runs(configs: list[RunConfig], runtime: Runtime, mode: str | None) -> list[RunConfig]:
    """The runs that are to be carried out, once nothing is found wrong with any.

    Raises ResultsError, DatasetError and DeviceError.
    """
    if (runtime.results_dir / CONFIG).exists():
        raise ResultsError(f"{runtime.results_dir} is a single run: choose another name for several")
    choose_device(runtime.device)
    begun: dict[str, Member] = {}
    for config in configs:
        folder = experiment_folder(runtime.results_dir, config.experiment)
        if mode != "overwrite" and (folder / CONFIG).exists():
            begun[config.experiment] = read_member(folder.path)
            check_same_configuration(begun[config.experiment], config, mode)
        elif mode != "is_eval_only":
            folder.check_free(overwrite=mode == "overwrite")
    ended = {name for name, member in begun.items() if member.ended}
    if mode == "is_eval_only" and (others := [c.experiment for c in configs if c.experiment not in ended]):
        raise ResultsError(f"{runtime.results_dir / others[0]} has not ended: leave --is-eval-only out to train it")
    pending = configs if mode else [config for config in configs if config.experiment not in ended]
    for data in dict.fromkeys(map(data_of, pending)):
        sharing = [config for config in configs if data_of(config) == data]
        splits = load_splits(sharing[0], runtime)
        for config in sharing:
            if config.experiment in begun:
                check_same_data(begun[config.experiment].record["data"], splits)
    return pending


def data_of(config: RunConfig) -> tuple[str, int | None, int | None]:
    """What the data of a run depend on."""
    return config.dataset, config.train_size, config.test_size


def check_same_configuration(member: Member, config: RunConfig, mode: str | None) -> None:
    """Raise ResultsError unless a run has that configuration; one to be evaluated may have other evaluation options."""
    saved = member.config.flags()
    for name, value in {**config.flags(), "dataset": portable_name(config.dataset)}.items():
        optional = name in EVALUATION_OPTIONS
        if saved.get(name) != value and not (optional and mode == "is_eval_only"):
            flag = "--" + name.replace("_", "-")
            remedy = "add --is-eval-only" if optional else "choose another name, or --overwrite to replace it"
            raise ResultsError(f"{member.folder.path} has {flag} {saved.get(name)}, not {value}: {remedy}")


def attempt(config: RunConfig, runtime: Runtime, mode: str | None) -> tuple[bool, str]:
    """Carry out a run; whether it succeeded, and what to say of it. Raises KeyboardInterrupt and nothing else."""
    try:
        evaluation = carry_out(config, runtime, mode)
    except Interrupted:
        raise KeyboardInterrupt from None
    except (OptionError, DatasetError, ResultsError, NonFiniteError, OSError) as error:
        return False, str(error)
    except Exception as error:
        traceback.print_exc()
        return False, f"{type(error).__name__}, see above"
    return True, f"test squared error {evaluation['test']['squared_error']:.4g}"


def carry_out(config: RunConfig, runtime: Runtime, mode: str | None) -> dict[str, dict[str, float]]:
    """Begin a run or go on with it, or evaluate it; return what evaluation.json holds."""
    if mode == "is_eval_only":
        return evaluate_only(config.experiment, config.flags(), runtime)
    if mode is None and (runtime.results_dir / config.experiment / CONFIG).exists():
        return resume(config.experiment, config.flags(), runtime)
    return run(config, runtime, overwrite=mode == "overwrite")
