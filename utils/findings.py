"""What a report says of an experiment, whatever form it takes: from the result files of its runs alone."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from utils.commands import default_flags, grid_command, on_dataset, run_command
from utils.config import RunConfig
from utils.paper_numbers import MARKS
from utils.presets import EPOCHS, EPOCHS_OF
from utils.results import CONFIG, ResultsError
from utils.sweeps import Member, members, read_member
from utils.tables import Block, Line, Row, blocks, count_of, table_rows

QUANTITY = (
    "Squared error per image, summed over pixels, at z = posterior mean: the mean over seeds ± half of its 95 % "
    "interval (Student's t), or one seed's value without an interval."
)
UNFINISHED, MADE = "These have not ended; what goes on with them", "What made the runs"
EMPTY = "What fills the empty places"


@dataclass(frozen=True)
class Missing:
    """An empty place of a table."""

    rec_dist: str
    dataset: str
    label: str
    command: str  # that fills it


@dataclass(frozen=True)
class Findings:
    """The runs of an experiment, and its tables."""

    folder: Path
    members: list[Member]
    rows: list[Row]
    blocks: list[Block]

    @property
    def datasets(self) -> list[str]:
        """The data sets that have runs, in the order of the tables."""
        return list(dict.fromkeys(d for block in self.blocks for d in block.datasets if block.has_runs(d)))

    @property
    def unfinished(self) -> list[Member]:
        return [member for member in self.members if not member.ended]

    @cached_property
    def command(self) -> str | None:
        """The command that makes all of the runs, where a single one does."""
        configs = [named_config(member) for row in self.rows for member in row.members]
        return grid_command(self.folder, configs) if len(configs) > 1 else None

    @property
    def marks(self) -> dict[str, str]:
        """What the marks of the paper's numbers mean, of those that occur; empty if there are no such numbers."""
        cells = [cell for block in self.blocks for line in block.lines for cell in line.cells.values()]
        used = {mark for cell in cells if cell.paper for mark in cell.paper.marks}
        return {mark: text for mark, text in MARKS.items() if mark in used}

    @cached_property
    def missing(self) -> list[Missing]:
        """The empty places in the tables."""
        return [
            Missing(block.rec_dist, dataset, line.label, self.cell_command(line, dataset))
            for block in self.blocks
            for dataset in block.datasets
            for line in block.lines
            if line.chosen_on is None and line.cells[dataset].row is None
        ]

    def cell_command(self, line: Line, dataset: str) -> str | None:
        """The command that makes the runs of one place; None for a best alpha that is not known yet."""
        if row := line.cells[dataset].row:
            return self.runs_command({m.folder.path: named_config(m) for m in row.members})
        return self.runs_command(self.absent(line, dataset)) if line.chosen_on is None else None

    def column_command(self, block: Block, dataset: str) -> str | None:
        """The command that fills a column that has no runs; None for other columns, and if no one command does."""
        if block.has_runs(dataset):
            return None
        absent = [self.absent(line, dataset) for line in block.lines if line.chosen_on is None]
        return grid_command(self.folder, [config for runs in absent for config in runs.values()])

    def absent(self, line: Line, dataset: str) -> dict[Path, RunConfig]:
        """The runs that a line is without on a data set, by their folders: those that it has on another, moved."""
        row = next(cell.row for cell in line.cells.values() if cell.row)
        configs = [on_dataset(named_config(member), dataset) for member in row.members]
        return {self.folder / config.experiment: config for config in configs}

    def runs_command(self, runs: dict[Path, RunConfig]) -> str:
        """The command that makes runs in their folders: a grid if it can be, else one after the other."""
        own = [run_command(folder, config) for folder, config in runs.items()]
        return grid_command(self.folder, list(runs.values())) or " && ".join(own)

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
        for name in ("latent_dim", "batch_size", "lr", "noise"):
            told[f"--{name.replace('_', '-')}"] = several(setting_text(m.config, name) for m in self.members)
        return told

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
        return f"Not at the scale of the paper: {'; '.join(small)}. Its numbers are no match for these."


def read_findings(folder: Path) -> Findings:
    """The findings of the experiment in a folder, a grid of runs or a single one.

    Raises ResultsError if there is none, or a file of it is damaged.
    """
    found = [read_member(folder)] if (folder / CONFIG).exists() else members(folder)
    if not found:
        state = "holds no runs" if folder.exists() else "does not exist"
        raise ResultsError(f"{folder} {state}: check the name, or give the flags of runs besides --report")
    rows = table_rows(found)
    return Findings(folder, found, rows, blocks(rows))


def named_config(member: Member) -> RunConfig:
    """The configuration of a run, by the name that its folder has."""
    return replace(member.config, experiment=member.folder.path.name)


def several(texts: Iterable[str]) -> str:
    """Texts, each once, in a row."""
    return ", ".join(dict.fromkeys(texts))


def amount(member: Member, split: str) -> str:
    """How many images of a split a run has."""
    count = f"{member.record['data'][f'{split}_images']:,}"
    return f"the first {count}" if getattr(member.config, f"{split}_size") else f"all {count}"


def setting_text(config: RunConfig, name: str) -> str:
    """The value of a setting, and its default where that is another."""
    value, default = config.flags()[name], default_flags(config)[name]
    return f"{value:g}" if value == default else f"{value:g} (default: {default:g})"
