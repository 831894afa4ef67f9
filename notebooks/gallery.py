"""The pictures of the gallery in docs/figures.md: one of each of these notebooks, as it was executed.

    python notebooks/gallery.py

writes them to notebooks/gallery/.
"""

import base64
import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
GALLERY = HERE / "gallery"
PICTURES = {  # the number of the picture among those of its notebook
    "gaussian_example": 0,
    "comparison": 0,
    "gjs": 0,
    "dgjs": 0,
    "reconstruction": 0,
    "generative": 0,
    "rate_distortion": 0,
}


def picture(name: str) -> bytes:
    """The picture of a notebook, as a PNG file. Raises IndexError if the notebook has been saved without it."""
    cells = json.loads((HERE / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    outputs = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
    return base64.b64decode([data["image/png"] for data in outputs if "image/png" in data][PICTURES[name]])


def main() -> None:
    """Write the pictures."""
    GALLERY.mkdir(exist_ok=True)
    for name in PICTURES:
        (GALLERY / f"{name}.png").write_bytes(picture(name))


if __name__ == "__main__":
    main()
