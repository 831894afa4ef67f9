"""What tests of figures share: small runs of every grid that notebooks read, and what their files say."""

import json

import pytest

from utils.runs.folder import EVALUATION

PREFIX = "dataset-digits_rec-dist-gaussian_loss-"


@pytest.fixture
def reference(results):
    return results / "results" / "reference"


@pytest.fixture
def said(reference):
    """What evaluation.json of a run says, by the end of its name."""

    def value(run, quantity, split="test", grid="table1"):
        name = run if grid in ("noise", "alpha-starts") else PREFIX + run
        return json.loads((reference / grid / name / EVALUATION).read_text())[split][quantity]

    return value
