"""Whether torch.compile works on this machine, and pays for itself."""

import os
import shutil
import sysconfig
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from warnings import catch_warnings, simplefilter

import torch

from utils.machine.environment import MachineError

# Steps in which compiling pays for itself: it takes 25 s, much less where PyTorch has done the same before, and saves
# 2 ms a step on two cores with AVX-512.
COMPILE_FROM = 10_000


def compiling_pays(steps: int, device: torch.device, cpu: str) -> bool:
    """Whether torch.compile pays for itself in so many steps, on a device and a CPU with such instructions.

    It does on CUDA and on CPUs with AVX-512; others spend nearly all of the time in convolutions, which compiling
    leaves as they are. No clock is asked, so that a run keeps its bits.
    """
    return steps >= COMPILE_FROM and (device.type == "cuda" or "AVX512" in cpu)


def choose_compile(
    asked: bool | None, before: bool | None = None, *, pays: bool, lack: Callable[[], str | None]
) -> bool:
    """Whether to train by torch.compile: as it was asked or, where it was not, if that pays for itself.

    A run that goes on keeps to what was chosen `before`. Raises MachineError if it was asked for and something is
    lacking, see `lacking_for_compile`; where it was not asked for, a line says so.
    """
    if not next(choice for choice in (before, asked, pays) if choice is not None):
        return False
    lacking = lack()
    if lacking and asked:
        raise MachineError(f"training that is compiled needs {lacking}: install it, or begin with --no-compile")
    if lacking:
        print(f"note: training is not compiled, which needs {lacking}")
    elif asked is None and before is None:
        print("note: training is compiled first, for up to half a minute (--no-compile does without)", flush=True)
    return lacking is None


def lacking_for_compile(device: torch.device) -> str | None:
    """What torch.compile needs for a device, and does not find or cannot use; None if all works."""
    return missing_for_compile(device) or broken_for_compile(device)


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
        with catch_warnings():
            simplefilter("ignore")  # what PyTorch says of its own imports is no failure, with -W error too
            torch.compile(torch.neg)(torch.zeros(1, device=device))
    except Exception as error:  # of any kind: compilers and their drivers fail in many ways
        reason = str(error).removeprefix("backend='inductor' raised:").strip()  # of PyTorch before 2.7
        if any(text in reason for text in ("getpwuid", "uid not found", "Permission denied", "Read-only file system")):
            return "a folder for its cache that can be written to (TORCHINDUCTOR_CACHE_DIR names one)"
        return f"a compiler that works ({reason.splitlines()[0] if reason else type(error).__name__})"
    return None
