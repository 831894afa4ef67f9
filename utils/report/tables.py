"""From the result files of runs to the rows of a table: mean and 95 % interval over seeds, and the best alpha."""

import math
import statistics
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from scipy.special import stdtrit

from utils.grids.commands import given_flags
from utils.grids.grid import run_name
from utils.grids.paper_numbers import DATASETS, PaperNumber, published
from utils.grids.presets import ALPHAS
from utils.grids.saved import SavedRun
from utils.runs.config import EVALUATION_OPTIONS, RunConfig, default_options, flags_in_order
from utils.runs.folder import EVALUATION, ResultsError

SPLITS = ("test", "train")
SKEWED = ("GJS", "dGJS")  # with a given alpha, of which the best is chosen
LOSS_ORDER = ["KL", "rKL", "betaH", "MMD", "GJS", "tGJS", "dGJS", "tdGJS"]  # Table 1's; others come after them
SYMBOLS = {"GJS_A": "α", "GJS_B": "λ", "betaH_B": "β", "MMD_B": "λ"}
ALWAYS_NAMED = {"GJS": "GJS_A", "dGJS": "GJS_A", "betaH": "betaH_B", "MMD": "MMD_B"}  # as the paper names them
NO_MATTER = {"evaluate_every", *EVALUATION_OPTIONS}  # to squared errors
NOT_IN_LABELS = {"dataset", "rec_dist", "loss", "seed", *NO_MATTER}


@dataclass(frozen=True)
class Estimate:
    """A quantity of one configuration, by seed."""

    values: dict[int, float]

    @property
    def mean(self) -> float:
        return statistics.mean(self.values.values())

    @property
    def half_width(self) -> float | None:
        """Half of the 95 % interval of the mean, t s / √n with n - 1 degrees of freedom; None for one seed."""
        n = len(self.values)
        if n == 1:
            return None
        return float(stdtrit(n - 1, 0.975)) * statistics.stdev(self.values.values()) / math.sqrt(n)


@dataclass(frozen=True)
class Row:
    """The runs of one configuration, which differ in their seeds only."""

    config: RunConfig  # with the first seed
    label: str  # the loss, and what tells it from others on the same data with the same likelihood
    family: str  # the same without alpha
    members: tuple[SavedRun, ...]  # one of each seed

    @cached_property
    def evaluations(self) -> dict[int, dict[str, dict[str, float]]]:
        """What evaluation.json holds, by seed, of the runs that have ended. Raises ResultsError if one is damaged."""
        return {m.config.seed: read_evaluation(m) for m in self.members if m.ended}

    @property
    def alpha(self) -> float | None:
        """The given skew of GJS and dGJS; None for any other loss."""
        return self.config.loss_options["GJS_A"] if self.config.loss in SKEWED else None

    def estimate(self, split: str, quantity: str = "squared_error") -> Estimate | None:
        """A quantity of a split over the seeds that have it; None if there is none."""
        values = {seed: e[split][quantity] for seed, e in self.evaluations.items() if quantity in e.get(split, {})}
        return Estimate(values) if values else None


def read_evaluation(member: SavedRun) -> dict[str, dict[str, float]]:
    """What evaluation.json of a run that has ended holds. Raises ResultsError if it has no squared errors."""
    evaluation = member.evaluation
    try:
        if all(math.isfinite(evaluation[split]["squared_error"]) for split in SPLITS):
            return evaluation
    except (KeyError, TypeError):
        pass
    path = member.folder / EVALUATION
    raise ResultsError(f"{path} has no squared error of each split: --is-eval-only makes it anew")


def table_rows(members: list[SavedRun]) -> list[Row]:
    """The rows of runs, in the order of Table 1: by loss, then by what varies."""
    varying = varying_flags([member.config for member in members])
    groups: dict[tuple, dict[int, SavedRun]] = defaultdict(dict)
    for member in sorted(members, key=lambda m: (m.config.seed, m.ended)):
        flags = {k: v for k, v in member.config.flags().items() if k not in {"seed", *NO_MATTER}}
        groups[tuple(flags.items())][member.config.seed] = member  # of two runs with the same seed one that has ended
    rows = []
    for group in groups.values():
        runs = tuple(group.values())
        config = runs[0].config
        flags = told_flags(config, varying)
        family = row_label(config, [name for name in flags if name != "GJS_A"])
        rows.append(Row(config, row_label(config, flags), family, runs))
    return sorted(rows, key=lambda row: sort_key(row.config))


