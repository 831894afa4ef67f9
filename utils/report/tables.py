"""From the result files of runs to tables: mean and 95 % interval over seeds, and the best value of a swept option.

Beside the mean stands the difference from KL, paired by seed: what a seed does to both goes out of it.
"""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from utils.grids.grid import run_name
from utils.grids.saved import SavedRun
from utils.machine.console import counted
from utils.results.cells import estimate_text
from utils.results.groups import (
    EVIDENCE,
    REPEATED,
    Estimate,
    by_configuration,
    comparable,
    difference,
    estimate,
    evidence_samples,
    least_error,
)
from utils.results.labels import (
    INCIDENTAL,
    flag_label,
    run_label,
    swept_option,
    symbol_of,
    table_order,
    told_flags,
    varying_flags,
)
from utils.results.paper_numbers import DATASETS, PaperNumber, is_comparison, published, published_over
from utils.runs.config import RunConfig

SPLITS = ("test", "train")
BASELINE = "KL"  # the loss that others are compared with


@dataclass(frozen=True)
class Replicates:
    """The runs of one configuration, which differ in their seeds only."""

    config: RunConfig  # with the first seed
    told: tuple[str, ...]  # the flags that tell it from others on the same data with the same likelihood
    runs: tuple[SavedRun, ...]  # one of each seed

    @property
    def label(self) -> str:
        """The loss, and the flags that are told."""
        return run_label(self.config, self.told)

    def family(self, flag: str | None = None) -> str:
        """The label without a flag; without the swept option where none is given."""
        return run_label(self.config, [name for name in self.told if name != (flag or self.option)])

    @property
    def settings(self) -> dict[str, float]:
        """Its settings that are numbers, other than the loss's options and what makes no difference in training."""
        apart = {"seed", *INCIDENTAL, *self.config.loss_options}
        flags = {name: value for name, value in self.config.flags().items() if name not in apart}
        return {name: value for name, value in flags.items() if type(value) in (int, float)}

    @cached_property
    def ended(self) -> list[SavedRun]:
        """Those that have ended. Raises ResultsError if an evaluation is damaged."""
        return [run for run in self.runs if run.ended and run.evaluation]

    @property
    def option(self) -> str | None:
        """The option of the loss whose values are compared, such as GJS_A; None if there is none."""
        return swept_option(self.config.loss)

    @property
    def value(self) -> float | None:
        """The value of that option."""
        return self.value_of()

    def value_of(self, flag: str | None = None) -> float | None:
        """The value of a flag; of the swept option where none is given."""
        return self.config.flags().get(flag or self.option)

    def estimate(self, split: str, quantity: str = "squared_error") -> Estimate | None:
        """A quantity of a split over the seeds that have it; None if there is none."""
        return estimate(self.ended, quantity, split)

    @property
    def evidence(self) -> tuple[Estimate, int] | None:
        """The evidence of test images over seeds, and by how many draws of z for each; None if no seed has it."""
        found = self.estimate("test", EVIDENCE)
        (compared,) = comparable(EVIDENCE, self.ended)
        return (found, evidence_samples(compared[0])) if found else None

    @property
    def setting(self) -> tuple:
        """What it shares with those that it can be compared with."""
        apart = {"loss", *REPEATED, *self.config.loss_options}
        return tuple((name, value) for name, value in self.config.flags().items() if name not in apart)


def replicates(runs: Sequence[SavedRun]) -> list[Replicates]:
    """The runs of each configuration, in the order of Table 1: by loss, then by what varies."""
    varying = varying_flags([run.config for run in runs])
    rows = []
    for own in by_configuration(runs):
        config = own[0].config
        rows.append(Replicates(config, tuple(told_flags(config, varying)), tuple(own)))
    return sorted(rows, key=lambda row: (*table_order(row.config), dataset_place(row.config.dataset)))


def dataset_place(name: str) -> int:
    """The place of a data set in a table: as in the paper's, others behind."""
    return DATASETS.index(name) if name in DATASETS else len(DATASETS)


