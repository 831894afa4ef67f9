"""What a report says of an experiment, whatever form it takes: from the result files of its runs alone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from utils.grids.commands import GridCommand, default_flags, find_grid, on_dataset, run_command
from utils.grids.presets import EPOCHS, EPOCHS_OF
from utils.grids.saved import SavedRun, experiment_runs
from utils.machine.console import counted
from utils.report.tables import Replicates, Row, Table, replicates, tables
from utils.results.groups import check_data
from utils.results.labels import UNTOLD
from utils.results.paper_numbers import MARKS
from utils.runs.config import RunConfig, flags_in_order
from utils.runs.runtime import resume_command

QUANTITY = (
    "Squared error per image, summed over pixels, at z = posterior mean: the mean over seeds ± half of its 95 % "
    "interval (Student's t), or one seed's value without an interval. Behind − KL stands the test error less that of "
    "KL(q‖p), the mean of the differences by seed."
)
ALWAYS_TOLD = ("latent_dim", "batch_size", "lr", "noise")  # of the settings, at their defaults too
TOLD_ELSEWHERE = UNTOLD | {"epochs", "train_size", "test_size"}
UNFINISHED, MADE = "These have not ended; what goes on with them", "What made the runs"
EMPTY = "What fills the empty places"


@dataclass(frozen=True)
class CellKey:
    """Which cell of the tables."""

    rec_dist: str
    dataset: str
    label: str

    @property
    def name(self) -> str:
        """What it is called where it stands alone."""
        return f"{self.label}, {self.dataset}, {self.rec_dist}"


@dataclass(frozen=True)
class Findings:
    """The runs of an experiment, and its tables."""

    folder: Path
    runs: list[SavedRun]
    replicates: list[Replicates]
    tables: list[Table]

    @property
    def datasets(self) -> list[str]:
        """The data sets that have runs, in the order of the tables."""
        return list(dict.fromkeys(d for table in self.tables for d in table.datasets if table.has_runs(d)))

    @property
    def losses(self) -> list[str]:
        """The losses that there are runs with, in the order of the tables."""
        return list(dict.fromkeys(own.config.loss for own in self.replicates))

    @property
    def state(self) -> str:
        """How many runs there are, and how many of them have ended where not all have."""
        unfinished = len(self.unfinished)
        ended = f", {len(self.runs) - unfinished} of them ended" if unfinished else ""
        return counted(len(self.runs), "run") + ended

    @cached_property
    def unfinished(self) -> dict[str, str]:
        """The runs that have not ended by name, with the command that goes on with each."""
        return {run.folder.path.name: resume_command(run.folder.path) for run in self.runs if not run.ended}

    @cached_property
    def grid(self) -> GridCommand | None:
        """The grid that all of the runs are of, and perhaps some that have not begun; None where there is none."""
        configs = [named_config(run) for own in self.replicates for run in own.runs]
        return find_grid(configs, exact=False) if len(configs) > 1 else None

    @property
    def marks(self) -> dict[str, str]:
        """What the marks of the paper's numbers mean, of those that occur; empty if there are no such numbers."""
        cells = [cell for table in self.tables for row in table.rows for cell in row.cells.values()]
        used = {mark for cell in cells if cell.paper for mark in cell.paper.marks}
        return {mark: text for mark, text in MARKS.items() if mark in used}

    @cached_property
    def commands(self) -> dict[CellKey, str]:
        """The command that makes the runs of each cell of the tables, whether they are there or not."""
        return {
            CellKey(table.rec_dist, dataset, row.label): self.runs_command(self.runs_of(row, dataset))
            for table in self.tables
            for dataset in table.datasets
            for row in table.rows
            if row.chosen_on is None
        }

    @cached_property
    def missing(self) -> list[CellKey]:
        """The cells without a run."""
        filled = {key_of(own) for own in self.replicates}
        return [key for key in self.commands if key not in filled]

    @cached_property
    def whole(self) -> dict[str, str]:
        """The command that makes all of the runs, by what it makes; none where no one command does."""
        if self.grid is None:
            return {}
        more = self.grid.runs - sum(len(own.runs) for own in self.replicates)
        name = f"All {self.grid.runs} runs" + (f", of which {more} have not begun" if more else "")
        return {name: self.grid.command(self.folder)}

    @cached_property
    def column_commands(self) -> dict[str, str]:
        """The commands that fill columns without a run, by what they make; none where no one command does."""
        found = {}
        for table in self.tables if self.grid else []:
            for dataset in [name for name in table.datasets if not table.has_runs(name)]:
                runs = [self.runs_of(row, dataset) for row in table.rows if row.chosen_on is None]
                grid = find_grid([config for one in runs for config in one.values()], [self.grid.preset])
                if grid:
                    found[f"All of {dataset}, {table.rec_dist}"] = grid.command(self.folder)
        return found

    def runs_of(self, row: Row, dataset: str) -> dict[Path, RunConfig]:
        """The runs of a row on a data set by their folders; where it has none, those that it has on another, moved."""
        if own := row.cells[dataset].replicates:
            return {run.folder.path: named_config(run) for run in own.runs}
        own = next(cell.replicates for cell in row.cells.values() if cell.replicates)
        configs = [on_dataset(named_config(run), dataset) for run in own.runs]
        return {self.folder / config.experiment: config for config in configs}

    def runs_command(self, runs: dict[Path, RunConfig]) -> str:
        """The command that makes runs in their folders: of the preset if it can be, else one after the other."""
        if self.grid and (own := find_grid(list(runs.values()), [self.grid.preset])):
            return own.command(self.folder)
        return " && ".join(run_command(folder, config) for folder, config in runs.items())

    def settings(self) -> dict[str, str]:
        """What the runs have in common or differ in, by data set, then the settings of all."""
        told = {}
        for dataset in self.datasets:
            own = [run for run in self.runs if run.config.dataset == dataset]
            parts = [
                several(counted(run.config.epochs, "epoch") for run in own),
                f"{several(amount(run, 'train') for run in own)} training and "
                f"{several(amount(run, 'test') for run in own)} test images",
                f"seed {several(str(seed) for seed in sorted({run.config.seed for run in own}))}",
                several(run.record["data"]["source"] for run in own),
            ]
            told[dataset] = "; ".join(parts)
        configs = [run.config for run in self.runs]
        texts = [several(text for c in configs if (text := setting_text(c, name))) for name in told_settings(configs)]
        return {**told, "all": "; ".join(texts)}

    def scale_notice(self) -> str | None:
        """A warning if the table has the paper's numbers beside runs that are shorter than the presets', or smaller."""
        if not self.marks:
            return None
        small = []
        for dataset in self.datasets:
            configs = [run.config for run in self.runs if run.config.dataset == dataset]
            usual = EPOCHS_OF.get(dataset, EPOCHS)
            parts = [counted(n, "epoch") for n in sorted({c.epochs for c in configs}) if n < usual]
            parts = [f"{several(parts)} where the presets have {usual}"] if parts else []
            for split in ("train", "test"):
                sizes = sorted({n for c in configs if (n := getattr(c, f"{split}_size"))})
                parts += [f"only the first {several(f'{n:,}' for n in sizes)} {split} images"] if sizes else []
            small += [f"{dataset} has {', '.join(parts)}"] if parts else []
        if not small:
            return None
        return f"Not at the scale of the paper: {'; '.join(small)}. The paper's numbers are no measure of these."


