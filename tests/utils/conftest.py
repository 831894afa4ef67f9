"""What tests of runs share."""

import hashlib
import json
import shutil
from dataclasses import replace

import pytest

from utils.figures.one_run import draw_run
from utils.runs.folder import EVALUATION
from utils.runs.run import run
from utils.runs.runtime import Runtime


@pytest.fixture
def runtime(tmp_path):
    """Without pictures, which would take most of the time of runs as small as those of tests."""
    return Runtime(data_dir=tmp_path / "data", results_dir=tmp_path / "results", device="cpu", progress_bar=False)


@pytest.fixture
def drawing(runtime):
    """With pictures."""
    return replace(runtime, draw=draw_run)


@pytest.fixture
def ended(made_once, runtime):
    """Puts a run of some configuration that has ended into the results: trained once for all that ask for the same.

    Gives its evaluation.
    """

    def put(config):
        name = hashlib.sha256(repr(config).encode()).hexdigest()[:16]
        made = made_once(name, lambda folder: run(config, replace(runtime, results_dir=folder)))
        folder = shutil.copytree(made / config.experiment, runtime.results_dir / config.experiment)
        return json.loads((folder / EVALUATION).read_text())

    return put