def varying_flags(configs: list[RunConfig]) -> set[tuple[str | None, str]]:
    """The flags that vary between runs on the same data with the same likelihood: (None, setting), (loss, option)."""
    values: dict[tuple, set] = defaultdict(set)
    for config in configs:
        for name, value in given_flags(config).items():
            if name not in NOT_IN_LABELS:
                loss = config.loss if name in config.loss_options else None
                values[config.dataset, config.rec_dist, loss, name].add(value)
    return {(loss, name) for (_, _, loss, name), found in values.items() if len(found) > 1}


def told_flags(config: RunConfig, varying: set[tuple[str | None, str]]) -> list[str]:
    """The flags that a label tells: those that vary, and options that are not at their defaults."""
    flags, defaults = given_flags(config), default_options(config.loss)

    def told(name: str) -> bool:
        if name not in config.loss_options:
            return (None, name) in varying
        return (config.loss, name) in varying or flags[name] != defaults[name] or name == ALWAYS_NAMED.get(config.loss)

    return sorted((name for name in flags if told(name)), key=[*SYMBOLS, *flags_in_order()].index)


def row_label(config: RunConfig, flags: list[str]) -> str:
    """The loss with some of its flags, such as "GJS α = 0.1, λ = 2"."""
    return f"{config.loss} {', '.join(flag_label(name, config.flags()[name]) for name in flags)}".strip()


def flag_label(name: str, value: Any) -> str:
    """A flag and its value, in short."""
    if isinstance(value, bool):
        return ("" if value else "no-") + name.replace("_", "-")
    text = str(value).removesuffix(".0") if isinstance(value, float) else str(value)
    if value is None:
        text = "auto" if name == "compile" else "all"
    return f"{SYMBOLS.get(name, name.replace('_', '-'))} = {text}"


def sort_key(config: RunConfig) -> tuple:
    """The place of a configuration in a table: by its loss, then by its options, then by its settings."""
    place = LOSS_ORDER.index(config.loss) if config.loss in LOSS_ORDER else len(LOSS_ORDER)
    names = [*sorted(config.loss_options, key=flags_in_order().index), *RunConfig.options()]
    values = [config.flags()[name] for name in names if name not in NOT_IN_LABELS]
    dataset = DATASETS.index(config.dataset) if config.dataset in DATASETS else len(DATASETS)
    return place, config.loss, [(value is not None, value or 0) for value in values], dataset


# Tables


@dataclass(frozen=True)
class Cell:
    """What a table has for one line and one data set."""

    rec_dist: str
    row: Row | None  # None where there is no run
    paper: PaperNumber | None
    alpha: float | None = None  # the one that was chosen, in a line of the best
    paper_alpha: float | None = None

    def text(self, split: str, seeds: int | None) -> str:
        """Mean ± half of the interval, with alpha where it was chosen, and the number of seeds unless it is `seeds`."""
        estimate = self.row.estimate(split) if self.row else None
        if estimate is None:
            return "not ended" if self.row else ""
        interval = f" ± {estimate.half_width:.2f}" if estimate.half_width is not None else ""
        remarks = [flag_label("GJS_A", self.alpha)] if self.alpha is not None and split == "test" else []
        remarks += [count_of(len(estimate.values), "seed")] if len(estimate.values) != seeds else []
        return f"{estimate.mean:.2f}{interval}" + (f" ({', '.join(remarks)})" if remarks else "")

    @property
    def paper_texts(self) -> tuple[str, str, str]:
        """The paper's number, its marks, and alpha where it was chosen; each empty if there is none.

        The number is in brackets where the model was most likely trained with another likelihood.
        """
        if self.paper is None:
            return "", "", ""
        alpha = f" ({flag_label('GJS_A', self.paper_alpha)})" if self.paper_alpha is not None else ""
        number = f"{self.paper.value:.2f}"
        return number if self.paper.likelihood in (None, self.rec_dist) else f"[{number}]", self.paper.marks, alpha


@dataclass(frozen=True)
class Line:
    """A line of a table: a configuration on each data set, or the best of several."""

    label: str
    cells: dict[str, Cell]  # by data set
    chosen_on: str | None = None  # the split by which the best alpha was chosen


