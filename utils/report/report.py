"""The report of an experiment: a page, a table as Markdown and as CSV, and figures, from result files alone."""

import csv
import html
import io
import re
import unicodedata
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from utils.figures.over_options import estimates_figure
from utils.figures.style import SQUARED_ERROR, colors_by_label, png
from utils.grids.grid import run_name
from utils.grids.saved import pages_held
from utils.machine.console import counted
from utils.report.findings import EMPTY, MADE, QUANTITY, UNFINISHED, CellKey, Findings, read_findings
from utils.report.page import page
from utils.report.tables import BASELINE, SPLITS, Cell, Replicates, Row, Table, families
from utils.results.groups import EVIDENCE
from utils.results.labels import symbol_of, without_mathematics
from utils.results.paper_numbers import REMARKS
from utils.runs.folder import CSV, REPORT, TABLE
from utils.runs.loading import experiment_folder

CSV_COLUMNS = (
    *("rec_dist", "dataset", "label", "chosen_on", "loss", "alpha", "epochs", "train_images", "test_images", "seeds"),
    *("test_mean", "test_half_width", "test_values", "train_mean", "train_half_width", "train_values"),
    *("difference_mean", "difference_half_width", "difference_values"),
    *("paper_test", "paper_train", "paper_alpha", "paper_marks", "command", "swept", "value", "paper_value"),
)
MEASURES = {"squared_error": (SQUARED_ERROR, SPLITS), EVIDENCE: ("log p(x) of test images (nats)", ("test",))}
SUPERSCRIPTS = str.maketrans("bgtmau", "ᵇᵍᵗᵐᵃᵘ")


def write_report(experiment: str, results_dir: Path) -> None:
    """Write the report of results/<experiment>/, a grid of runs or a single one, into that folder.

    Raises ResultsError if there is no such experiment, a file of it is damaged, or the folder cannot be written to.
    """
    folder = experiment_folder(results_dir, experiment, again="--report writes it again")
    findings = read_findings(folder.path)
    folder.check_place()
    pictures = {name: png(figure) for name, figure in swept_figures(findings).items()}
    texts = {TABLE: markdown(findings), CSV: comma_separated(findings), REPORT: page(findings, pictures)}
    files = {**pictures, **{name: text.encode(errors="replace") for name, text in texts.items()}}
    with pages_held(folder):
        for name, content in files.items():
            folder.replace(name, lambda file, content=content: file.write(content))
    ended = len(findings.runs) - len(findings.unfinished)
    others = ", ".join([TABLE, CSV, *pictures])
    print(f"report of {ended} of {len(findings.runs)} runs in {folder / REPORT}, beside it {others}")


# Figures


def swept_figures(findings: Findings) -> dict[str, Figure]:
    """Squared error and evidence against what has several values on a data set, by the names of the files.

    That is the swept option of losses, with a panel for each family; or a setting, with all curves in one.
    """
    found = {}
    for table in findings.tables:
        for dataset in table.datasets:
            cells = [row.cells[dataset] for row in table.rows if row.chosen_on is None]
            ended = [cell.replicates for cell in cells if cell.replicates and cell.replicates.ended]
            name = run_name({"dataset": dataset, "rec_dist": table.rec_dist})
            title = without_mathematics(f"{dataset}, trained with {table.rec_dist}")
            by_option = families(ended)
            called = file_names({family[0].option for family in by_option})
            for option in dict.fromkeys(family[0].option for family in by_option):
                curves = [family for family in by_option if family[0].option == option]
                lines = [own for own in ended if not any(own in family for family in by_option)]
                found |= both_figures(curves, lines, option, title, f"{called[option]}_{name}")
            for setting in dict.fromkeys(setting for own in ended for setting in own.settings):
                if curves := families(ended, setting):
                    found |= both_figures(curves, [], setting, title, f"{file_name(setting)}_{name}", together=True)
    return found


def both_figures(
    curves: list[list[Replicates]], lines: list[Replicates], flag: str, title: str, name: str, *, together: bool = False
) -> dict[str, Figure]:
    """Squared error against a flag, beside configurations that have no curve, and the evidence where it was measured.

    Estimates of the evidence by different numbers of draws cannot be compared: then they have no figure.
    """
    shown = [*lines, *(own for family in curves for own in family)]
    losses = {own.label if own in lines else own.family(flag): own.config.loss for own in shown}
    draws = {own.evidence[1] for own in shown if own.evidence}
    found = {}
    for quantity, (label, splits) in MEASURES.items():
        over = {family[0].family(flag): by_split(family, flag, quantity, splits) for family in curves}
        beside = {own.label: {split: own.estimate(split, quantity) for split in splits} for own in lines}
        over, beside = ({key: own for key, own in parts.items() if all(own.values())} for parts in (over, beside))
        if over and (quantity != EVIDENCE or len(draws) == 1):
            place = f"evidence-{name}.png" if quantity == EVIDENCE else f"{name}.png"
            form = {"option": flag, "title": title, "quantity": label, "together": together}
            found[place] = estimates_figure(over, beside, colors_by_label(losses), **form)
    return found


def by_split(family: list[Replicates], flag: str, quantity: str, splits: tuple[str, ...]) -> dict[str, Any]:
    """A quantity of a family by split and by the value of the flag, ascending, where it is known."""
    members = {own.value_of(flag): own for own in sorted(family, key=lambda own: own.value_of(flag))}
    found = {split: {value: own.estimate(split, quantity) for value, own in members.items()} for split in splits}
    return {split: {value: one for value, one in values.items() if one} for split, values in found.items()}


