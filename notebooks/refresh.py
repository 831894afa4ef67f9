"""Executes the notebooks of the reference runs anew, with their outputs, and then writes the gallery.

python notebooks/refresh.py [NAME ...]
"""

import sys

import gallery
import nbformat
from nbclient import NotebookClient

HERE = gallery.HERE
NAMES = (
    *("beta", "dgjs", "generative", "gjs", "noise", "rate_distortion", "reconstruction", "reconstruction_grid"),
    *("table_1", "trainable_alpha", "zoo"),
)


def execute(name: str) -> None:
    """Execute a notebook where it lies, and write it with its outputs; its metadata stay as they are."""
    path = HERE / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    metadata = notebook.metadata.copy()
    NotebookClient(notebook, record_timing=False, resources={"metadata": {"path": HERE}}).execute()
    notebook.metadata = metadata
    nbformat.write(notebook, path)


def main(names: list[str]) -> None:
    """Execute the notebooks of these names, or all, and write the gallery."""
    for name in names or NAMES:
        execute(name)
    gallery.main()


if __name__ == "__main__":
    main(sys.argv[1:])
