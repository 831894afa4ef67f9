#!/usr/bin/env python3
"""How long `python main.py --help` takes beside `python -c "import torch"`, which it cannot do without.

    python benchmarks/startup.py [--rounds N]

The two take turns. Prints the seconds of each round by the clock and of CPU time, and the medians of their ratios, and
writes them to results/benchmarks/startup.json. CPU time says the same beside other work, the clock on a quiet machine.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

from measuring import MAIN, write_report

COMMANDS = {"torch": [sys.executable, "-c", "import torch"], "help": [sys.executable, MAIN, "--help"]}


def seconds_of(command: list) -> tuple[float, float]:
    """How long a command takes: by the clock, and of CPU time."""
    start, before = time.perf_counter(), os.times()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - start, used


def main() -> None:
    """Measure in turn, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="measurements of each (default: 10)")
    rounds = []
    for command in COMMANDS.values():
        seconds_of(command)  # files are in the memory from now on
    for number in range(1, parser.parse_args().rounds + 1):
        found = {name: seconds_of(command) for name, command in COMMANDS.items()}
        row = {f"{name}_{kind}_s": value for name, pair in found.items() for kind, value in zip(("wall", "cpu"), pair)}
        row |= {f"{kind}_ratio": row[f"help_{kind}_s"] / row[f"torch_{kind}_s"] for kind in ("wall", "cpu")}
        rounds.append(row)
        print(f"round {number}: " + "  ".join(f"{name} {value:.2f}" for name, value in row.items()), flush=True)
    medians = {name: statistics.median(row[name] for row in rounds) for name in rounds[0]}
    print("median:  " + "  ".join(f"{name} {value:.2f}" for name, value in medians.items()))
    write_report("startup", {"rounds": rounds, "medians": medians})


if __name__ == "__main__":
    main()
