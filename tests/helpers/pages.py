"""What is written for people: the README, the pages of docs/ and of other folders, the texts of notebooks."""

import json
import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [README, *DOCS, *(ROOT / name / "README.md" for name in ("benchmarks", "data", "results/reference"))]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"(?:[A-Z_]+=\S+ )*((?:\S*/)?(?:python3?|make|pip|torchrun|jupyter) \S.*)")  # after what is set


def text_of(page: Path) -> str:
    """The text of a page; of a notebook that of its cells of text, each after the other."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".ipynb":
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
        return "\n\n".join("".join(cell["source"]) for cell in cells)
    return text


def flowing(page: Path) -> str:
    """Its text without line breaks."""
    return " ".join(text_of(page).split())


def blocks(page: Path, language: str = "") -> list[str]:
    """The blocks of code in that language."""
    return [block for own, block in FENCED.findall(text_of(page)) if own == language]


def commands(page: Path) -> list[list[str]]:
    """The words of every command for a shell, in blocks and in the text."""
    lines = [line for block in blocks(page) for line in block.replace("\\\n", " ").splitlines()]
    lines += [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", FENCED.sub("", text_of(page)))]
    parts = [part for line in lines for part in line.split(" && ")]
    return [shlex.split(found[1], comments=True) for found in map(COMMAND.match, parts) if found]


def own_divergence() -> str:
    """The file that the README shows of a divergence of one's own."""
    section = text_of(README).split("\n## Your own divergence\n")[1].split("\n## ")[0]
    return next(block for language, block in FENCED.findall(section) if language == "python")
