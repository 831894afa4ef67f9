#!/usr/bin/env python3
"""The reference runs: MNIST, 20 epochs, both likelihoods, three seeds; figures of the authors' own code beside ours.

    python benchmarks/reference.py --table                     the table, from the results in results/reference
    python benchmarks/reference.py --results-dir results/mine  the same runs again, then their table

Runs train two at a time, or as many as --jobs says, with one thread each. One that was interrupted is resumed, one that
has ended is left as it is.
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


def train(results_dir: Path, rec_dist: str, loss: str, alpha: float | None, seed: int) -> None:
    """Train and evaluate one run in a process of its own."""
    name = run_name(rec_dist, loss, alpha, seed)
    command = [sys.executable, ROOT / "main.py", name, "--results-dir", results_dir, "--no-progress-bar"]
    if (results_dir / name / "config.json").exists():
        command += ["--resume"]
    else:
        command += ["--dataset", "mnist", "--epochs", "20", "--rec-dist", rec_dist, "--loss", loss, "--seed", str(seed)]
        command += [] if alpha is None else ["--GJS-A", str(alpha)]
    print(" ".join(map(str, command)), flush=True)
    subprocess.run(command, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})


def test_error(folder: Path) -> float | None:
    """The test squared error of a run; None if it has not ended."""
    config = folder / "config.json"
    if not config.exists() or json.loads(config.read_text())["ended_after"] is None:
        return None
    return json.loads((folder / "evaluation.json").read_text())["test"]["squared_error"]


def print_table(results_dir: Path) -> None:
    """Print the mean test squared error over the seeds that are there, beside the authors' single run."""
    print("| `--rec-dist` | loss | seeds | test squared error | mean | authors' code | difference |")
    print("|---|---|---|---|---|---|---|")
    for (rec_dist, loss, alpha), authors in AUTHORS.items():
        found = [test_error(results_dir / run_name(rec_dist, loss, alpha, seed)) for seed in SEEDS]
        errors = [error for error in found if error is not None]
        if errors:
            label = loss if alpha is None else f"{loss} {alpha}"
            each, mean = ", ".join(f"{error:.2f}" for error in errors), statistics.mean(errors)
            print(f"| {rec_dist} | {label} | {len(errors)} | {each} | {mean:.2f} | {authors} | {mean - authors:+.2f} |")


def main() -> None:
    """Train, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="print the table, train nothing")
    parser.add_argument("--results-dir", type=Path, default=ROOT / "results" / "reference", help="where the runs lie")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time (default: 2)")
    arguments = parser.parse_args()
    if not arguments.table:
        with ThreadPoolExecutor(arguments.jobs) as pool:
            list(
                pool.map(
                    lambda run: train(arguments.results_dir, *run), [(*run, seed) for seed in SEEDS for run in AUTHORS]
                )
            )
    print_table(arguments.results_dir)


if __name__ == "__main__":
    main()
