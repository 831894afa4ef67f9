"""The quotas of control groups."""

import math

import pytest

from utils.machine import environment
from utils.machine.limits import cpu_limit, memory_limit


def group(root, **files):
    for name, content in files.items():
        path = root / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({}, math.inf),
        ({"cpu_DOT_max": "150000 100000\n"}, 1.5),
        ({"cpu_DOT_max": "max 100000\n"}, math.inf),
        ({"cpu_DOT_max": "nonsense"}, math.inf),
        ({"cpu_DOT_max": ""}, math.inf),
        ({"cpu__cpu_DOT_cfs_quota_us": "200000", "cpu__cpu_DOT_cfs_period_us": "100000"}, 2),
        ({"cpu__cpu_DOT_cfs_quota_us": "-1", "cpu__cpu_DOT_cfs_period_us": "100000"}, math.inf),
    ],
)
def test_the_cpus_of_a_group(files, cpus, tmp_path):
    assert cpu_limit(group(tmp_path, **files)) == cpus


def test_the_memory_of_a_group(tmp_path):
    assert memory_limit(tmp_path) == math.inf
    assert memory_limit(group(tmp_path, memory_DOT_max="max\n")) == math.inf
    assert memory_limit(group(tmp_path, memory_DOT_max="1073741824\n")) == 1 << 30
    assert memory_limit(group(tmp_path / "old", memory__memory_DOT_limit_in_bytes="4096")) == 4096


@pytest.mark.parametrize(("cpus", "threads"), [(1.5, 2), (0.2, 1), (99, 8), (math.inf, 8)])
def test_threads_are_no_more_than_cpus(cpus, threads, monkeypatch):
    now = [8]
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(environment, "cpu_limit", lambda: cpus)
    monkeypatch.setattr(environment.torch, "get_num_threads", lambda: now[0])
    monkeypatch.setattr(environment.torch, "set_num_threads", lambda count: now.__setitem__(0, count))
    environment.heed_cpu_limit()
    assert now == [threads]
    now[0] = 8
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    environment.heed_cpu_limit()
    assert now == [8]


def test_the_memory_is_no_more_than_the_group_may_have(monkeypatch):
    monkeypatch.setattr(environment, "memory_limit", lambda: 4096)
    assert environment.memory_bytes() == 4096
