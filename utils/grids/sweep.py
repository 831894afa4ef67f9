"""Grids of runs: every combination of the flags that have several values, in results/<experiment>/<run>/.

A run of a grid is an ordinary one whose results directory is the folder of the experiment, so its configuration's
`experiment` is the name of the run.
"""

import gc
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from typing import Any

from utils.datasets import portable_name
from utils.datasets.record import check_same_data
from utils.grids.duration import Forecast
from utils.grids.ensembles import carry_out_as_one, ensembles
from utils.grids.saved import SavedRun, pages_held, read_run
from utils.grids.tally import Outcome, Tally
from utils.machine.console import counted
from utils.machine.environment import OUT_OF_MEMORY, choose_device, explained, is_out_of_memory
from utils.machine.processes import in_turn, side_by_side
from utils.runs.config import EVALUATION_OPTIONS, DataSettings, RunConfig
from utils.runs.evaluate import evaluate_only
from utils.runs.folder import CONFIG, ResultsError, ResultsFolder
from utils.runs.loading import check_fits, experiment_folder, load_splits
from utils.runs.progress import about
from utils.runs.run import resume, run, try_out
from utils.runs.runtime import RUN_ERRORS, Evaluation, Interrupted, Runtime, choose_compiled
from vae.losses import LOSSES
from vae.options import flag_of

Work = Callable[[RunConfig], Outcome]
Announce = Callable[[RunConfig], None]
Outcomes = Iterator[tuple[RunConfig, Outcome | None]]  # None: its process ended without one
Executor = Callable[[Work, list[RunConfig], Announce], Outcomes]


def sweep(
    experiment: str,
    configs: list[RunConfig],
    runtime: Runtime,
    *,
    jobs: int = 1,
    executor: Executor | None = None,
    ensemble: bool | None = None,
    mode: str | None = None,
    timed: bool = False,
) -> None:
    """Carry out the runs in results/<experiment>/, in turn, or `jobs` at a time in as many processes.

    In an `ensemble` those that fit together are trained as one; None stands for that on a GPU, unless there are jobs.
    A run that has ended is skipped, one that has begun goes on; not so in the modes "overwrite" and "is_eval_only".
    An executor, see utils.grids.executors, carries them out elsewhere. Where they are `timed`, a line says before they
    begin how long all take.
    Raises what a run raises for a mistake in any, before the first begins; SweepFailed after the last if one failed;
    Interrupted once all that are at work are saved.
    """
    again = "the same command without --overwrite" if mode == "overwrite" else "the same command"
    place = experiment_folder(runtime.results_dir, experiment).path
    runtime = replace(runtime, results_dir=place, again=f"{again} goes on")
    pending, forecast = pending_runs(configs, runtime, mode)
    if not executor and mode != "is_eval_only":
        check_compiling(pending, runtime)
    if timed and pending:
        how_long = duration(forecast, runtime, jobs, elsewhere=bool(executor or ensemble))
        print(f"{counted(len(pending), 'run')}{how_long}", flush=True)
    forecast.first = None  # a data set may be large
    queue = ", once there is room" if executor else ""
    tally = Tally(configs, runtime, mode, queue, forecast)
    executor = executor or local_executor(runtime, jobs, ensemble, mode)
    for config in configs:
        if config not in pending:
            tally.skip(config)
    if mode == "overwrite":  # now, and all of them: what is begun anew is then resumed as in any sweep
        clear(pending, runtime)
    try:
        with closing(executor(partial(attempt, runtime=runtime, mode=mode), pending, tally.announce)) as outcomes:
            for config, outcome in outcomes:
                tally.add(config, outcome)
    except KeyboardInterrupt as end:
        raise tally.interrupted(end) from None
    tally.finish()


# Which runs are to be carried out


def pending_runs(configs: list[RunConfig], runtime: Runtime, mode: str | None) -> tuple[list[RunConfig], Forecast]:
    """The runs that are to be carried out, once nothing is found wrong with any, and what they have to do.

    Raises ResultsError and DatasetError. Of a run that replaces another the first step is tried, and what that fails by
    is raised too.
    """
    if (runtime.results_dir / CONFIG).exists():
        raise ResultsError(f"{runtime.results_dir} is a single run: choose another name for several")
    begun = begun_runs(configs, runtime, mode)
    ended = {name for name, run in begun.items() if run.ended}
    if mode == "is_eval_only" and (others := [c.experiment for c in configs if c.experiment not in ended]):
        raise ResultsError(f"{runtime.results_dir / others[0]} has not ended: leave --is-eval-only out to train it")
    pending = configs if mode else [config for config in configs if config.experiment not in ended]
    forecast = Forecast()
    for data in dict.fromkeys(map(data_of, pending)):
        sharing = [config for config in configs if data_of(config) == data]
        splits = load_splits(sharing[0], runtime)
        for config in sharing:
            check_fits(config, splits)
            folder = ResultsFolder(runtime.results_dir / config.experiment)
            if config.experiment in begun:
                check_same_data(begun[config.experiment].record["data"], splits)
            elif mode == "overwrite" and (folder / CONFIG).exists():
                try_out(config, replace(runtime, device="cpu"), folder, splits)
        forecast.add([config for config in sharing if config in pending], splits)
    return pending, forecast


def check_compiling(pending: list[RunConfig], runtime: Runtime) -> None:
    """Raise MachineError where a run is to be compiled, as was asked for, and cannot be on this machine."""
    if asked := [config for config in pending if config.compile and LOSSES[config.loss].compilable]:
        choose_compiled(asked[0], choose_device(runtime.device), steps=1)


