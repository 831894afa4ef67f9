"""The runs in results/reference, as tests of the texts about them read them."""

import json
from pathlib import Path
from typing import Any

REFERENCE = Path(__file__).parent.parent.parent / "results" / "reference"


def evaluation(folder: str, run: str) -> dict[str, dict[str, Any]]:
    """The evaluation of both splits of a run in a folder of results/reference."""
    return json.loads((REFERENCE / folder / run / "evaluation.json").read_text(encoding="utf-8"))


def of_table(dataset: str, likelihood: str, run: str) -> dict[str, dict[str, Any]]:
    """That of a run of Table 1, such as "GJS_GJS-A-0.1"."""
    return evaluation("table1", f"dataset-{dataset}_rec-dist-{likelihood}_loss-{run}")
