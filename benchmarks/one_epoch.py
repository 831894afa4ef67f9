#!/usr/bin/env python3
"""One epoch of MNIST: this project's whole command against pythae's epoch alone, on the same machine in turn.

    python benchmarks/one_epoch.py [--rounds N]

Ours is timed from the command to its end: start, data, one epoch, evaluation of both splits, pictures, everything
written; of pythae only the training counts. The networks and the batch size are the same. pythae is installed on the
first call, into benchmarks/.venv-pythae, and shares the packages of this environment. Prints every round and the
medians, and writes them to benchmarks/one_epoch.json. Run it on a machine that does nothing else.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
PYTHAE_ENVIRONMENT = HERE / ".venv-pythae"
REPORT = HERE / "one_epoch.json"
SAMPLE_SECONDS = 0.05  # between looks at the memory


def pythae_python() -> Path:
    """The interpreter of an environment with pythae; made on the first call."""
    python = PYTHAE_ENVIRONMENT / "bin" / "python"
    if not python.exists():
        venv.create(PYTHAE_ENVIRONMENT, with_pip=True)
        packages = sysconfig.get_path("purelib", vars={"base": str(PYTHAE_ENVIRONMENT)})
        (Path(packages) / "parent.pth").write_text(sysconfig.get_path("purelib") + "\n")
        subprocess.run([python, "-m", "pip", "install", "--quiet", "pythae"], check=True)
    return python


def our_command(data_dir: str) -> tuple[float, float]:
    """Wall-clock seconds of the whole command, and the peak of its processes' resident memory in MiB."""
    with tempfile.TemporaryDirectory() as results_dir:
        command = [sys.executable, HERE.parent / "main.py", "one-epoch", "--dataset", "mnist", "--epochs", "1"]
        command += ["--rec-dist", "gaussian", "--loss", "KL", "--no-cuda", "--no-progress-bar"]
        command += ["--data-dir", data_dir, "--results-dir", results_dir]
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, resident_mib(process.pid))
            time.sleep(SAMPLE_SECONDS)
        seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"main.py ended with status {process.returncode}")
    return seconds, peak


def resident_mib(pid: int) -> float:
    """Resident memory of a process and all below it, in MiB, from Linux's /proc."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (OSError, IndexError):  # it has ended meanwhile
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20 + sum(resident_mib(int(child)) for child in children)


def pythae_epoch(data_dir: str) -> float:
    """Seconds of pythae's epoch."""
    command = [pythae_python(), HERE / "pythae_epoch.py", data_dir, "60000", "0", "0"]  # no more than the first epoch
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return json.loads(answer.stdout.splitlines()[-1])["seconds"]


def main() -> None:
    """Measure in turn, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each (default: 3)")
    parser.add_argument("--data-dir", default=os.environ.get("VAE_DATA", "data"), help="where MNIST lies")
    arguments = parser.parse_args()
    rounds = []
    for number in range(1, arguments.rounds + 1):
        seconds, peak = our_command(arguments.data_dir)
        yardstick = pythae_epoch(arguments.data_dir)
        rounds.append(
            {"command_s": seconds, "pythae_epoch_s": yardstick, "ratio": seconds / yardstick, "peak_mib": peak}
        )
        print(f"round {number}: " + "  ".join(f"{name} {value:.2f}" for name, value in rounds[-1].items()), flush=True)
    medians = {name: statistics.median(row[name] for row in rounds) for name in rounds[0]}
    print("median:  " + "  ".join(f"{name} {value:.2f}" for name, value in medians.items()))
    machine = {
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    report = {"rounds": rounds, "medians": medians, "machine": machine | {"python": platform.python_version()}}
    REPORT.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