def duration(forecast: Forecast, runtime: Runtime, jobs: int, *, elsewhere: bool) -> str:
    """How long the runs take on this machine, in words; empty if not on its CPU, one by one, or if the first fails."""
    if elsewhere or choose_device(runtime.device).type != "cpu":
        return ""
    try:
        return f", {about(forecast.seconds(jobs))} on this machine"
    except Exception:  # by what, it will say in its turn; the others are carried out
        return ""


def begun_runs(configs: list[RunConfig], runtime: Runtime, mode: str | None) -> dict[str, SavedRun]:
    """The runs that there are, by name, if each is of its configuration and the others have a place to begin."""
    begun: dict[str, SavedRun] = {}
    for config in configs:
        folder = experiment_folder(runtime.results_dir, config.experiment)
        if mode != "overwrite" and (folder / CONFIG).exists():
            begun[config.experiment] = read_run(folder.path)
            check_same_configuration(begun[config.experiment], config, mode)
        elif mode != "is_eval_only":
            folder.check_free(overwrite=mode == "overwrite")
    return begun


def check_same_configuration(run: SavedRun, config: RunConfig, mode: str | None) -> None:
    """Raise ResultsError unless a run has that configuration; one to be evaluated may have other evaluation options."""
    saved = run.config.flags()
    for name, value in {**config.flags(), "dataset": portable_name(config.dataset)}.items():
        optional = name in EVALUATION_OPTIONS
        if saved.get(name) != value and not (optional and mode == "is_eval_only"):
            remedy = "add --is-eval-only" if optional else "choose another name, or --overwrite to replace it"
            raise ResultsError(f"{run.folder.path} has {flag_of(name)} {saved.get(name)}, not {value}: {remedy}")


def data_of(config: RunConfig) -> tuple[Any, ...]:
    """What the data of a run depend on; on its network, because images are padded to a size that it takes."""
    names = (*DataSettings.options(), "train_size", "test_size", "validation_size", "network")
    return tuple(getattr(config, name) for name in names)


def clear(configs: list[RunConfig], runtime: Runtime) -> None:
    """Clear the folders of the runs, once no other process is at work in any of them, and the pages of the grid."""
    with ExitStack() as held:
        folders = [ResultsFolder(runtime.results_dir / config.experiment) for config in configs]
        for folder in folders:
            held.enter_context(folder.held())
        try:
            replaced = any((folder / CONFIG).exists() for folder in folders)
            for folder in folders:
                folder.clear()
            if replaced:
                grid = ResultsFolder(runtime.results_dir)
                with pages_held(grid):
                    grid.drop_made()
        except KeyboardInterrupt as end:
            said = "some of the runs that are replaced are cleared: the same command clears the others, and begins all"
            raise Interrupted(f"{str(end) or 'interrupted'}; {said}", end) from None


# How they are carried out


def local_executor(runtime: Runtime, jobs: int, ensemble: bool | None, mode: str | None) -> Executor:
    """What carries runs out on this machine. Raises MachineError if it does not have the device."""
    device = choose_device(runtime.device)
    if jobs > 1:
        return partial(side_by_side, jobs=jobs)
    if ensemble is None:
        ensemble = device.type == "cuda" and runtime.checkpoint_minutes is None
    if ensemble and mode != "is_eval_only":
        return partial(in_ensembles, runtime=runtime, overwrite=mode == "overwrite")
    return in_turn


def in_ensembles(
    work: Work, configs: list[RunConfig], announce: Announce, *, runtime: Runtime, overwrite: bool
) -> Outcomes:
    """Carry out the runs, those that fit together as one, and yield each with its outcome as it ends."""
    for members in ensembles(configs):
        if len(members) == 1:
            yield from in_turn(work, members, announce)
            continue
        forget_run_before()
        for config in members:
            announce(config)
        with closing(carry_out_as_one(members, runtime, overwrite=overwrite)) as results:
            for config, result in results:
                yield config, outcome_of(result)


def forget_run_before() -> None:
    """Free what the run before held: its data and its model are in cycles, which matplotlib leaves.

    What is left then are libraries for the most part, hundreds of thousands of objects, which the next time are passed
    over.
    """
    gc.collect()
    gc.freeze()


def attempt(config: RunConfig, runtime: Runtime, mode: str | None) -> Outcome:
    """Carry out a run, and give its outcome. Raises KeyboardInterrupt and nothing else."""
    forget_run_before()
    try:
        if mode == "is_eval_only":
            return outcome_of(evaluate_only(config.experiment, flags_to_evaluate(config), runtime))
        if (runtime.results_dir / config.experiment / CONFIG).exists():  # one to be overwritten has been cleared
            return outcome_of(resume(config.experiment, config.flags(), runtime))
        return outcome_of(run(config, runtime, overwrite=mode == "overwrite"))
    except Interrupted as interruption:
        raise interruption.end from None
    except Exception as error:
        return outcome_of(error)


def flags_to_evaluate(config: RunConfig) -> dict[str, Any]:
    """The flags of a run that is evaluated anew: an evaluation option at its default is the saved run's own."""
    usual = {name: RunConfig.options()[name].default for name in EVALUATION_OPTIONS}
    return {name: value for name, value in config.flags().items() if name not in usual or value != usual[name]}


def outcome_of(result: Evaluation | Exception) -> Outcome:
    """The outcome of a run that ended with this evaluation or error."""
    if not isinstance(result, Exception):
        return Outcome(True, f"test squared error {result['test']['squared_error']:.4g}")
    if isinstance(result, RUN_ERRORS):
        return Outcome(False, explained(result))
    if is_out_of_memory(result):
        return Outcome(False, OUT_OF_MEMORY)
    traceback.print_exception(result)
    return Outcome(False, f"{type(result).__name__}, see above")
