"""The machine that a run is made on, and the code that makes it."""

import math
import os
import platform
import shutil
import subprocess
import sysconfig
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed

# Steps in which compiling pays for itself: it takes 25 s, much less where PyTorch has done the same before, and saves
# 2 ms a step on two cores with AVX-512.
COMPILE_FROM = 10_000

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
        count = torch.cuda.device_count()
        raise MachineError(f"--device {name}: this machine has {count} CUDA devices; --device cpu always works")
    return device


def choose_compile(asked: bool | None, device: torch.device, steps: int, before: bool | None = None) -> bool:
    """Whether to train by torch.compile: as it was asked or, where it was not, if that pays for itself.

    It is taken to in a run of COMPILE_FROM steps, on CUDA and on CPUs with AVX-512; others spend nearly all of the time
    in convolutions, which compiling leaves as they are. No clock is asked, so that a run keeps its bits; a run that
    goes on keeps to what was chosen `before`. Raises MachineError if it was asked for and what it needs is missing or
    does not work; where it was not, a line says so. Steps that ranks share are not compiled.
    """
    if rank_count() > 1:
        if asked and before is None:
            raise MachineError("--compile: steps that processes of torchrun share cannot be compiled: use --no-compile")
        return False
    pays = steps >= COMPILE_FROM and (device.type == "cuda" or "AVX512" in torch.backends.cpu.get_cpu_capability())
    if not next(choice for choice in (before, asked, pays) if choice is not None):
        return False
    missing = missing_for_compile(device) or broken_for_compile(device)
    if missing and asked:
        raise MachineError(f"training that is compiled needs {missing}: install it, or begin with --no-compile")
    if missing:
        print(f"note: training is not compiled, which needs {missing}")
    elif asked is None and before is None:
        print("note: training is compiled first, for up to half a minute (--no-compile does without)", flush=True)
    return missing is None


def missing_for_compile(device: torch.device) -> str | None:
    """What torch.compile needs for a device and does not find; None if it has all."""
    if not any(map(shutil.which, [os.environ.get("CXX", "g++"), "clang++"])):
        return "a C++ compiler, such as g++"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return "Python's headers, such as those of python3-dev"
    if device.type != "cuda":
        return None
    if torch.cuda.get_device_capability(device) < (7, 0):
        return "a GPU of compute capability 7.0 or more"
    return "Triton" if find_spec("triton") is None else None


def broken_for_compile(device: torch.device) -> str | None:
    """What torch.compile finds and cannot use, told by a small trial; None if all works."""
    try:
        torch.compile(torch.neg)(torch.zeros(1, device=device))
    except Exception as error:  # of any kind: compilers and their drivers fail in many ways
        reason = str(error).removeprefix("backend='inductor' raised:").strip()  # of PyTorch before 2.7
        return f"a compiler that works ({reason.splitlines()[0] if reason else type(error).__name__})"
    return None


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory, the device's or the machine's, has run out."""
    if isinstance(error, RuntimeError):  # PyTorch's, most often no more than that
        return any(text in str(error) for text in ("can't allocate memory", "out of memory"))
    return isinstance(error, MemoryError)


def memory_bytes() -> float:
    """The main memory of this machine; infinity where the system has no name for it, as on Windows."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else math.inf


def keep_freed_memory() -> None:
    """Make glibc keep the memory that a training step frees, for the next step to take.

    It hands large blocks back to the system at once, and each step then pays for thousands of page faults, a quarter
    of its time on a CPU. Freeing one block just below its limit of 32 MiB raises the size from which it does so. The
    block is never written to, so it costs nothing; with another allocator nothing happens.
    """
    torch.empty(30 << 20, dtype=torch.uint8)


def rank_count() -> int:
    """How many processes torchrun has started for this run; 1 without it."""
    torchrun = torch.distributed.is_available() and torch.distributed.is_torchelastic_launched()
    return int(os.environ["WORLD_SIZE"]) if torchrun else 1


def rank_number() -> int:
    """The number of this one of them, from 0, which is the one that prints and writes."""
    return int(os.environ["RANK"]) if rank_count() > 1 else 0


def environment(device: torch.device) -> dict[str, Any]:
    """What config.json records of the code, the packages and the machine, or of each of several."""
    machine = {"device": device.type, "threads": torch.get_num_threads()}
    if device.type == "cuda":
        machine["gpu"] = torch.cuda.get_device_name(device)
    return {
        "git_revision": git_revision(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
        "machine": machine | ({"ranks": rank_count()} if rank_count() > 1 else {}),
    }


def git_revision() -> str | None:
    """The revision of this code, with "-dirty" where it differs from it; None outside a git checkout."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        answer = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()
