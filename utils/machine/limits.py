"""What a container, or a batch system, leaves to this process of the machine: the quotas of its control group."""

import math
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


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
