"""Pages with everything in them: what templates, style and scripts of all pages have in common."""

import base64
import re
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

HERE = Path(__file__).parent

# Nothing is fetched, whatever a name or a picture holds.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def render(template: Path, style: Path, scripts: list[Path], **values: Any) -> str:
    """The page of a template, with the style of all pages and its own, and with its scripts."""
    folders = FileSystemLoader([template.parent, HERE])
    environment = Environment(loader=folders, autoescape=True, undefined=StrictUndefined)
    environment.filters["raised"] = raised
    texts = {
        "style": "\n".join(path.read_text(encoding="utf-8") for path in (HERE / "base.css", style)),
        "script": "\n".join(path.read_text(encoding="utf-8") for path in scripts),
    }
    return environment.get_template(template.name).render(**texts, policy=POLICY, **values)


def raised(formula: str) -> str:
    """A formula as HTML, with what stands after ^ raised and what stands after _ lowered: JS^G_α, Σ w^(1−α)."""
    text = re.sub(r"\^(\([^)]*\)|\w)", r"<sup>\1</sup>", escape(formula))
    return re.sub(r"_(\w+)", r"<sub>\1</sub>", text)


def data_address(content: bytes, kind: str = "image/png") -> str:
    """An address that has a whole file in it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