# Tables


@dataclass(frozen=True)
class Cell:
    """What a table has in one row for one data set."""

    rec_dist: str
    replicates: Replicates | None  # None where there is no run
    paper: PaperNumber | None
    chosen: bool = False  # whether the swept option's value was chosen, in a row of the best
    paper_value: float | None = None  # the one that is best by the paper's numbers
    baseline: Replicates | None = None  # the runs that it is compared with; None where there are none

    def text(self, split: str, seeds: int | None) -> str:
        """Mean ± half of the interval, with the value that was chosen, and the number of seeds unless it is `seeds`."""
        found = self.replicates.estimate(split) if self.replicates else None
        if found is None:
            return "not ended" if self.replicates else ""
        own = self.replicates
        remarks = [flag_label(own.option, own.value)] if self.chosen and split == "test" else []
        return estimate_text(found, *remarks, *seeds_remark(found, seeds))

    @cached_property
    def difference(self) -> Estimate | None:
        """Its test squared error less that of KL(q‖p), paired by seed; None if it is KL, or no seed has both."""
        if self.replicates is None or self.baseline in (None, self.replicates):
            return None
        return difference(self.replicates.ended, self.baseline.ended, "squared_error")

    def difference_text(self, seeds: int | None) -> str:
        """That difference, with its sign; empty if there is none."""
        found = self.difference
        return estimate_text(found, *seeds_remark(found, seeds), sign="+") if found else ""


def seeds_remark(found: Estimate, seeds: int | None) -> list[str]:
    """How many seeds an estimate is of, unless it is `seeds`."""
    return [] if found.count == seeds else [counted(found.count, "seed")]


@dataclass(frozen=True)
class Row:
    """A row of a table: a configuration on each data set, or the best of several."""

    loss: str
    label: str
    cells: dict[str, Cell]  # by data set
    chosen_on: str | None = None  # the split by which the best value of the loss's swept option was chosen

    @property
    def option(self) -> str | None:
        """The swept option of its loss."""
        return swept_option(self.loss)

    def paper_texts(self, dataset: str) -> tuple[str, str, str]:
        """The paper's number, its marks, and the option's value where it was chosen; each empty if there is none.

        The number is in brackets where the model was most likely trained with another likelihood.
        """
        cell = self.cells[dataset]
        if cell.paper is None:
            return "", "", ""
        chosen = f" ({flag_label(self.option, cell.paper_value)})" if cell.paper_value is not None else ""
        number = f"{cell.paper.value:.2f}"
        comparable = cell.paper.likelihood in (None, cell.rec_dist)
        return number if comparable else f"[{number}]", cell.paper.marks, chosen


@dataclass(frozen=True)
class Table:
    """The squared errors of models that were trained with one likelihood."""

    rec_dist: str
    datasets: list[str]
    rows: list[Row]

    def column(self, dataset: str) -> list[Cell]:
        """The cells of a data set."""
        return [row.cells[dataset] for row in self.rows]

    def has_runs(self, dataset: str) -> bool:
        """Whether a data set has runs."""
        return any(cell.replicates for cell in self.column(dataset))

    def has_differences(self, dataset: str) -> bool:
        """Whether a data set has runs to compare with those of KL."""
        return any(cell.difference for cell in self.column(dataset))

    def has_paper(self, dataset: str) -> bool:
        """Whether the paper has numbers for a data set."""
        return any(cell.paper for cell in self.column(dataset))

    def heads(self, dataset: str) -> list[str]:
        """What the columns of a data set are called: splits, difference from KL, and the paper's where it has any."""
        own = [*SPLITS, *([f"− {BASELINE}"] if self.has_differences(dataset) else [])]
        return [*(own if self.has_runs(dataset) else ["no runs"]), *(["paper"] if self.has_paper(dataset) else [])]

    def seeds(self, dataset: str) -> int | None:
        """How many seeds most cells of a data set have; None if no run has ended."""
        counts = [len(own.ended) for cell in self.column(dataset) if (own := cell.replicates) and own.ended]
        return statistics.mode(counts) if counts else None

    def best(self, dataset: str) -> Replicates | None:
        """Those with the least test squared error on a data set; None if no run has ended."""
        return best_of([cell.replicates for cell in self.column(dataset) if cell.replicates], "test")


