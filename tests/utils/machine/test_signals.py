"""What asks a process to end."""

import os
import signal
import time

import pytest

from utils.machine import signals
from utils.machine.signals import EndedAtOnce, endings, heed

SIGNALS = [getattr(signal, name) for name in signals.NAMES if hasattr(signal, name)]


@pytest.fixture(autouse=True)
def restored():
    before = {one: signal.getsignal(one) for one in SIGNALS}
    yield
    for one, handler in before.items():
        signal.signal(one, handler)


@pytest.mark.parametrize("one", SIGNALS)
def test_each_signal_interrupts_and_tells_its_name(one):
    heed([one])
    with pytest.raises(KeyboardInterrupt) as caught:
        os.kill(os.getpid(), one)
        time.sleep(10)
    assert type(caught.value) is KeyboardInterrupt
    assert str(caught.value) == ("interrupted" if one == signal.SIGINT else f"ended by {one.name}")


def test_what_comes_within_a_second_changes_nothing_and_what_comes_later_ends_at_once(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(signals.time, "monotonic", lambda: now[0])
    heed(SIGNALS)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(SIGNALS[0])
    for now[0] in (100.0, 100.03, 101.0):
        for one in SIGNALS:
            signal.raise_signal(one)
    now[0] = 101.1
    with pytest.raises(EndedAtOnce):
        signal.raise_signal(SIGNALS[1])


def test_a_process_that_was_started_without_a_signal_stays_so():
    signal.signal(SIGNALS[0], signal.SIG_IGN)
    signal.signal(SIGNALS[1], signal.SIG_DFL)
    assert SIGNALS[0] not in endings()
    assert SIGNALS[1] in endings()
