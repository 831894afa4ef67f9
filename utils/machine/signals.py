"""What asks a process to end: Ctrl-C (SIGINT), a time limit or `docker stop` (SIGTERM), a closed terminal (SIGHUP)."""

import signal
import time
from types import FrameType

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # as far as the system has them
PATIENCE = 1.0  # seconds from the first signal in which others mean the same: a key held down, a batch system's second


class EndedAtOnce(KeyboardInterrupt):
    """A second request to end, while what the first asked for is under way."""


class Requests:
    """Turns the first signal into a KeyboardInterrupt, and one that comes later than PATIENCE into EndedAtOnce."""

    def __init__(self):
        self.first: float | None = None  # when it came

    def __call__(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.first is None:
            self.first = now
            raise KeyboardInterrupt(told(number))
        if now > self.first + PATIENCE:
            raise EndedAtOnce(told(number))


def told(number: int) -> str:
    """How a line tells of a signal."""
    return "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"


def endings() -> list[signal.Signals]:
    """The signals that ask this process to end, but for those that it was started without (nohup, a script's &)."""
    known = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    return [one for one in known if signal.getsignal(one) in (signal.SIG_DFL, signal.default_int_handler)]


def heed(which: list[signal.Signals]) -> None:
    """Let these signals interrupt what the main thread does."""
    requests = Requests()
    for one in which:
        signal.signal(one, requests)