def read_findings(folder: Path) -> Findings:
    """The findings of the experiment in a folder, a grid of runs or a single one.

    Raises ResultsError if there is none, a file of it is damaged, or its runs have other data by the same name.
    """
    runs = experiment_runs(folder)
    check_data(runs)
    found = replicates(runs)
    return Findings(folder, runs, found, tables(found))


def key_of(own: Replicates) -> CellKey:
    """The cell that a configuration's runs stand in."""
    return CellKey(own.config.rec_dist, own.config.dataset, own.label)


def named_config(run: SavedRun) -> RunConfig:
    """The configuration of a run, by the name that its folder has."""
    return replace(run.config, experiment=run.folder.path.name)


def several(texts: Iterable[str]) -> str:
    """Texts, each once, in a row."""
    return ", ".join(dict.fromkeys(texts))


def amount(run: SavedRun, split: str) -> str:
    """How many images of a split a run has."""
    count = f"{run.record['data'][f'{split}_images']:,}"
    return f"the first {count}" if getattr(run.config, f"{split}_size") else f"all {count}"


def told_settings(configs: Sequence[RunConfig]) -> list[str]:
    """The settings of all runs that are told: some always, any other where a run has not its default."""
    given = set()
    for config in configs:
        defaults = default_flags(config)
        given |= {name for name, value in config.flags().items() if value != defaults[name]} - set(config.loss_options)
    return [name for name in flags_in_order() if name in ALWAYS_TOLD or name in given - TOLD_ELSEWHERE]


def setting_text(config: RunConfig, name: str) -> str:
    """The value of a setting, and its default where that is another; empty of one that the run does not have."""
    if name not in config.flags():
        return ""
    value, default = config.flags()[name], default_flags(config)[name]
    usual = f" (default {in_short(default)})" if default not in (None, value) else ""
    return f"{name.replace('_', '-')} {in_short(value)}{usual}"


def in_short(value: float | int | bool | str | None) -> str:
    """The value of a setting: a number by its first digits."""
    return f"{value:g}" if type(value) in (int, float) else str(value)
