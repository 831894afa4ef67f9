"""What tests of runs share."""

from dataclasses import replace

import pytest

from utils.figures.one_run import draw_run
from utils.runs.runtime import Runtime


@pytest.fixture
def runtime(tmp_path):
    """Without pictures, which would take most of the time of runs as small as those of tests."""
    return Runtime(data_dir=tmp_path / "data", results_dir=tmp_path / "results", device="cpu", progress_bar=False)


@pytest.fixture
def drawing(runtime):
    """With pictures."""
    return replace(runtime, draw=draw_run)
