"""Tasks in several processes."""

import multiprocessing
import os
import signal

import pytest

from utils.machine.processes import side_by_side


def own_process(task):
    """Which process carries out a task."""
    return os.getpid()


@pytest.mark.slow
def test_an_idle_process_that_was_killed_is_replaced():
    results = side_by_side(own_process, [1, 2, 3], lambda task: None, jobs=1)
    _, first = next(results)
    (worker,) = multiprocessing.active_children()
    os.kill(first, signal.SIGKILL)
    worker.join()
    (_, second), (_, third) = results
    assert second == third != first
    assert None not in (second, third)
