#!/usr/bin/env python3
"""Training speed alone and beside another busy process, by how threads wait for each other.

    python benchmarks/contended.py [--rounds N] [--seconds S]

A step has a hundred parallel regions, at the end of each of which threads wait for the last one. Left to itself, OpenMP
(GNU's, which PyTorch for Linux brings) spins for some milliseconds; where another process has taken the core of that
last thread, all others then keep theirs busy with waiting. OMP_WAIT_POLICY=PASSIVE does not spin, GOMP_SPINCOUNT spins
so many times. They change no bit of a result, and have to be set before torch is imported. "by load" is what main.py
does: it waits passively where other programs are at work when it starts.

Each is measured in a process of its own, in turn, alone and beside a process that is busy all the time: images/s of
training a model of 32x32 images, batch 64. Prints every round, and a table of medians with their ratios to what is
measured without either variable; writes them to results/benchmarks/contended.json. With two rounds it takes some four
minutes. Run it on a machine that does nothing else.
"""

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from measuring import HERE, watch, write_report

sys.path.insert(0, str(HERE.parent))

from utils.machine.limits import WAITING

WAYS = {
    "as it is": {},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    **{f"spin {count}": {"GOMP_SPINCOUNT": str(count)} for count in (2_000, 10_000, 30_000, 100_000)},
    "by load": {},
}
STRETCH = """
import sys
sys.path.insert(0, sys.argv[1])
if sys.argv[3] == "by load":
    from utils.machine.limits import wait_by_load
    wait_by_load()
import torch
from utils.datasets import Dataset
from utils.grids.duration import images_per_second
from utils.runs.config import RunConfig
images = torch.randint(256, (20_000, 1, 32, 32), dtype=torch.uint8)
data = Dataset("mnist", "train", "drawn", "", images)
config = RunConfig.from_flags("contended", {"dataset": "mnist", "loss": "dGJS", "GJS_A": 0.3})
print(images_per_second(config, data, torch.get_num_threads(), seconds=float(sys.argv[2])))
"""
BUSY = "while True: pass"


def speed(way: str, seconds: float) -> float:
    """Images/s of a process that waits in that way."""
    environment = {name: value for name, value in os.environ.items() if name not in WAITING} | WAYS[way]
    command = [sys.executable, "-c", STRETCH, HERE.parent, seconds, way]
    return float(watch([str(word) for word in command], environment).output.split()[-1])


@contextmanager
def busy_process() -> Iterator[None]:
    """Another process that is at work all the time."""
    process = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def measure(seconds: float) -> dict[str, dict[str, float]]:
    """One round: images/s of each way, alone and beside a busy process."""
    found = {way: {"alone": speed(way, seconds)} for way in WAYS}
    with busy_process():
        for way in WAYS:
            found[way]["beside"] = speed(way, seconds)
    return found


def main() -> None:
    """Measure in turn, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2, help="measurements of each (default: 2)")
    parser.add_argument("--seconds", type=float, default=4.0, help="that each lasts besides its start (default: 4)")
    arguments = parser.parse_args()
    rounds = []
    for number in range(1, arguments.rounds + 1):
        rounds.append(measure(arguments.seconds))
        for way, row in rounds[-1].items():
            print(
                f"round {number}  {way:12}" + "".join(f"  {name} {value:6.0f}" for name, value in row.items()),
                flush=True,
            )
    medians = {
        way: {name: statistics.median(one[way][name] for one in rounds) for name in ("alone", "beside")} for way in WAYS
    }
    usual = medians["as it is"]
    print(f"{'images/s':12}  alone  of usual  beside  of usual  beside of alone")
    for way, row in medians.items():
        alone, beside = row["alone"], row["beside"]
        print(
            f"{way:12} {alone:6.0f} {alone / usual['alone']:9.2f} {beside:7.0f} {beside / usual['beside']:9.2f}"
            f" {beside / usual['alone']:16.2f}"
        )
    write_report("contended", {"rounds": rounds, "medians": medians})


if __name__ == "__main__":
    main()
