"""Runs of a sweep that are trained as one, see vae.ensemble: which fit together, and how they are carried out."""

import os
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from dataclasses import fields
from functools import partial
from typing import Any

from utils.runs.config import RunConfig
from utils.runs.progress import Progress
from utils.runs.run import Course
from utils.runs.runtime import RUN_ERRORS, Evaluation, Interrupted
from vae.training.ensemble import Ensemble
from vae.training.trainer import Trainer

# In these the runs of a pack may differ; in all other settings they agree.
FREE_TO_DIFFER = ("experiment", "loss", "loss_options", "rec_dist", "seed", "epochs")
FREE_TO_DIFFER += ("evaluate_every", "is_metrics", "importance_samples")
MOST_IMAGES = 4096  # in a step of all members together; more of them would only cost memory


def packs(configs: list[RunConfig]) -> list[list[RunConfig]]:
    """The runs, those together that can be trained as one: of the same data, networks, batches and learning rate.

    A run whose loss is not `batchable` is by itself.
    """
    found: list[list[RunConfig]] = []
    open_packs: dict[Any, list[RunConfig]] = {}
    for config in configs:
        shared = tuple(getattr(config, field.name) for field in fields(config) if field.name not in FREE_TO_DIFFER)
        pack = open_packs.get(shared, [])
        if not pack or not config.batchable or (len(pack) + 1) * config.batch_size > MOST_IMAGES:
            found.append(pack := [])
        pack.append(config)
        if config.batchable:
            open_packs[shared] = pack
    return found


def as_one(courses: dict[str, Course], progress: Progress) -> Iterator[tuple[str, Evaluation | Exception]]:
    """Carry out the runs of a pack, and yield the name of each as it ends, with what it returns or raises.

    Those that are behind the others train first, until they are level with them. What a run prints is not shown. Left
    early, by Ctrl-C say, every run saves what it has.
    """
    running = dict(courses)
    waiting: dict[str, Trainer] = {}  # what is to be trained for an epoch
    steps: dict[str, Callable[[], Trainer]] = {name: partial(next, course) for name, course in courses.items()}
    try:
        while steps:
            for name, step in steps.items():
                try:
                    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
                        waiting[name] = step()
                    continue
                except Interrupted:
                    raise KeyboardInterrupt from None
                except StopIteration as end:
                    result = end.value
                except Exception as error:
                    result = error
                del running[name]
                yield name, result
            outcomes = train_those_behind(waiting, progress)
            steps = {name: partial(running[name].send, partial(give, outcome)) for name, outcome in outcomes.items()}
    finally:
        for name, course in running.items():
            try:
                with suppress(Interrupted, KeyboardInterrupt):
                    course.throw(KeyboardInterrupt)
            except RUN_ERRORS as error:  # it cannot be saved, the others can
                print(f"{name}: {error}", flush=True)


def train_those_behind(waiting: dict[str, Trainer], progress: Progress) -> dict[str, dict[str, float] | Exception]:
    """Take out the trainers with the fewest epochs done, train them for one, and give the record or error of each.

    Those that are compiled and those that are not, where runs that go on are of both kinds, train one after the other.
    """
    epoch = min((trainer.epoch for trainer in waiting.values()), default=0)
    behind = {name: trainer for name, trainer in waiting.items() if trainer.epoch == epoch}
    for name in behind:
        del waiting[name]
    if not behind:
        return {}
    outcomes: dict[str, dict[str, float] | Exception] = {}
    for compiled in {trainer.compiled for trainer in behind.values()}:
        alike = {name: trainer for name, trainer in behind.items() if trainer.compiled == compiled}
        try:
            found = Ensemble(list(alike.values()), progress).train_epoch()
        except Exception as error:  # of the program, or for want of memory
            found = [error] * len(alike)
        progress.ensemble_line([outcome for outcome in found if isinstance(outcome, dict)])
        outcomes |= zip(alike, found)
    return outcomes


def give(outcome: dict[str, float] | Exception) -> dict[str, float]:
    """Return a record, or raise an error."""
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
