"""Mistakes in commands, results and data: each ends in one line that says what was wrong and what to do.

The exit status is 2, there is no traceback, and nothing is written: what was there before is there, to the byte. A few
of each table are tried as processes too.
"""

import pytest


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """The working directory is an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VAE_DATA", raising=False)
