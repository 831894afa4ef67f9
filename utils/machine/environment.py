"""The machine that a run is made on, and the code that makes it."""

import math
import os
import platform
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

from utils.machine.console import counted
from utils.machine.limits import cpu_limit, memory_limit

ROOT = Path(__file__).resolve().parents[2]
CODE = ("main.py", "utils", "vae")
OUT_OF_MEMORY = "there is not enough memory for this: a smaller --batch-size, --latent-dim or --train-size takes less"


class MachineError(Exception):
    """What was asked for is not on this machine; the message is one line that says what to do."""


def choose_device(name: str) -> torch.device:
    """The device of a name; "auto" is CUDA where there is one. Raises MachineError if it is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise MachineError(f"--device {name}: expected auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        there = counted(torch.cuda.device_count(), "CUDA device")
        raise MachineError(f"--device {name}: this machine has {there}; --device cpu always works")
    return device


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory, the device's or the machine's, has run out."""
    if isinstance(error, RuntimeError):  # PyTorch's, most often no more than that
        return any(text in str(error) for text in ("can't allocate memory", "out of memory"))
    return isinstance(error, MemoryError)


def explained(error: Exception) -> str:
    """What an error says, in a line for people; an OSError says which file cannot be used, and why."""
    if not isinstance(error, OSError):
        return str(error)
    reason = str(error.strerror or error)
    if error.filename is None:
        return reason
    return f"{error.filename} cannot be used ({reason}): check its place and your permissions"


def memory_bytes() -> float:
    """The main memory that there is for this process; infinity where the system has no name for it, as on Windows."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else math.inf
    return min(whole, memory_limit())


def heed_cpu_limit() -> None:
    """Compute in no more threads than there are CPUs for this process, unless OMP_NUM_THREADS says how many."""
    allowed = max(1, math.ceil(min(cpu_limit(), torch.get_num_threads())))
    if allowed < torch.get_num_threads() and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(allowed)


def keep_freed_memory() -> None:
    """Make glibc keep the memory that a training step frees, for the next step to take.

    It hands large blocks back to the system at once, and each step then pays for thousands of page faults, a quarter
    of its time on a CPU. Freeing one block just below its limit of 32 MiB raises the size from which it does so. The
    block is never written to, so it costs nothing; with another allocator nothing happens.
    """
    torch.empty(30 << 20, dtype=torch.uint8)


def environment(device: torch.device) -> dict[str, Any]:
    """What config.json records of the code, the packages and the machine."""
    machine = {"device": device.type, "threads": torch.get_num_threads()}
    machine["instructions"] = torch.backends.cpu.get_cpu_capability()  # of the CPU, as PyTorch uses them
    if device.type == "cuda":
        machine["gpu"] = torch.cuda.get_device_name(device)
    return {
        "git_revision": git_revision(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
        "machine": machine,
    }


def git_revision() -> str | None:
    """The revision of this code; None outside a git checkout.

    Where the code differs from it, by a file that is new too, "-dirty-" and a digest of the difference come after it.
    """
    try:
        revision = git("rev-parse", "HEAD").decode().strip()
        changes = sha256(git("diff", "HEAD", "--", *CODE))
        new = git("ls-files", "--others", "--exclude-standard", "-z", "--", *CODE).split(b"\0")[:-1]
        for name in map(os.fsdecode, new):
            changes.update(os.fsencode(name) + (ROOT / name).read_bytes())
    except (OSError, subprocess.CalledProcessError):
        return None
    return revision if changes.digest() == sha256().digest() else f"{revision}-dirty-{changes.hexdigest()[:8]}"


def git(*command: str) -> bytes:
    """What git answers of the checkout that this code is, and of none that it merely lies in."""
    elsewhere = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")  # as hooks have them
    own = {name: value for name, value in os.environ.items() if name not in elsewhere}
    own["GIT_CEILING_DIRECTORIES"] = str(ROOT.parent)
    return subprocess.run(["git", *command], cwd=ROOT, env=own, capture_output=True, check=True).stdout