def tables(found: Sequence[Replicates]) -> list[Table]:
    """A table for each likelihood, a row for each label, and rows of the best values after those of a loss."""
    made = []
    for rec_dist in dict.fromkeys(own.config.rec_dist for own in found):
        own = [one for one in found if one.config.rec_dist == rec_dist]
        datasets = datasets_of(own)
        rows: list[Row] = []
        for loss in dict.fromkeys(one.config.loss for one in own):
            of_loss = [one for one in own if one.config.loss == loss]
            for label in dict.fromkeys(one.label for one in of_loss):
                rows.append(configuration_row([one for one in of_loss if one.label == label], datasets))
            for family in families(of_loss):
                rows += [best_row(family, datasets, split) for split in ("train", "test")]
        baselines = {one.setting: one for one in own if one.config.loss == BASELINE}
        made.append(Table(rec_dist, datasets, [compared(row, baselines) for row in rows]))
    return made


def compared(row: Row, baselines: dict[tuple, Replicates]) -> Row:
    """The row, with what each of its cells is compared with."""
    cells = {
        dataset: replace(cell, baseline=baselines.get(cell.replicates.setting)) if cell.replicates else cell
        for dataset, cell in row.cells.items()
    }
    return replace(row, cells=cells)


def datasets_of(found: Sequence[Replicates]) -> list[str]:
    """The data sets of runs, the paper's first; all of the paper's, where runs that it compares may be added."""
    own = list(dict.fromkeys(one.config.dataset for one in found))
    named = all(run_name({"dataset": r.config.dataset}) in r.folder.path.name for one in found for r in one.runs)
    compared = named and is_comparison(one.config for one in found)
    return [name for name in DATASETS if name in own or compared] + [name for name in own if name not in DATASETS]


def configuration_row(found: Sequence[Replicates], datasets: list[str]) -> Row:
    """The row of those with one label."""
    on = {one.config.dataset: one for one in found}
    config = found[0].config
    cells = {d: Cell(config.rec_dist, on.get(d), published(replace(config, dataset=d))) for d in datasets}
    return Row(config.loss, found[0].label, cells)


def families(found: Sequence[Replicates], setting: str | None = None) -> list[list[Replicates]]:
    """Those that differ in data set and in one flag only, where they do in that: a setting, else their swept option."""
    by_family: dict[str, list[Replicates]] = defaultdict(list)
    for one in found:
        if setting is None or setting in one.settings:
            by_family[one.family(setting)].append(one)
    return [family for family in by_family.values() if len({one.value_of(setting) for one in family}) > 1]


def best_row(family: Sequence[Replicates], datasets: list[str], split: str) -> Row:
    """The value with the least squared error on a split, for each data set: of ours, and of the paper's."""
    config, option = family[0].config, family[0].option
    cells = {}
    for dataset in datasets:
        best = best_of([one for one in family if one.config.dataset == dataset], split)
        numbers = published_over(replace(config, dataset=dataset), option)
        errors = {v: n.value if split == "test" else n.train for v, n in numbers.items()}
        errors = {value: error for value, error in errors.items() if error is not None}
        value = min(errors, key=errors.get, default=None)
        cells[dataset] = Cell(config.rec_dist, best, numbers.get(value), best is not None, value)
    return Row(config.loss, f"{family[0].family()}, best {symbol_of(option)} on {split}", cells, chosen_on=split)


def best_of(found: Sequence[Replicates], split: str) -> Replicates | None:
    """Those with the least squared error on a split, see `least_error`; None if none has ended."""
    ended = [one for one in found if one.ended]
    return ended[least_error([one.ended for one in ended], split)] if ended else None
