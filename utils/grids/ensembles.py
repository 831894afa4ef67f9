"""Runs of a grid that are trained as one, see vae.training.ensemble: which fit together, and their carrying out."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import fields
from functools import partial
from typing import Any, TypeVar

from utils.machine.environment import choose_device, explained
from utils.machine.processes import silenced
from utils.runs.config import EVALUATION_OPTIONS, RunConfig
from utils.runs.folder import CONFIG
from utils.runs.loading import load_splits, results_folder, step_count
from utils.runs.progress import Progress, show_notes
from utils.runs.run import evaluation_if_ended, new_run, resumed_run
from utils.runs.running import Run
from utils.runs.runtime import RUN_ERRORS, Evaluation, Interrupted, Runtime, choose_compiled
from vae.losses import LOSSES
from vae.models import VAE
from vae.models.networks import NETWORKS
from vae.models.posteriors import POSTERIORS
from vae.models.priors import PRIORS
from vae.training.ensemble import Ensemble

# In these the runs of an ensemble may differ, and in what the loop allows; in all other settings they agree.
FREE_TO_DIFFER = {"experiment", "loss", "loss_options", "rec_dist", "evaluate_every", *EVALUATION_OPTIONS}
MOST_IMAGES = 4096  # in a step of all members together; more of them would only cost memory

Record = dict[str, float]  # of an epoch
T = TypeVar("T")


def ensembles(configs: list[RunConfig]) -> list[list[RunConfig]]:
    """The runs, those together that can be trained as one. One that is not `batchable` is by itself."""
    found: list[list[RunConfig]] = []
    growing: dict[Any, list[RunConfig]] = {}
    for config in configs:
        batchable = is_batchable(config)
        free = FREE_TO_DIFFER | config.free_to_differ()
        shared = repr([getattr(config, field.name) for field in fields(config) if field.name not in free])
        members = growing.get(shared, [])
        if not members or not batchable or (len(members) + 1) * config.batch_size > MOST_IMAGES:
            found.append(members := [])
        members.append(config)
        if batchable:
            growing[shared] = members
    return found


def is_batchable(config: RunConfig) -> bool:
    """Whether a run can be trained with others: as its parts say, and with VAE's own posterior only."""
    parts = [LOSSES[config.loss], NETWORKS[config.network], *([PRIORS[config.prior]] if config.prior else [])]
    return all(part.batchable for part in parts) and POSTERIORS[config.posterior].model is VAE


def carry_out_as_one(
    configs: list[RunConfig], runtime: Runtime, *, overwrite: bool
) -> Iterator[tuple[RunConfig, Evaluation | Exception]]:
    """Carry out the runs of an ensemble; yield each, as it ends, with its evaluation or with the error that ended it.

    Those that are behind the others train first, until they are level with them. What a run prints is not shown. Left
    early, by Ctrl-C say, every run saves what it has.
    """
    device = choose_device(runtime.device)
    splits = load_splits(configs[0], runtime)
    show_notes(splits)
    splits["train"] = splits["train"].to(device)  # once, for all
    steps = max(step_count(config, splits["train"]) for config in configs)
    shared = {"splits": splits, "compiled": choose_compiled(configs[0], device, steps)}
    progress = Progress(max(config.epochs for config in configs), bar=runtime.progress_bar)
    running: list[Run] = []
    with ExitStack() as held:
        try:
            for config in configs:
                found = attempt(partial(open_run, config, runtime, held, overwrite=overwrite, **shared))
                if isinstance(found, Run):
                    running.append(found)
                else:
                    yield config, found
            records: dict[Run, Record | Exception | None] = dict.fromkeys(running)
            while running:
                for run, record in records.items():
                    result = attempt(partial(advance, run, record))
                    if result is not None:
                        running.remove(run)
                        yield run.config, result
                records = train_those_behind(running, progress)
        finally:
            for run in running:
                save(run)


def attempt(step: Callable[[], T]) -> T | Exception:
    """What a step of a run gives, or the error that ends the run. An interruption is for all of them."""
    try:
        with silenced():
            return step()
    except Interrupted as interruption:
        raise interruption.end from None
    except Exception as error:
        return error


def open_run(
    config: RunConfig, runtime: Runtime, held: ExitStack, *, overwrite: bool, splits: Any, compiled: bool
) -> Run | Evaluation:
    """The run of a configuration, new or going on, in its folder, which is then held; its evaluation if it is over."""
    folder = results_folder(config.experiment, runtime)
    held.enter_context(folder.held())
    if not (folder / CONFIG).exists():
        return new_run(config, runtime, folder, overwrite=overwrite, splits=splits, compiled=compiled)
    evaluation = evaluation_if_ended(folder, config.flags())
    return resumed_run(folder, config.flags(), runtime, splits=splits) if evaluation is None else evaluation


def advance(run: Run, record: Record | Exception | None) -> Evaluation | None:
    """Begin a run if there is no record, else record its epoch; after the last one, finish it, for its evaluation."""
    with run.saving():
        if record is None:
            run.begin()
        elif isinstance(record, Exception):
            raise record
        else:
            run.record_epoch(record)
        return run.finish() if run.done else None


def train_those_behind(running: list[Run], progress: Progress) -> dict[Run, Record | Exception]:
    """Train the runs with the fewest epochs done for one, and give the record or the error of each.

    Those that are compiled and those that are not, where runs that go on are of both kinds, train one after the other.
    A run that was left within an epoch trains the rest of it by itself.
    """
    epoch = min((run.trainer.epoch for run in running), default=0)
    behind = [run for run in running if run.trainer.epoch == epoch]
    records: dict[Run, Record | Exception] = {}
    for run in [run for run in behind if run.trainer.position]:
        behind.remove(run)
        records[run] = attempt(run.trainer.train_epoch)
    for compiled in {run.trainer.compiled for run in behind}:
        alike = [run for run in behind if run.trainer.compiled == compiled]
        try:
            found = Ensemble([run.trainer for run in alike], progress).train_epoch()
        except Exception as error:  # of the program, or for want of memory
            found = [error] * len(alike)
        progress.ensemble_line([record for record in found if isinstance(record, dict)])
        records |= zip(alike, found)
    return records


def save(run: Run) -> None:
    """Save the last whole epoch of a run that is left, unless a checkpoint has it; if that fails, say so."""
    try:
        run.save(run.unsaved)
    except RUN_ERRORS as error:  # the others can be saved
        print(f"{run.config.experiment}: {explained(error)}", flush=True)
