#!/usr/bin/env python3
"""A grid of runs by `--jobs`: six runs one after another on all cores, against as many at a time as there are cores.

    python benchmarks/jobs.py [--rounds N] [--images N] [--epochs N] [--data-dir DIR]
    python benchmarks/jobs.py --quick [--runs N] [--data-dir DIR]

Timed is the whole command, from its start to its end: imports, training, evaluation and pictures of six runs on MNIST,
with squared error as the likelihood; at least two are at work at a time. Rounds alternate. Prints every round, the
median of either, and how many times as fast the runs side by side are; writes results/benchmarks/jobs.json.

With --quick, it carries out the runs of Table 1 on MNIST at `--scale quick` once, side by side, and prints the share of
all jobs' time in which one trained; writes results/benchmarks/jobs-quick.json.

Run it on a machine that does nothing else.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

import torch
from measuring import DATA_DIR, our_command, watch, write_report

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.grids.saved import saved_runs

GRID = ["--dataset", "mnist", "--rec-dist", "gaussian", "--loss", "dGJS"]
ALPHAS = ["0.2", "0.3", "0.4", "0.5", "0.6", "0.7"]
QUICK = ["--preset", "table1", "--scale", "quick", "--dataset", "mnist"]


def seconds(jobs: int, data_dir: str, images: int, epochs: int) -> float:
    """How long the grid takes with so many jobs."""
    with tempfile.TemporaryDirectory() as results_dir:
        size = ["--train-size", str(images), "--epochs", str(epochs), "--jobs", str(jobs)]
        where = ["--data-dir", data_dir, "--results-dir", results_dir]
        return watch(our_command("jobs", *GRID, "--GJS-A", *ALPHAS, *size, *where)).seconds


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each (default: 3)")
    parser.add_argument("--images", type=int, default=12_800, help="images of an epoch (default: 12800)")
    parser.add_argument("--epochs", type=int, default=4, help="epochs of a run (default: 4)")
    parser.add_argument("--data-dir", default=DATA_DIR, help="where MNIST lies")
    parser.add_argument("--quick", action="store_true", help="the share of a quick grid that is training")
    parser.add_argument("--runs", type=int, default=24, help="runs of the quick grid, an even number (default: 24)")
    arguments = parser.parse_args()
    jobs = min(len(ALPHAS), max(2, torch.get_num_threads()))
    if arguments.quick:
        report_share(jobs, arguments.runs, arguments.data_dir)
    else:
        compare(jobs, arguments)


def report_share(jobs: int, runs: int, data_dir: str) -> None:
    """Carry out a quick grid of so many runs, and report the share of all jobs' time in which one trained."""
    alphas = [f"{(1 + number) / (runs // 2 + 1):.3f}" for number in range(runs // 2)]
    with tempfile.TemporaryDirectory() as results_dir:
        size = ["--loss", "GJS", "dGJS", "--GJS-A", *alphas, "--jobs", str(jobs)]
        where = ["--data-dir", data_dir, "--results-dir", results_dir]
        seconds = watch(our_command("jobs", *QUICK, *size, *where)).seconds
        lines = [line for run in saved_runs(Path(results_dir, "jobs")) for line in run.folder.read_metrics()]
    training = sum(line["seconds"] for line in lines)
    share = training / (jobs * seconds)
    print(f"{runs} runs, {jobs} at a time: {seconds:.0f} s, of which {share:.0%} are training")
    write_report("jobs-quick", {"runs": runs, "jobs": jobs, "seconds": seconds, "training_share": share})


def compare(jobs: int, arguments: argparse.Namespace) -> None:
    """Compare six runs side by side with the same in turn, and report."""
    settings = {"images": arguments.images, "epochs": arguments.epochs}
    counts = (1, jobs)
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
