"""What tests of saved runs share: those of the small grids that notebooks read."""

import shutil

import pytest


@pytest.fixture
def reference(results, monkeypatch):
    """results/reference/, from a working directory where it is called so."""
    monkeypatch.chdir(results)
    return results / "results" / "reference"


@pytest.fixture
def copied(reference, tmp_path):
    """The runs of a grid in a folder of their own, by its name."""

    def copy(grid):
        return shutil.copytree(reference / grid, tmp_path / grid)

    return copy
