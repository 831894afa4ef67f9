"""Claims about runs, each judged by differences that are paired by seed.

A claim is a function that gives comparisons of a group of runs, which is a column of a table.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from utils.grids.saved import saved_runs
from utils.results.groups import RunGroup, grouped
from vae.evaluation.statistics import FAILS, FEWEST_SEEDS, HOLDS, UNDECIDED, Estimate

TOO_FEW = "too few seeds"

Judge = Callable[[Estimate], str]  # gives a verdict


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
    comparisons: Callable[[RunGroup], Iterator[Comparison]]
    dataset: str | None = None  # that it is about; None: all

    def of(self, group: RunGroup) -> list[Comparison]:
        """Its comparisons in a group; those that no seed has both sides of have no difference."""
        return list(self.comparisons(group)) if self.dataset in (None, group.dataset) else []


def verdict(comparisons: Sequence[Comparison]) -> str:
    """What comparisons say together: it holds where all hold, and fails where one fails; else it is undecided."""
    verdicts = {comparison.verdict for comparison in comparisons}
    return FAILS if FAILS in verdicts else HOLDS if verdicts == {HOLDS} else UNDECIDED


def outcome(comparisons: Sequence[Comparison]) -> str:
    """The verdict of comparisons; while it is undecided, in how many parts the claim holds. Empty without a run.

    TOO_FEW where no comparison has the seeds that a verdict needs.
    """
    found, seeds = verdict(comparisons), [one.difference.count if one.difference else 0 for one in comparisons]
    if max(seeds, default=0) < FEWEST_SEEDS:
        return TOO_FEW if any(seeds) else ""
    if found == UNDECIDED and len(comparisons) > 1:
        return f"{found}, {HOLDS} in {sum(one.verdict == HOLDS for one in comparisons)} of {len(comparisons)}"
    return found


def read_columns(*folders: Path) -> list[RunGroup]:
    """The runs in some folders that have ended, those together that share all settings: the columns of a table."""
    return grouped(run for folder in folders for run in saved_runs(folder))
