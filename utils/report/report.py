"""The report of an experiment: a page, a table as Markdown and as CSV, and figures, from result files alone."""

import csv
import html
import io
import re
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from utils.figures.charts import Point, alpha_curves
from utils.figures.style import DPI
from utils.grids.grid import run_name
from utils.grids.paper_numbers import REMARKS
from utils.report.findings import EMPTY, MADE, QUANTITY, UNFINISHED, Findings, Place, read_findings
from utils.report.page import FIGURE_SCALE, page
from utils.report.tables import SPLITS, Block, Cell, Line, Row, count_of, families
from utils.runs.folder import ResultsFolder, experiment_folder
from utils.runs.runtime import resume_command

PAGE, TABLE, CSV = "report.html", "table.md", "table.csv"
CSV_COLUMNS = (
    *("rec_dist", "dataset", "label", "chosen_on", "loss", "alpha", "epochs", "train_images", "test_images", "seeds"),
    *("test_mean", "test_half_width", "test_values", "train_mean", "train_half_width", "train_values"),
    *("paper_test", "paper_train", "paper_alpha", "paper_marks", "command"),
)
SUPERSCRIPTS = str.maketrans("bgtmau", "ᵇᵍᵗᵐᵃᵘ")


def write_report(experiment: str, results_dir: Path) -> None:
    """Write the report of results/<experiment>/, a grid of runs or a single one, into that folder.

    Raises ResultsError if there is no such experiment, a file of it is damaged, or the folder cannot be written to.
    """
    folder = experiment_folder(results_dir, experiment).path
    findings = read_findings(folder)
    pictures = {name: png(figure) for name, figure in figures(findings).items()}
    texts = {TABLE: markdown(findings), CSV: comma_separated(findings), PAGE: page(findings, pictures)}
    for name, content in {**pictures, **{name: text.encode() for name, text in texts.items()}}.items():
        ResultsFolder(folder).replace(name, lambda file, content=content: file.write(content))
    ended = len(findings.members) - len(findings.unfinished)
    others = ", ".join([TABLE, CSV, *pictures])
    print(f"report of {ended} of {len(findings.members)} runs in {folder / PAGE}, beside it {others}")


# Figures


def figures(findings: Findings) -> dict[str, Figure]:
    """Squared error against alpha, for each data set and likelihood that has several, by the names of the files."""
    found = {}
    for block in findings.blocks:
        for dataset in block.datasets:
            rows = [line.cells[dataset].row for line in block.lines if line.chosen_on is None]
            rows = [row for row in rows if row and row.evaluations]
            curves = {family[0].family: by_split(family) for family in families(rows)}
            lines = {
                row.label: {split: row.estimate(split).mean for split in SPLITS} for row in rows if row.alpha is None
            }
            if curves:
                title = f"{dataset}, trained with {block.rec_dist}".replace("$", r"\$")  # no mathematics
                name = run_name({"dataset": dataset, "rec_dist": block.rec_dist})
                found[f"alpha_{name}.png"] = alpha_curves(curves, lines, title=title)
    return found


def by_split(family: list[Row]) -> dict[str, list[Point]]:
    """Alpha, mean squared error and half of its interval, of rows that differ in alpha."""
    points: dict[str, list[Point]] = {}
    for split in SPLITS:
        estimates = {row.alpha: row.estimate(split) for row in sorted(family, key=lambda row: row.alpha)}
        points[split] = [(alpha, estimate.mean, estimate.half_width) for alpha, estimate in estimates.items()]
    return points


