"""Claims about runs, each judged by differences that are paired by seed.

A claim is a function that gives comparisons of a column, which are the runs on one data set with one likelihood.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from utils.grids.saved import SavedRun, saved_runs
from utils.results.groups import grouped
from vae.evaluation.statistics import FAILS, HOLDS, UNDECIDED, Estimate, paired_difference

Judge = Callable[[Estimate], str]  # gives a verdict


class Model(NamedTuple):
    """What was trained: a loss, and the options of it that tell it from others."""

    loss: str
    options: dict[str, Any] = {}


@dataclass(frozen=True)
class Column:
    """The runs on one data set that were trained with one likelihood, and differ in loss, options and seed."""

    dataset: str
    rec_dist: str
    runs: Sequence[SavedRun]

    def values(self, model: Model, quantity: str = "squared_error", split: str = "test") -> dict[int, float]:
        """A quantity of a model by seed, such as "squared_error", or "evidence mean" within another."""
        found = {}
        for run in self.runs:
            if run.config.loss == model.loss and run.config.loss_options.items() >= model.options.items():
                value: Any = run.evaluation[split]
                for name in quantity.split():
                    value = value.get(name) if value else None
                found |= {} if value is None else {run.config.seed: value}
        return dict(sorted(found.items()))

    def difference(
        self, left: Model, right: Model, quantity: str = "squared_error", *, without: int | None = None
    ) -> Estimate | None:
        """left - right, paired by seed; None where no seed has both, but for one that is left out."""
        mine, others = (self.values(model, quantity) for model in (left, right))
        for values in (mine, others):
            values.pop(without, None)
        return paired_difference(mine, others) if mine.keys() & others.keys() else None

    def best(self, models: Iterable[Model], seed: int, split: str = "train") -> Model | None:
        """The model with the least squared error of a seed; None if there are no runs of it."""
        errors = [(values[seed], model) for model in models if seed in (values := self.values(model, split=split))]
        return min(errors, key=lambda pair: pair[0])[1] if errors else None


class Comparison(NamedTuple):
    """What a part of a claim says of a difference, such as of one α."""

    label: str
    difference: Estimate | None  # None: there are no such runs
    judge: Judge

    @property
    def verdict(self) -> str:
        """What the difference says of it."""
        return self.judge(self.difference) if self.difference else UNDECIDED


@dataclass(frozen=True)
class Claim:
    """What somebody says of runs, in words, and what decides it."""

    text: str
    source: str  # who says so, and where
    measured: str  # which difference is taken, and which is claimed to be so
    comparisons: Callable[[Column], Iterator[Comparison]]

    def of(self, column: Column) -> list[Comparison]:
        """Its comparisons on a data set; those that no run is there for have no difference."""
        return list(self.comparisons(column))


def verdict(comparisons: Sequence[Comparison]) -> str:
    """What comparisons say together: it holds where all hold, and fails where one fails; else it is undecided."""
    verdicts = {comparison.verdict for comparison in comparisons if comparison.difference}
    return FAILS if FAILS in verdicts else HOLDS if verdicts == {HOLDS} else UNDECIDED


def outcome(comparisons: Sequence[Comparison]) -> str:
    """The verdict of comparisons; while it is undecided, in how many parts the claim holds. Empty without a run."""
    found, there = verdict(comparisons), [one for one in comparisons if one.difference]
    if found == UNDECIDED and len(there) > 1:
        return f"{found}, {HOLDS} in {sum(one.verdict == HOLDS for one in there)} of {len(there)}"
    return found if comparisons else ""


def read_columns(*folders: Path) -> list[Column]:
    """The runs in some folders that have ended, those together that share all settings."""
    groups = grouped(run for folder in folders for run in saved_runs(folder))
    return [Column(group.settings["dataset"], group.settings["rec_dist"], group.runs) for group in groups]
