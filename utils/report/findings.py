"""What a report says of an experiment, whatever form it takes: from the result files of its runs alone."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from utils.grids.commands import Grid, default_flags, find_grid, on_dataset, run_command
from utils.grids.paper_numbers import MARKS
from utils.grids.presets import EPOCHS, EPOCHS_OF
from utils.grids.saved import SavedRun, read_run, saved_runs
from utils.report.tables import Block, Line, Row, blocks, count_of, table_rows
from utils.runs.config import RunConfig
from utils.runs.folder import CONFIG, ResultsError

QUANTITY = (
    "Squared error per image, summed over pixels, at z = posterior mean: the mean over seeds ± half of its 95 % "
    "interval (Student's t), or one seed's value without an interval."
)
UNFINISHED, MADE = "These have not ended; what goes on with them", "What made the runs"
EMPTY = "What fills the empty places"


@dataclass(frozen=True)
class Place:
    """Where something stands in the tables."""

    rec_dist: str
    dataset: str
    label: str

    @property
    def name(self) -> str:
        return f"{self.label}, {self.dataset}, {self.rec_dist}"


@dataclass(frozen=True)
class Findings:
    """The runs of an experiment, and its tables."""

    folder: Path
    members: list[SavedRun]
    rows: list[Row]
    blocks: list[Block]

    @property
    def datasets(self) -> list[str]:
        """The data sets that have runs, in the order of the tables."""
        return list(dict.fromkeys(d for block in self.blocks for d in block.datasets if block.has_runs(d)))

    @property
    def unfinished(self) -> list[SavedRun]:
        return [member for member in self.members if not member.ended]

    @cached_property
    def grid(self) -> Grid | None:
        """The grid that all of the runs are of, and perhaps some that have not begun; None where there is none."""
        configs = [named_config(member) for row in self.rows for member in row.members]
        return find_grid(configs, exact=False) if len(configs) > 1 else None

    @property
    def marks(self) -> dict[str, str]:
        """What the marks of the paper's numbers mean, of those that occur; empty if there are no such numbers."""
        cells = [cell for block in self.blocks for line in block.lines for cell in line.cells.values()]
        used = {mark for cell in cells if cell.paper for mark in cell.paper.marks}
        return {mark: text for mark, text in MARKS.items() if mark in used}

    @cached_property
    def commands(self) -> dict[Place, str]:
        """The command that makes the runs of each place in the tables, whether they are there or not."""
        return {
            Place(block.rec_dist, dataset, line.label): self.runs_command(self.runs_of(line, dataset))
            for block in self.blocks
            for dataset in block.datasets
            for line in block.lines
            if line.chosen_on is None
        }

    @cached_property
    def missing(self) -> list[Place]:
        """The places without a run."""
        filled = {Place(row.config.rec_dist, row.config.dataset, row.label) for row in self.rows}
        return [place for place in self.commands if place not in filled]

    @cached_property
    def whole(self) -> dict[str, str]:
        """The command that makes all of the runs, by what it makes; none where no one command does."""
        if self.grid is None:
            return {}
        more = self.grid.runs - sum(len(row.members) for row in self.rows)
        name = f"All {self.grid.runs} runs" + (f", of which {more} have not begun" if more else "")
        return {name: self.grid.command(self.folder)}

    @cached_property
    def columns(self) -> dict[str, str]:
        """The commands that fill columns without a run, by what they make; none where no one command does."""
        found = {}
        for block in self.blocks if self.grid else []:
            for dataset in [name for name in block.datasets if not block.has_runs(name)]:
                runs = [self.runs_of(line, dataset) for line in block.lines if line.chosen_on is None]
                grid = find_grid([config for one in runs for config in one.values()], [self.grid.preset])
                if grid:
                    found[f"All of {dataset}, {block.rec_dist}"] = grid.command(self.folder)
        return found

    def runs_of(self, line: Line, dataset: str) -> dict[Path, RunConfig]:
        """The runs of a line on a data set by their folders; where it has none, those that it has on another, moved."""
        if row := line.cells[dataset].row:
            return {member.folder.path: named_config(member) for member in row.members}
        row = next(cell.row for cell in line.cells.values() if cell.row)
        configs = [on_dataset(named_config(member), dataset) for member in row.members]
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
            own = [m for m in self.members if m.config.dataset == dataset]
            parts = [
                several(count_of(m.config.epochs, "epoch") for m in own),
                f"{several(amount(m, 'train') for m in own)} training and "
                f"{several(amount(m, 'test') for m in own)} test images",
                f"seed {several(str(s) for s in sorted({m.config.seed for m in own}))}",
                several(m.record["data"]["source"] for m in own),
            ]
            told[dataset] = "; ".join(parts)
        others = ("latent_dim", "batch_size", "lr", "noise")
        texts = [several(setting_text(member.config, name) for member in self.members) for name in others]
        return {**told, "all": "; ".join(texts)}

    def scale_notice(self) -> str | None:
        """A warning if the table has the paper's numbers beside runs that are shorter than the presets', or smaller."""
        if not self.marks:
            return None
        small = []
        for dataset in self.datasets:
            configs = [m.config for m in self.members if m.config.dataset == dataset]
            usual = EPOCHS_OF.get(dataset, EPOCHS)
            parts = [count_of(n, "epoch") for n in sorted({c.epochs for c in configs}) if n < usual]
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

    Raises ResultsError if there is none, or a file of it is damaged.
    """
    found = [read_run(folder)] if (folder / CONFIG).exists() else saved_runs(folder)
    if not found:
        state = "holds no runs" if folder.exists() else "does not exist"
        raise ResultsError(f"{folder} {state}: check the name, or give the flags of runs besides --report")
    rows = table_rows(found)
    return Findings(folder, found, rows, blocks(rows))


def named_config(member: SavedRun) -> RunConfig:
    """The configuration of a run, by the name that its folder has."""
    return replace(member.config, experiment=member.folder.path.name)


def several(texts: Iterable[str]) -> str:
    """Texts, each once, in a row."""
    return ", ".join(dict.fromkeys(texts))


def amount(member: SavedRun, split: str) -> str:
    """How many images of a split a run has."""
    count = f"{member.record['data'][f'{split}_images']:,}"
    return f"the first {count}" if getattr(member.config, f"{split}_size") else f"all {count}"


def setting_text(config: RunConfig, name: str) -> str:
    """The value of a setting, and its default where that is another."""
    value, default = config.flags()[name], default_flags(config)[name]
    return f"{name.replace('_', '-')} {value:g}" + (f" (default {default:g})" if value != default else "")
