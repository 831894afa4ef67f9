"""Grids of runs: every combination of the flags that have several values, in results/<experiment>/<run>/.

A run of a grid is an ordinary one whose results directory is the folder of the experiment, so its configuration's
`experiment` is the name of the run. Flags are by name, such as GJS_A; several values are a list.
"""

import gc
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from typing import Any

from utils.datasets import Dataset, portable_name
from utils.datasets.record import check_same_data
from utils.grids.packs import as_one, packs
from utils.grids.saved import SavedRun, read_run
from utils.machine.compilation import choose_compile
from utils.machine.environment import OUT_OF_MEMORY, choose_device, is_out_of_memory
from utils.machine.processes import Task, in_turn, side_by_side
from utils.runs.config import EVALUATION_OPTIONS, RunConfig
from utils.runs.evaluate import evaluate_only
from utils.runs.folder import CONFIG, ResultsError, ResultsFolder, experiment_folder
from utils.runs.loading import load_splits, step_count
from utils.runs.progress import Progress, show_notes
from utils.runs.run import Course, alone, new_course, resumed_course
from utils.runs.runtime import RUN_ERRORS, Evaluation, Interrupted, Runtime


class SweepFailed(Exception):
    """Some runs of a sweep failed; the message is one line."""


# From configurations to runs


def sweep(
    experiment: str,
    configs: list[RunConfig],
    runtime: Runtime,
    *,
    jobs: int = 1,
    executor: Callable[..., Iterator[tuple[Task, Any | None]]] | None = None,
    ensemble: bool | None = None,
    mode: str | None = None,
) -> None:
    """Carry out the runs in results/<experiment>/, in turn, or `jobs` at a time in as many processes.

    In an `ensemble` those that fit together are trained as one; None stands for that on a GPU, unless there are jobs.
    A run that has ended is skipped, one that has begun goes on; not so in the modes "overwrite" and "is_eval_only".
    An executor, see utils.executors, carries them out elsewhere.
    Raises what a run raises for a mistake in any, before the first begins; SweepFailed after the last if one failed;
    Interrupted once all that are at work are saved.
    """
    folder = experiment_folder(runtime.results_dir, experiment).path
    runtime = replace(runtime, results_dir=folder)
    if executor is None:
        choose_device(runtime.device)
    pending = pending_runs(configs, runtime, mode)
    labels = {config.experiment: f"[{n}/{len(configs)}] {config.experiment}" for n, config in enumerate(configs, 1)}
    for config in configs:
        if config not in pending:
            print(f"{labels[config.experiment]}: ended before, skipped")

    if mode == "overwrite":  # now, and all of them: what is begun anew is then resumed as in any sweep
        with ExitStack() as at_work:
            folders = [ResultsFolder(folder / config.experiment) for config in pending]
            for one in folders:
                at_work.enter_context(one.create())
            for one in folders:
                one.clear()

    def announce(config: RunConfig) -> None:
        goes_on = mode != "is_eval_only" and (folder / config.experiment / CONFIG).exists()
        where = "goes on" if goes_on else "begins"
        print(f"{labels[config.experiment]}: {where}" + (", once there is room" if executor else ""), flush=True)

    if ensemble is None:
        ensemble = jobs == 1 and not executor and choose_device(runtime.device).type == "cuda"
    work = partial(attempt, runtime=runtime, mode=mode)
    if ensemble and mode != "is_eval_only":
        outcomes = in_packs(pending, announce, runtime, mode)
    else:
        each = executor or (partial(side_by_side, jobs=jobs) if jobs > 1 else in_turn)
        outcomes = each(work, pending, announce)
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
        again = "the same command without --overwrite" if mode == "overwrite" else "the same command"
        raise Interrupted(f"interrupted; {done}: {again} goes on") from None
    if failed:
        raise SweepFailed(f"{len(failed)} of {len(configs)} runs failed: {', '.join(failed)}")
    print(f"results in {folder}")


