#!/usr/bin/env python3
"""The reference runs: MNIST, 20 epochs, both likelihoods, three seeds; figures of the authors' own code beside ours.

    python benchmarks/reference.py            train what is missing, two runs at a time with one thread each
    python benchmarks/reference.py --table    print the table from the results that are there

Results go to results/reference/. A run that was interrupted is resumed, one that has ended is left as it is.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "results" / "reference"
SEEDS = (1234, 1, 2)
# Test squared error of the authors' code, run afresh with seed 1234.
AUTHORS = {
    ("gaussian", "KL", None): 13.05,
    ("gaussian", "GJS", 0.1): 11.45,
    ("gaussian", "dGJS", 0.3): 11.08,
    ("bernoulli", "KL", None): 10.82,
    ("bernoulli", "dGJS", 0.3): 10.28,
}


def run_name(rec_dist: str, loss: str, alpha: float | None, seed: int) -> str:
    """Name of a run's folder."""
    skew = "" if alpha is None else f"-{alpha}"
    return f"mnist-{rec_dist}-{loss}{skew}-seed-{seed}"


def train(rec_dist: str, loss: str, alpha: float | None, seed: int) -> None:
    """Train and evaluate one run in a process of its own."""
    name = run_name(rec_dist, loss, alpha, seed)
    command = [sys.executable, ROOT / "main.py", name, "--results-dir", RESULTS, "--no-progress-bar"]
    if (RESULTS / name / "config.json").exists():
        command += ["--resume"]
    else:
        command += ["--dataset", "mnist", "--epochs", "20", "--rec-dist", rec_dist, "--loss", loss, "--seed", str(seed)]
        command += [] if alpha is None else ["--GJS-A", str(alpha)]
    print(" ".join(map(str, command)), flush=True)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})


def print_table() -> None:
    """Print the mean test squared error over the seeds that are there, beside the authors' single run."""
    print("| `--rec-dist` | loss | seeds | test squared error | mean | authors' code | difference |")
    print("|---|---|---|---|---|---|---|")
    for (rec_dist, loss, alpha), authors in AUTHORS.items():
        paths = [RESULTS / run_name(rec_dist, loss, alpha, seed) / "evaluation.json" for seed in SEEDS]
        errors = [json.loads(path.read_text())["test"]["squared_error"] for path in paths if path.exists()]
        if errors:
            label = loss if alpha is None else f"{loss} {alpha}"
            each, mean = ", ".join(f"{error:.2f}" for error in errors), statistics.mean(errors)
            print(f"| {rec_dist} | {label} | {len(errors)} | {each} | {mean:.2f} | {authors} | {mean - authors:+.2f} |")


def main() -> None:
    """Train, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="print the table, train nothing")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time (default: 2)")
    arguments = parser.parse_args()
    if not arguments.table:
        with ThreadPoolExecutor(arguments.jobs) as pool:
            list(pool.map(lambda run: train(*run), [(*run, seed) for seed in SEEDS for run in AUTHORS]))
    print_table()


if __name__ == "__main__":
    main()