@dataclass(frozen=True)
class Block:
    """The table of one likelihood."""

    rec_dist: str
    datasets: list[str]
    lines: list[Line]

    def column(self, dataset: str) -> list[Cell]:
        """The cells of a data set."""
        return [line.cells[dataset] for line in self.lines]

    def has_runs(self, dataset: str) -> bool:
        return any(cell.row for cell in self.column(dataset))

    def has_paper(self, dataset: str) -> bool:
        return any(cell.paper for cell in self.column(dataset))

    def seeds(self, dataset: str) -> int | None:
        """How many seeds most cells of a data set have; None if no run has ended."""
        counts = [len(cell.row.evaluations) for cell in self.column(dataset) if cell.row and cell.row.evaluations]
        return statistics.mode(counts) if counts else None

    def best(self, dataset: str) -> Row | None:
        """The row with the least test squared error on a data set; None if no run has ended."""
        return least_error([cell.row for cell in self.column(dataset) if cell.row], "test")


def blocks(rows: list[Row]) -> list[Block]:
    """A table for each likelihood, with a line for each label, and lines of the best alpha after those of a loss."""
    found = []
    for rec_dist in dict.fromkeys(row.config.rec_dist for row in rows):
        own = [row for row in rows if row.config.rec_dist == rec_dist]
        datasets = columns(own)
        lines: list[Line] = []
        for loss in dict.fromkeys(row.config.loss for row in own):
            of_loss = [row for row in own if row.config.loss == loss]
            for label in dict.fromkeys(row.label for row in of_loss):
                lines.append(configuration_line([row for row in of_loss if row.label == label], datasets))
            for family in families(of_loss):
                lines += [best_line(family, datasets, split) for split in ("train", "test")]
        found.append(Block(rec_dist, datasets, lines))
    return found


def columns(rows: list[Row]) -> list[str]:
    """The data sets of runs, the paper's first; all of the paper's, where runs that it compares may be added."""
    own = list(dict.fromkeys(row.config.dataset for row in rows))
    named = all(run_name({"dataset": m.config.dataset}) in m.folder.path.name for row in rows for m in row.members)
    losses = {row.config.loss for row in rows if published(row.config)}
    compared = named and "KL" in losses and losses & {*SKEWED}
    return [name for name in DATASETS if name in own or compared] + [name for name in own if name not in DATASETS]


def configuration_line(rows: list[Row], datasets: list[str]) -> Line:
    """The line of rows with one label."""
    by_dataset = {row.config.dataset: row for row in rows}
    config = rows[0].config
    cells = {d: Cell(config.rec_dist, by_dataset.get(d), published(replace(config, dataset=d))) for d in datasets}
    return Line(rows[0].label, cells)


def families(rows: list[Row]) -> list[list[Row]]:
    """The rows that differ in data set and alpha only, where they do in alpha."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.family].append(row)
    return [group for group in groups.values() if len({row.alpha for row in group}) > 1]


def best_line(family: list[Row], datasets: list[str], split: str) -> Line:
    """The alpha with the least squared error on a split, for each data set: of ours, and of the paper's nine."""
    cells = {}
    for dataset in datasets:
        row = least_error([row for row in family if row.config.dataset == dataset], split)
        numbers = {}
        for alpha in ALPHAS:
            options = {**family[0].config.loss_options, "GJS_A": alpha}
            number = published(replace(family[0].config, dataset=dataset, loss_options=options))
            if number and (split == "test" or number.train is not None):
                numbers[alpha] = number
        best = min(numbers, key=lambda a: numbers[a].value if split == "test" else numbers[a].train, default=None)
        cells[dataset] = Cell(family[0].config.rec_dist, row, numbers.get(best), row and row.alpha, best)
    return Line(f"{family[0].family}, best α on {split}", cells, chosen_on=split)


def least_error(rows: list[Row], split: str) -> Row | None:
    """The row with the least mean squared error on a split; None if none has ended."""
    ended = [row for row in rows if row.estimate(split)]
    return min(ended, key=lambda row: row.estimate(split).mean, default=None)


def count_of(count: int, noun: str) -> str:
    """Such as "one seed" or "3 seeds"."""
    return f"one {noun}" if count == 1 else f"{count:,} {noun}s"