def pending_runs(configs: list[RunConfig], runtime: Runtime, mode: str | None) -> list[RunConfig]:
    """The runs that are to be carried out, once nothing is found wrong with any.

    Raises ResultsError and DatasetError.
    """
    if (runtime.results_dir / CONFIG).exists():
        raise ResultsError(f"{runtime.results_dir} is a single run: choose another name for several")
    begun: dict[str, SavedRun] = {}
    for config in configs:
        folder = experiment_folder(runtime.results_dir, config.experiment)
        if mode != "overwrite" and (folder / CONFIG).exists():
            begun[config.experiment] = read_run(folder.path)
            check_same_configuration(begun[config.experiment], config, mode)
        elif mode != "is_eval_only":
            folder.check_free(overwrite=mode == "overwrite")
    ended = {name for name, run in begun.items() if run.ended}
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


def check_same_configuration(run: SavedRun, config: RunConfig, mode: str | None) -> None:
    """Raise ResultsError unless a run has that configuration; one to be evaluated may have other evaluation options."""
    saved = run.config.flags()
    for name, value in {**config.flags(), "dataset": portable_name(config.dataset)}.items():
        optional = name in EVALUATION_OPTIONS
        if saved.get(name) != value and not (optional and mode == "is_eval_only"):
            flag = "--" + name.replace("_", "-")
            remedy = "add --is-eval-only" if optional else "choose another name, or --overwrite to replace it"
            raise ResultsError(f"{run.folder.path} has {flag} {saved.get(name)}, not {value}: {remedy}")


def in_packs(
    configs: list[RunConfig], announce: Callable[[RunConfig], None], runtime: Runtime, mode: str | None
) -> Iterator[tuple[RunConfig, tuple[bool, str]]]:
    """Carry out the runs, those together as one that can be, and yield each with its outcome as it ends."""
    for pack in packs(configs):
        yield from in_pack(pack, announce, runtime, mode)


def in_pack(
    pack: list[RunConfig], announce: Callable[[RunConfig], None], runtime: Runtime, mode: str | None
) -> Iterator[tuple[RunConfig, tuple[bool, str]]]:
    """The same for one pack, of whose data and models nothing is kept."""
    if len(pack) == 1:
        yield from in_turn(partial(attempt, runtime=runtime, mode=mode), pack, announce)
        return
    gc.collect()
    for config in pack:
        announce(config)
    splits = load_splits(pack[0], runtime)
    show_notes(splits)
    device = choose_device(runtime.device)
    splits["train"] = splits["train"].to(device)  # once, for all
    steps = max(step_count(config, splits["train"]) for config in pack)
    compiled = choose_compile(pack[0].compile, device, steps)
    named = {config.experiment: config for config in pack}
    courses = {name: course(config, runtime, mode, splits, compiled) for name, config in named.items()}
    progress = Progress(max(config.epochs for config in pack), bar=runtime.progress_bar)
    with closing(as_one(courses, progress)) as results:
        for name, result in results:
            yield named[name], outcome_of(result)


def attempt(config: RunConfig, runtime: Runtime, mode: str | None) -> tuple[bool, str]:
    """Carry out a run, and give its outcome. Raises KeyboardInterrupt and nothing else."""
    gc.collect()  # matplotlib leaves cycles that hold the run before, with its data and its model
    try:
        if mode == "is_eval_only":
            return outcome_of(evaluate_only(config.experiment, config.flags(), runtime))
        return outcome_of(alone(course(config, runtime, mode)))
    except Interrupted:
        raise KeyboardInterrupt from None
    except Exception as error:
        return outcome_of(error)


def course(
    config: RunConfig,
    runtime: Runtime,
    mode: str | None,
    splits: dict[str, Dataset] | None = None,
    compiled: bool | None = None,
) -> Course:
    """The course of a run, which begins it or goes on with it; one to be overwritten has been cleared before."""
    if (runtime.results_dir / config.experiment / CONFIG).exists():
        return resumed_course(config.experiment, config.flags(), runtime, splits=splits)
    return new_course(config, runtime, overwrite=mode == "overwrite", splits=splits, compiled=compiled)


def outcome_of(result: Evaluation | Exception) -> tuple[bool, str]:
    """Whether a run that ended with this succeeded, and what to say of it."""
    if not isinstance(result, Exception):
        return True, f"test squared error {result['test']['squared_error']:.4g}"
    if isinstance(result, RUN_ERRORS):
        return False, str(result)
    if is_out_of_memory(result):
        return False, OUT_OF_MEMORY
    traceback.print_exception(result)
    return False, f"{type(result).__name__}, see above"
