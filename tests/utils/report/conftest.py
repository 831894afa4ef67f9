"""What tests of reports share."""

import pytest


@pytest.fixture
def results(tmp_path, monkeypatch):
    """The results directory, where commands look for it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "results"