def file_names(options: Collection[str]) -> dict[str, str]:
    """What options with figures of one data set are called in the names of these: where two are α, by their flags."""
    short = {option: spelled(option) for option in options}
    names = list(short.values())
    return {option: file_name(option) if names.count(name) > 1 else name for option, name in short.items()}


def spelled(option: str) -> str:
    """An option in the name of a file: alpha for α, else its flag."""
    symbol = symbol_of(option)
    greek = len(symbol) == 1 and not symbol.isascii()
    return unicodedata.name(symbol).split()[-1].lower() if greek else file_name(option)


def file_name(flag: str) -> str:
    """A flag in the name of a file."""
    return flag.replace("_", "-")


# Tables


def markdown(findings: Findings) -> str:
    """table.md: a table for each likelihood, with what has to be known to read it."""
    parts = [f"# {literal(findings.folder.name)}", QUANTITY]
    if notice := findings.scale_notice():
        parts.append(f"**{literal(notice)}**")
    parts.append("\n".join(f"- {literal(name)}: {literal(text)}" for name, text in findings.settings().items()))
    for table in findings.tables:
        parts += [f"## Trained with {literal(table.rec_dist)}", markdown_table(table)]
    if findings.marks:
        marks = [f"- {mark.translate(SUPERSCRIPTS)} {text}" for mark, text in findings.marks.items()]
        parts += ["Beside the paper's numbers:", "\n".join(marks), *REMARKS]
    for title, commands in commands_by_title(findings).items():
        parts.append(f"## {title}")
        parts += [f"{literal(name)}:\n\n    " + text.replace("\n", "\n    ") for name, text in commands.items()]
    return "\n\n".join(parts) + "\n"


def markdown_table(table: Table) -> str:
    """One table in Markdown: for each data set test, train, difference from KL, and the paper's where it has any."""
    columns = {"loss": [literal(row.label) for row in table.rows]}
    for dataset in table.datasets:
        cells, seeds = table.column(dataset), table.seeds(dataset)
        name = literal(dataset)
        title = f"{name}, {counted(seeds, 'seed')}" if seeds else name
        for split in SPLITS if table.has_runs(dataset) else []:
            columns[f"{title}, {split}"] = [cell.text(split, seeds) for cell in cells]
        if table.has_differences(dataset):
            columns[f"{name}, − {BASELINE}"] = [cell.difference_text(seeds) for cell in cells]
        if not table.has_runs(dataset):
            columns[title] = [""] * len(cells)
        if table.has_paper(dataset):
            texts = [row.paper_texts(dataset) for row in table.rows]
            columns[f"{name}, paper"] = [
                f"{value}{marks.translate(SUPERSCRIPTS)}{best}" for value, marks, best in texts
            ]
    lines = [list(columns), ["---"] * len(columns), *zip(*columns.values())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def commands_by_title(findings: Findings) -> dict[str, dict[str, str]]:
    """The commands below the tables, by what they are for, and each by its name."""
    each = {key.name: text for key, text in findings.commands.items()}
    missing = {key.name: findings.commands[key] for key in findings.missing}
    made = {name: text for name, text in each.items() if name not in missing}
    titles = {
        UNFINISHED: findings.unfinished,
        MADE: {**findings.whole, **made},
        EMPTY: {**findings.column_commands, **missing},
    }
    return {title: commands for title, commands in titles.items() if commands}


def literal(text: str) -> str:
    """A text that Markdown shows as it is."""
    return re.sub(r"([\\|*_`\[\]#])", r"\\\1", html.escape(" ".join(text.split()), quote=False))


def comma_separated(findings: Findings) -> str:
    """table.csv: a line for each configuration on each data set, runs or none, with every digit."""
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for table in findings.tables:
        for row in table.rows:
            for dataset, cell in row.cells.items():
                writer.writerow(csv_line(findings, row, CellKey(table.rec_dist, dataset, row.label), cell))
    return text.getvalue()


def csv_line(findings: Findings, row: Row, key: CellKey, cell: Cell) -> dict[str, Any]:
    """One line of table.csv; of seeds, only those whose runs have ended."""
    values = {"rec_dist": key.rec_dist, "dataset": key.dataset, "label": key.label, "chosen_on": row.chosen_on}
    is_alpha = row.option and symbol_of(row.option) == "α"
    for split in SPLITS:
        if cell.replicates and (found := cell.replicates.estimate(split)):
            values |= {f"{split}_mean": found.mean, f"{split}_half_width": found.half_width}
            values[f"{split}_values"] = " ".join(map(repr, found.values.values()))
            values["seeds"] = " ".join(map(str, found.values))
    if found := cell.difference:
        values |= {"difference_mean": found.mean, "difference_half_width": found.half_width}
        values["difference_values"] = " ".join(map(repr, found.values.values()))
    if own := cell.replicates:
        data, value = own.runs[0].record["data"], own.value
        values |= {"loss": own.config.loss, "epochs": own.config.epochs, "swept": own.option, "value": value}
        values |= {f"{split}_images": data[f"{split}_images"] for split in SPLITS}
        values["alpha"] = value if is_alpha else None
    if cell.paper:
        values |= {"paper_test": cell.paper.test, "paper_train": cell.paper.train, "paper_marks": cell.paper.marks}
        values |= {"paper_value": cell.paper_value, "paper_alpha": cell.paper_value if is_alpha else None}
    return {**values, "command": findings.commands.get(replace(key, label=own.label) if own else key)}
