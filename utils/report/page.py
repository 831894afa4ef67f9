"""report.html: one page with everything in it, to look at and to send."""

import base64
import html
from pathlib import Path
from typing import Any

from utils.grids.commands import run_command
from utils.grids.paper_numbers import REMARKS
from utils.grids.saved import SavedRun
from utils.report.findings import EMPTY, QUANTITY, UNFINISHED, Findings, Place, named_config
from utils.report.tables import SPLITS, Block, Line, Row, count_of
from utils.runs.folder import PICTURES, RECONSTRUCTIONS, SAMPLES
from utils.runs.runtime import resume_command

STYLE, SCRIPT = (Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
# Nothing is fetched, whatever a name or a picture holds.
FIGURE_SCALE = 2  # pixels of a figure to one of the page, for sharp screens
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
LEGEND = (
    " The least of a data set is bold. A number leads to its runs below, a dash to the command that fills its place."
)


class Markup(str):
    """Text that is HTML already; `tag` escapes any other."""


def tag(name: str, /, *content: str, **attributes: str) -> Markup:
    """An HTML element. `class_` is the attribute class; an empty attribute is left out."""
    inside = "".join(part if isinstance(part, Markup) else html.escape(part) for part in content)
    told = "".join(f' {key.rstrip("_")}="{html.escape(value)}"' for key, value in attributes.items() if value)
    return Markup(f"<{name}{told}>" if name in ("img", "meta") else f"<{name}{told}>{inside}</{name}>")


def page(findings: Findings, figures: dict[str, bytes]) -> str:
    """The page of an experiment, with figures (PNG) by name."""
    name = findings.folder.name
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
        tag("title", f"{name}: report"),
        tag("style", Markup(STYLE)),
    )
    body = tag(
        "body",
        tag("main", *introduction(findings), *tables(findings), *pictures(figures), *runs(findings), *gaps(findings)),
        tag("script", Markup(SCRIPT)),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def introduction(findings: Findings) -> list[Markup]:
    """What the page is about, and how large the runs were."""
    ended = len(findings.members) - len(findings.unfinished)
    state = count_of(len(findings.members), "run") + (f", {ended} of them ended" if findings.unfinished else "")
    losses = list(dict.fromkeys(row.config.loss for row in findings.rows))
    parts = [tag("h1", findings.folder.name), tag("p", f"{state}: {', '.join(losses)}.", class_="lead")]
    if notice := findings.scale_notice():
        parts.append(tag("p", notice, class_="notice"))
    settings = [tag("tr", tag("th", name, scope="row"), tag("td", text)) for name, text in findings.settings().items()]
    parts.append(tag("div", tag("table", *settings, class_="settings"), class_="scroll"))
    return [*parts, *labelled(findings.whole)]


# Tables


def tables(findings: Findings) -> list[Markup]:
    """A table for each likelihood, and what has to be known of the paper's numbers."""
    parts = [tag("h2", "Squared error"), tag("p", QUANTITY, LEGEND)]
    places = [Place(row.config.rec_dist, row.config.dataset, row.label) for row in findings.rows]
    anchors = {place: f"#row-{number}" for number, place in enumerate(places)}
    anchors |= {place: f"#missing-{number}" for number, place in enumerate(findings.missing)}
    for block in findings.blocks:
        parts += [tag("h3", f"Trained with {block.rec_dist}"), table(block, anchors)]
    if findings.marks:
        marks = [tag("li", tag("sup", mark), f" {text}") for mark, text in findings.marks.items()]
        remarks = [tag("p", text) for text in REMARKS]
        parts.append(tag("div", tag("p", "Beside the paper's numbers:"), tag("ul", *marks), *remarks, class_="notes"))
    return parts


def table(block: Block, anchors: dict[Place, str]) -> Markup:
    """One table: for each data set test, train, and the paper's numbers where it has any."""
    over, under = [tag("th", "loss", rowspan="2", scope="col")], []
    for dataset in block.datasets:
        seeds = block.seeds(dataset)
        names = [
            *(SPLITS if block.has_runs(dataset) else ["no runs"]),
            *(["paper"] if block.has_paper(dataset) else []),
        ]
        note = [tag("small", f" {count_of(seeds, 'seed')}")] if seeds else []
        over.append(tag("th", dataset, *note, colspan=str(len(names)), scope="colgroup", class_="first"))
        under += [tag("th", n, scope="col", class_="first" if n == names[0] else "") for n in names]
    lines = []
    for line in block.lines:
        cells = [tag("th", line.label, scope="row")]
        for dataset in block.datasets:
            anchor = anchors.get(Place(block.rec_dist, dataset, line.label))
            cells += numbers(block, line, dataset, anchor)
        lines.append(tag("tr", *cells, class_="chosen" if line.chosen_on else ""))
    head = tag("thead", tag("tr", *over), tag("tr", *under))
    return tag("div", tag("table", head, tag("tbody", *lines), class_="numbers"), class_="scroll")


def numbers(block: Block, line: Line, dataset: str, anchor: str | None) -> list[Markup]:
    """What a line has for one data set."""
    cell, seeds = line.cells[dataset], block.seeds(dataset)
    first, *others = [cell.text(split, seeds) for split in SPLITS] if block.has_runs(dataset) else [""]
    shown = with_remark(first or "–")
    if anchor:
        shown = [tag("a", *shown, href=anchor)]
    if cell.row and cell.row is block.best(dataset):
        shown = [tag("strong", *shown)]
    found = [tag("td", *shown, class_="first"), *(tag("td", *with_remark(text)) for text in others)]
    if block.has_paper(dataset):
        value, marks, alpha = cell.paper_texts
        found.append(tag("td", value, tag("sup", marks), tag("small", alpha), class_="paper"))
    return found


def with_remark(text: str) -> list[str]:
    """A number, and what stands behind it in brackets, small."""
    number, bracket, remark = text.partition(" (")
    return [number, tag("small", bracket + remark)] if bracket else [number]


# Pictures and runs


def pictures(figures: dict[str, bytes]) -> list[Markup]:
    """The figures."""
    shown = [tag("figure", picture(content, name, FIGURE_SCALE)) for name, content in figures.items()]
    return [tag("h2", "Squared error against α"), *shown] if shown else []


def picture(content: bytes, description: str, scale: int = 1) -> Markup:
    """A PNG file within the page, so many of its pixels to one of the page's."""
    width, height = (str(int.from_bytes(content[start : start + 4], "big") // scale) for start in (16, 20))
    source = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    return tag("img", src=source, alt=description, width=width, height=height, loading="lazy")


def runs(findings: Findings) -> list[Markup]:
    """The runs of each row with their command, their pictures and all of their numbers."""
    parts = [tag("h2", "Runs")]
    for number, row in enumerate(findings.rows):
        place = Place(row.config.rec_dist, row.config.dataset, row.label)
        title = tag("h3", row.label, tag("small", f" {place.dataset}, {place.rec_dist}"), id=f"row-{number}")
        each = [part for member in row.members for part in run(row, member)]
        parts.append(tag("article", title, command_box(findings.commands[place]), *each))
    return parts


def run(row: Row, member: SavedRun) -> list[Markup]:
    """One run."""
    seed = member.config.seed
    if not member.ended:
        return [tag("p", f"Seed {seed}: not ended.")]
    evaluation = row.evaluations[seed]
    errors = ", ".join(f"{split} {evaluation[split]['squared_error']:.2f}" for split in SPLITS)
    paths = {name: member.folder / name for name in PICTURES if (member.folder / name).exists()}
    shown = {name: picture(path.read_bytes(), f"{name} of {path.parent.name}") for name, path in paths.items()}
    first = [shown[name] for name in (RECONSTRUCTIONS, SAMPLES) if name in shown][:1]
    more = [shown[name] for name in shown if name not in (RECONSTRUCTIONS, SAMPLES)]
    own = command_box(run_command(member.folder.path, named_config(member)))
    return [
        tag("p", f"Seed {seed}: squared error {errors}."),
        *first,
        *([own] if len(row.members) > 1 else []),
        tag("details", tag("summary", "Traversals, curves and every number"), *more, all_numbers(evaluation)),
    ]


def all_numbers(evaluation: dict[str, Any]) -> Markup:
    """What evaluation.json holds, a table for each part."""
    parts = []
    for part, values in evaluation.items():
        lines = [tag("tr", tag("th", name, scope="row"), tag("td", text)) for name, text in numbers_by_name(values)]
        parts.append(tag("table", tag("caption", part), *lines))
    return tag("div", *parts, class_="evaluation")


def numbers_by_name(value: Any, name: str = "") -> list[tuple[str, str]]:
    """Numbers in short with the names on the way to them, of lists the elements in a row."""
    if isinstance(value, dict):
        return [
            pair for key, v in value.items() for pair in numbers_by_name(v, f"{name} {key.replace('_', ' ')}".strip())
        ]
    values = value if isinstance(value, list) else [value]
    return [(name, ", ".join(f"{v:.5g}" if isinstance(v, float) else str(v) for v in values))]


def gaps(findings: Findings) -> list[Markup]:
    """The commands of runs that have not ended, and of those that are not there yet."""
    unfinished = {member.folder.path.name: resume_command(member.folder.path) for member in findings.unfinished}
    parts = [tag("h2", UNFINISHED), *labelled(unfinished)] if unfinished else []
    if findings.missing:
        parts += [tag("h2", EMPTY), *labelled(findings.columns)]
        for number, place in enumerate(findings.missing):
            parts += [tag("p", place.name, id=f"missing-{number}"), command_box(findings.commands[place])]
    return parts


def labelled(commands: dict[str, str]) -> list[Markup]:
    """Commands to copy, each below its name."""
    return [part for name, command in commands.items() for part in (tag("p", name), command_box(command))]


def command_box(command: str) -> Markup:
    """A command to copy: with the button where there is JavaScript, else selected whole by a click."""
    return tag("div", tag("code", command), tag("button", "Copy", type="button", hidden="hidden"), class_="command")
