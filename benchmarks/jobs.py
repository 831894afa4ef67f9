#!/usr/bin/env python3
"""A grid of runs by `--jobs`: six runs one after another on all cores, against as many at a time as there are cores.

    python benchmarks/jobs.py [--rounds N] [--images N] [--epochs N]

Timed is the whole command, from its start to its end: imports, training, evaluation and pictures of six runs on MNIST,
with squared error as the likelihood; at least two are at work at a time. Rounds alternate. Prints every round, the
median of either, and how many times as fast the runs side by side are; writes results/benchmarks/jobs.json. Run it on
a machine that does nothing else.
"""

import argparse
import os
import statistics
import tempfile

import torch
from measuring import our_command, watch, write_report

GRID = ["--dataset", "mnist", "--rec-dist", "gaussian", "--loss", "dGJS"]
ALPHAS = ["0.2", "0.3", "0.4", "0.5", "0.6", "0.7"]


def seconds(jobs: int, data_dir: str, images: int, epochs: int) -> float:
    """How long the grid takes with so many jobs."""
    with tempfile.TemporaryDirectory() as results_dir:
        size = ["--train-size", str(images), "--epochs", str(epochs), "--jobs", str(jobs)]
        where = ["--data-dir", data_dir, "--results-dir", results_dir]
        return watch(our_command("jobs", *GRID, "--GJS-A", *ALPHAS, *size, *where)).seconds


def main() -> None:
    """Measure in turn, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each (default: 3)")
    parser.add_argument("--images", type=int, default=12_800, help="images of an epoch (default: 12800)")
    parser.add_argument("--epochs", type=int, default=4, help="epochs of a run (default: 4)")
    parser.add_argument("--data-dir", default=os.environ.get("VAE_DATA", "data"), help="where MNIST lies")
    arguments = parser.parse_args()
    settings = {"images": arguments.images, "epochs": arguments.epochs}
    counts = (1, min(len(ALPHAS), max(2, torch.get_num_threads())))
    rounds = []
    for number in range(1, arguments.rounds + 1):
        rounds.append({f"jobs_{jobs}": seconds(jobs, arguments.data_dir, **settings) for jobs in counts})
        told = "  ".join(f"{name} {value:.1f} s" for name, value in rounds[-1].items())
        print(f"round {number}: {told}", flush=True)
    medians = {name: statistics.median(row[name] for row in rounds) for name in rounds[0]}
    one, several = medians.values()
    print(f"median:  {one:.1f} s and {several:.1f} s: {one / several:.2f} times as fast with --jobs {counts[1]}")
    report = {"settings": settings, "rounds": rounds, "medians": medians, "speedup": one / several}
    write_report("jobs", report)


if __name__ == "__main__":
    main()