def png(figure: Figure) -> bytes:
    """A figure as a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI * FIGURE_SCALE)
    return buffer.getvalue()


# Tables


def markdown(findings: Findings) -> str:
    """table.md: a table for each likelihood, with what has to be known to read it."""
    parts = [f"# {literal(findings.folder.name)}", QUANTITY]
    if notice := findings.scale_notice():
        parts.append(f"**{literal(notice)}**")
    parts.append("\n".join(f"- {literal(name)}: {literal(text)}" for name, text in findings.settings().items()))
    for block in findings.blocks:
        parts += [f"## Trained with {literal(block.rec_dist)}", markdown_table(block)]
    if findings.marks:
        marks = [f"- {mark.translate(SUPERSCRIPTS)} {text}" for mark, text in findings.marks.items()]
        parts += ["Beside the paper's numbers:", "\n".join(marks), *REMARKS]
    for title, commands in commands_by_title(findings).items():
        parts.append(f"## {title}")
        parts += [f"{literal(name)}:\n\n    " + text.replace("\n", "\n    ") for name, text in commands.items()]
    return "\n\n".join(parts) + "\n"


def markdown_table(block: Block) -> str:
    """One table in Markdown: for each data set test, train, and the paper's numbers where it has any."""
    columns = {"loss": [literal(line.label) for line in block.lines]}
    for dataset in block.datasets:
        cells, seeds = block.column(dataset), block.seeds(dataset)
        name = literal(dataset)
        title = f"{name}, {count_of(seeds, 'seed')}" if seeds else name
        for split in SPLITS if block.has_runs(dataset) else []:
            columns[f"{title}, {split}"] = [cell.text(split, seeds) for cell in cells]
        if not block.has_runs(dataset):
            columns[title] = [""] * len(cells)
        if block.has_paper(dataset):
            texts = [cell.paper_texts for cell in cells]
            columns[f"{name}, paper"] = [
                f"{value}{marks.translate(SUPERSCRIPTS)}{alpha}" for value, marks, alpha in texts
            ]
    lines = [list(columns), ["---"] * len(columns), *zip(*columns.values())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def commands_by_title(findings: Findings) -> dict[str, dict[str, str]]:
    """The commands below the tables, by what they are for, and each by its name."""
    unfinished = {member.folder.path.name: resume_command(member.folder.path) for member in findings.unfinished}
    each = {place.name: text for place, text in findings.commands.items()}
    missing = {place.name: findings.commands[place] for place in findings.missing}
    made = {name: text for name, text in each.items() if name not in missing}
    titles = {UNFINISHED: unfinished, MADE: {**findings.whole, **made}, EMPTY: {**findings.columns, **missing}}
    return {title: commands for title, commands in titles.items() if commands}


def literal(text: str) -> str:
    """A text that Markdown shows as it is."""
    return re.sub(r"([\\|*_`\[\]#])", r"\\\1", html.escape(" ".join(text.split()), quote=False))


def comma_separated(findings: Findings) -> str:
    """table.csv: a line for each configuration on each data set, runs or none, with every digit."""
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for block in findings.blocks:
        for line in block.lines:
            for dataset, cell in line.cells.items():
                writer.writerow(csv_line(findings, block, line, dataset, cell))
    return text.getvalue()


def csv_line(findings: Findings, block: Block, line: Line, dataset: str, cell: Cell) -> dict[str, Any]:
    """One line of table.csv; of seeds, only those whose runs have ended."""
    values = {"rec_dist": block.rec_dist, "dataset": dataset, "label": line.label, "chosen_on": line.chosen_on}
    for split in SPLITS:
        if cell.row and (estimate := cell.row.estimate(split)):
            values |= {f"{split}_mean": estimate.mean, f"{split}_half_width": estimate.half_width}
            values[f"{split}_values"] = " ".join(map(repr, estimate.values.values()))
            values["seeds"] = " ".join(map(str, estimate.values))
    if cell.row:
        config, data = cell.row.config, cell.row.members[0].record["data"]
        values |= {"loss": config.loss, "alpha": cell.row.alpha, "epochs": config.epochs}
        values |= {f"{split}_images": data[f"{split}_images"] for split in SPLITS}
    if cell.paper:
        values |= {"paper_test": cell.paper.test, "paper_train": cell.paper.train, "paper_marks": cell.paper.marks}
        values["paper_alpha"] = cell.paper_alpha
    label = cell.row.label if cell.row else line.label
    return {**values, "command": findings.commands.get(Place(block.rec_dist, dataset, label))}
