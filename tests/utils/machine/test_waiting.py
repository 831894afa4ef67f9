"""Threads wait without spinning where other programs are at work, and only there."""

import os

import pytest

from utils.machine.limits import others_at_work, wait_by_load


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Sets what the system tells, with two cores and neither variable: a function of the text of loadavg."""
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)

    def tell(text):
        (tmp_path / "loadavg").write_text(text)
        return tmp_path

    return tell


@pytest.mark.parametrize(
    ("loadavg", "others"),
    [
        ("0.02 0.10 0.20 1/300 4242", 0),  # alone
        ("1.00 0.90 0.50 2/300 4242", 1),
        ("2.00 1.90 0.50 1/300 4242", 0),  # what was at work has just ended
        ("0.10 0.00 0.00 3/300 4242", 0.1),  # a moment's work
        ("", 0),
        ("1.0 nan", 0),
    ],
)
def test_others_are_at_work_now_and_over_the_last_minute(loadavg, others, system):
    assert others_at_work(system(loadavg)) == others


def test_where_the_system_does_not_tell_nobody_is_at_work(tmp_path):
    assert others_at_work(tmp_path / "missing") == 0


BUSY, ALONE = "1.00 0.90 0.50 2/300 4242", "0.02 0.10 0.20 1/300 4242"


@pytest.mark.parametrize(
    ("loadavg", "given", "policy"),
    [
        (BUSY, {}, "PASSIVE"),
        (ALONE, {}, None),
        (BUSY, {"OMP_NUM_THREADS": "1"}, None),  # which leaves a core to the other
        (BUSY, {"OMP_NUM_THREADS": "2"}, "PASSIVE"),
        (BUSY, {"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE"),  # the user's own choice
        (BUSY, {"GOMP_SPINCOUNT": "100"}, None),
    ],
)
def test_threads_wait_passively_beside_others_unless_told_otherwise(loadavg, given, policy, system, monkeypatch):
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    wait_by_load(system(loadavg))
    found = os.environ.get("OMP_WAIT_POLICY")
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)  # so that it is as before
    assert found == policy
