"""What is left of the machine to this process: by the quotas of its control group, and by other programs at work."""

import math
import os
from pathlib import Path
from time import sleep

CGROUPS = Path("/sys/fs/cgroup")
PROC = Path("/proc")
WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
SURPLUS = 0.5  # cores' work more than there are cores
LOOKS = 5


def memory_limit(root: Path = CGROUPS) -> float:
    """The bytes of memory that the group may have; infinity where nothing is said."""
    return min(numbers_in(root / name)[0] for name in ("memory.max", "memory/memory.limit_in_bytes"))


def cpu_limit(root: Path = CGROUPS) -> float:
    """How many CPUs' time the group may have; infinity where nothing is said."""
    quota, period = numbers_in(root / "cpu.max")
    older, its_period = (numbers_in(root / "cpu" / f"cpu.cfs_{name}_us")[0] for name in ("quota", "period"))
    return min(share for share in (quota / period, older / its_period, math.inf) if share > 0)  # -1: no quota


def numbers_in(path: Path) -> tuple[float, float]:
    """The two numbers in such a file, the second one 1 if there is none; infinity for "max", or if there is no file."""
    try:
        words = path.read_text().split()
        values = [math.inf if word == "max" else float(word) for word in words]
    except (OSError, ValueError):
        values = []
    first, second = (*values, 1.0)[:2] if values else (math.inf, 1.0)
    return first, second


def wait_by_load(proc: Path = PROC) -> None:
    """Make threads wait passively where other programs keep cores busy that they would use; what is set stays.

    A training step has a hundred parallel regions, at the end of each of which threads wait for the last one. GNU's
    OpenMP, which PyTorch for Linux brings, spins for some milliseconds: the quickest way where every thread has a core
    to itself, and a slow one where another program has taken one. It changes no bit of a result, and has to be set
    before torch is imported.
    """
    if any(name in os.environ for name in WAITING):
        return
    cores = os.cpu_count() or 1
    if others_at_work(proc) + threads_of_torch(cores) > cores + SURPLUS:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


def threads_of_torch(cores: int) -> int:
    """In how many threads PyTorch is going to compute."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdigit() else cores


def others_at_work(proc: Path = PROC) -> float:
    """How many cores other programs keep busy, now and over the last minute; 0 where the system does not tell."""
    return min(looked_at(proc) for _ in range(LOOKS))  # what works for a moment is no load


def looked_at(proc: Path) -> float:
    """How many cores other programs keep busy at one moment, a short while from now."""
    sleep(0.002)
    try:
        over_a_minute, _, _, now, _ = (proc / "loadavg").read_text().split()
        return min(float(over_a_minute), int(now.split("/")[0]) - 1)  # one of those that run is this program
    except (OSError, ValueError):
        return 0
