"""report.html: what stands in the template page.html, with style and script from page.css and page.js."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from utils.figures.style import colors
from utils.grids.commands import run_command
from utils.grids.saved import SavedRun
from utils.report.findings import EMPTY, QUANTITY, UNFINISHED, CellKey, Findings, key_of, named_config
from utils.report.tables import SPLITS
from utils.results.labels import count_of, symbol_of
from utils.results.paper_numbers import REMARKS
from utils.runs.folder import PICTURES, RECONSTRUCTIONS, SAMPLES

FIGURE_SCALE = 2  # pixels of a figure to one of the page, for sharp screens
HERE = Path(__file__).parent
TEMPLATES = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined)


@dataclass(frozen=True)
class Picture:
    """A PNG file within the page."""

    description: str
    address: str  # with the whole file in it
    width: int
    height: int


@dataclass(frozen=True)
class RunPictures:
    """The pictures of a run: what is seen at once, and what is seen on demand."""

    first: list[Picture]
    more: list[Picture]


def page(findings: Findings, figures: dict[str, bytes]) -> str:
    """The page of an experiment, with figures (PNG) by name."""
    chosen = [row.option for table in findings.tables for row in table.rows if row.chosen_on]
    return TEMPLATES.get_template("page.html").render(
        findings=findings,
        figures=[picture(content, name, FIGURE_SCALE) for name, content in figures.items()],
        symbols=list(dict.fromkeys(map(symbol_of, chosen))),
        anchors=anchors(findings),
        colors=colors(),
        style=(HERE / "page.css").read_text(encoding="utf-8"),
        script=(HERE / "page.js").read_text(encoding="utf-8"),
        CellKey=CellKey,
        key_of=key_of,
        pictures=run_pictures,
        run_command=lambda run: run_command(run.folder.path, named_config(run)),
        numbers_by_name=numbers_by_name,
        count_of=count_of,
        **{"SPLITS": SPLITS, "QUANTITY": QUANTITY, "REMARKS": REMARKS, "UNFINISHED": UNFINISHED, "EMPTY": EMPTY},
    )


def anchors(findings: Findings) -> dict[CellKey, str]:
    """Where each cell of the tables leads to: its runs, or the command that makes them."""
    found = {key_of(own): f"row-{number}" for number, own in enumerate(findings.replicates)}
    return found | {key: f"missing-{number}" for number, key in enumerate(findings.missing)}


def run_pictures(run: SavedRun) -> RunPictures:
    """The pictures in the folder of a run: its reconstructions, or of vectors the samples, are what is seen at once."""
    paths = {name: run.folder / name for name in PICTURES if (run.folder / name).exists()}
    found = {name: picture(path.read_bytes(), f"{name} of {path.parent.name}") for name, path in paths.items()}
    first = [found[name] for name in (RECONSTRUCTIONS, SAMPLES) if name in found][:1]
    return RunPictures(first, [found[name] for name in found if name not in (RECONSTRUCTIONS, SAMPLES)])


def picture(content: bytes, description: str, scale: int = 1) -> Picture:
    """A PNG file, so many of its pixels to one of the page's."""
    width, height = (int.from_bytes(content[start : start + 4], "big") // scale for start in (16, 20))
    return Picture(description, f"data:image/png;base64,{base64.b64encode(content).decode()}", width, height)


def numbers_by_name(value: Any, name: str = "") -> list[tuple[str, str]]:
    """Numbers in short with the names on the way to them, of lists the elements in a row."""
    if isinstance(value, dict):
        return [
            pair for key, v in value.items() for pair in numbers_by_name(v, f"{name} {key.replace('_', ' ')}".strip())
        ]
    values = value if isinstance(value, list) else [value]
    return [(name, ", ".join(f"{v:.5g}" if isinstance(v, float) else str(v) for v in values))]
