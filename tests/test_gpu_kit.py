"""The kit for a GPU, tried on the CPU at a tiny size: its sections, its report, and what it does with failures."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vae.losses import LOSSES

KIT = Path(__file__).parent.parent / "benchmarks" / "gpu.py"


def carry_out(out, *flags):
    """The kit's exit status, and its report in both forms."""
    command = [sys.executable, KIT, "--device", "cpu", "--tiny", "--out", out, *flags]
    env = {**os.environ, "TORCH_COMPILE_DISABLE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    return done.returncode, json.loads((out / "gpu.json").read_text()), (out / "gpu.md").read_text()


@pytest.mark.slow
def test_every_section_finds_what_it_is_for(tmp_path):
    status, report, page = carry_out(tmp_path, "--minutes", "60")
    sections = report["sections"]
    assert {name: section["state"] for name, section in sections.items()} == dict.fromkeys(sections, "done")
    assert list(sections) == ["checks", "compiled", "speed", "table1"]
    checks = {row["check"]: row["result"] for row in sections["checks"]["rows"]}
    assert {f"{name} alone" for name in LOSSES} < checks.keys()
    for row in (*sections["checks"]["rows"], *sections["compiled"]["rows"]):
        assert row["result"].startswith("passed"), row
        assert f"| {row['check']} | {row['result']} |" in page
    rates = [row["images/s"] for row in sections["speed"]["rows"]]
    assert len(rates) == 10
    assert all(rate > 0 for rate in rates)
    assert [row["epochs"] for row in sections["table1"]["rows"]] == ["1 of 1"] * 2
    assert all(row["test squared error"] > 0 for row in sections["table1"]["rows"])
    assert (tmp_path / "table1" / "table.md").read_text().startswith("# table1")
    assert status == 0


@pytest.mark.slow
def test_a_section_that_fails_is_recorded_with_what_it_said(tmp_path):
    (tmp_path / "table1").write_text("in the way of the runs")
    status, report, page = carry_out(tmp_path, "--minutes", "60", "--sections", "table1")
    state = report["sections"]["table1"]["state"]
    assert state.startswith(f"failed: RuntimeError: main.py: {tmp_path / 'table1'} is not a folder")
    assert state in page
    assert status == 1


@pytest.mark.slow
def test_a_section_without_time_is_ended_and_the_next_one_goes_on(tmp_path):
    status, report, page = carry_out(tmp_path, "--minutes", "0.001")
    assert {name: section["state"] for name, section in report["sections"].items()} == dict.fromkeys(
        ("checks", "compiled", "speed", "table1"), "out of time"
    )
    assert page.count("out of time") == 4
    assert status == 0
