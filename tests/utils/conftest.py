"""What tests of runs share."""

import pytest

from utils.runs.runtime import Runtime


@pytest.fixture
def runtime(tmp_path):
    return Runtime(data_dir=tmp_path / "data", results_dir=tmp_path / "results", device="cpu", progress_bar=False)
