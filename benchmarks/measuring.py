"""What the benchmarks have in common: commands that are watched as they run, pythae's environment, and the machine."""

import json
import os
import platform
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from pathlib import Path
from typing import Any, NamedTuple

import torch

HERE = Path(__file__).resolve().parent
MAIN = HERE.parent / "main.py"
REPORTS = HERE.parent / "results" / "benchmarks"
PYTHAE_ENVIRONMENT = HERE / ".venv-pythae"
DATA_DIR = os.environ.get("VAE_DATA") or "data"  # where data sets lie, where no --data-dir tells
SAMPLE_SECONDS = 0.05  # between looks at the memory


class Watched(NamedTuple):
    """What a command printed, the seconds from its start to its end, and its processes' peak of resident memory."""

    output: str
    seconds: float
    peak_mib: float


def watch(command: list[Any], environment: dict[str, str] | None = None) -> Watched:
    """Carry out a command, in this environment or another, and watch it.

    Ends this program if it fails, with the last line of what it says of that.
    """
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=errors, env=environment)
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, resident_mib(process.pid))
            time.sleep(SAMPLE_SECONDS)
        seconds = time.perf_counter() - start
        output.seek(0)
        errors.seek(0)
        if process.returncode:
            said = errors.read().splitlines() or [f"status {process.returncode}"]
            raise SystemExit(f"{' '.join(map(str, command))}: {said[-1]}")
        return Watched(output.read(), seconds, peak)


def resident_mib(pid: int) -> float:
    """Resident memory of a process and all below it, in MiB, from Linux's /proc."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (OSError, IndexError):  # it has ended meanwhile
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20 + sum(resident_mib(int(child)) for child in children)


def pythae_python() -> Path:
    """The interpreter of an environment with pythae, which shares the packages of this one; made on the first call."""
    python, installed = PYTHAE_ENVIRONMENT / "bin" / "python", PYTHAE_ENVIRONMENT / "installed"
    if not installed.exists():
        venv.create(PYTHAE_ENVIRONMENT, with_pip=True, clear=True)
        packages = sysconfig.get_path("purelib", vars={"base": str(PYTHAE_ENVIRONMENT)})
        (Path(packages) / "parent.pth").write_text(sysconfig.get_path("purelib") + "\n")
        subprocess.run([python, "-m", "pip", "install", "--quiet", "pythae"], check=True)
        installed.touch()
    return python


def our_command(*arguments: str) -> list[Any]:
    """The command line of this project with those arguments, on the CPU and without a progress bar."""
    return [sys.executable, MAIN, *arguments, "--no-cuda", "--no-progress-bar"]


def machine() -> dict[str, Any]:
    """What a measurement was made on."""
    return {
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def write_report(name: str, report: dict[str, Any]) -> None:
    """Write a report, with the machine, to results/benchmarks/NAME.json; those beside this file are the ones kept."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    path = REPORTS / f"{name}.json"
    path.write_text(json.dumps({**report, "machine": machine()}, indent=2) + "\n")
    print(f"written to {path}")
