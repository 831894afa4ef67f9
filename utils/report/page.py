"""report.html: what stands in the template page.html, with style and script from page.css and page.js."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from utils.figures.style import DPI, colors
from utils.grids.commands import run_command
from utils.grids.saved import SavedRun
from utils.machine.console import counted
from utils.pages import data_address, render
from utils.report.findings import EMPTY, QUANTITY, UNFINISHED, CellKey, Findings, key_of, named_config
from utils.report.tables import SPLITS
from utils.results.paper_numbers import REMARKS
from utils.runs.folder import EXPLORE, PICTURES, RECONSTRUCTIONS, SAMPLES, ResultsFolder

PAGE_DPI = 100  # of figures as the page shows them: their pixels are finer, for sharp screens
WIDEST, SMALLER = 1100, 660  # pixels of a run's pictures in the page; the smaller where there are many runs
MANY_RUNS = 8
QUALITY = 50  # of their compression
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Picture:
    """A picture within the page."""

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
    widest = SMALLER if len(findings.runs) > MANY_RUNS else WIDEST
    return render(
        HERE / "page.html",
        HERE / "page.css",
        [HERE / "page.js"],
        findings=findings,
        figures=[figure_picture(content, name) for name, content in figures.items()],
        anchors=anchors(findings),
        colors=colors(),
        explorer=EXPLORE if (findings.folder / EXPLORE).exists() else None,
        evidence={key_of(own): own.evidence for own in findings.replicates if own.evidence},
        CellKey=CellKey,
        key_of=key_of,
        pictures=lambda run: run_pictures(run, widest),
        run_command=lambda run: run_command(run.folder.path, named_config(run)),
        numbers_by_name=numbers_by_name,
        counted=counted,
        **{
            "SPLITS": SPLITS,
            "QUANTITY": QUANTITY,
            "REMARKS": REMARKS,
            "EXPLORE": EXPLORE,
            "UNFINISHED": UNFINISHED,
            "EMPTY": EMPTY,
        },
    )


def anchors(findings: Findings) -> dict[CellKey, str]:
    """Where each cell of the tables leads to: its runs, or the command that makes them."""
    found = {key_of(own): f"row-{number}" for number, own in enumerate(findings.replicates)}
    return found | {key: f"missing-{number}" for number, key in enumerate(findings.missing)}


def run_pictures(run: SavedRun, widest: int) -> RunPictures:
    """The pictures in the folder of a run: its reconstructions, or of vectors the samples, are what is seen at once."""
    found = {name: picture for name in PICTURES if (picture := compressed(run.folder, name, widest))}
    first = next((found[name] for name in (RECONSTRUCTIONS, SAMPLES) if name in found), None)
    return RunPictures([first] if first else [], [one for one in found.values() if one is not first])


def compressed(folder: ResultsFolder, name: str, widest: int) -> Picture | None:
    """A run's PNG file as the page has it: in the size in which it is shown, and with some loss; the file has none.

    None where there is no such file; a line says so where it is something else.
    """
    try:
        with Image.open(io.BytesIO(folder.read(name)), formats=["PNG"]) as picture:
            scale = min(PAGE_DPI / DPI, widest / picture.width)
            size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
            small = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    except FileNotFoundError:
        return None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or "it is no PNG file"
        print(f"note: {folder / name} is left out of the page: {reason}")
        return None
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=QUALITY)
    return Picture(f"{name} of {folder.path.name}", data_address(buffer.getvalue(), "image/webp"), *size)


def figure_picture(content: bytes, description: str) -> Picture:
    """A figure (PNG), with its pixels finer than the page's."""
    width, height = (int.from_bytes(content[start : start + 4], "big") * PAGE_DPI // DPI for start in (16, 20))
    return Picture(description, data_address(content), width, height)


def numbers_by_name(value: Any, name: str = "") -> list[tuple[str, str]]:
    """Numbers in short with the names on the way to them, of lists the elements in a row."""
    if isinstance(value, dict):
        return [
            pair for key, v in value.items() for pair in numbers_by_name(v, f"{name} {key.replace('_', ' ')}".strip())
        ]
    values = value if isinstance(value, list) else [value]
    return [(name, ", ".join(f"{v:.5g}" if isinstance(v, float) else str(v) for v in values))]
