#!/usr/bin/env python3
"""One epoch of MNIST: this project's whole command against pythae's epoch alone, on the same machine in turn.

    python benchmarks/one_epoch.py [--rounds N] [--data-dir DIR]

Ours is timed from the command to its end: start, data, one epoch, evaluation of both splits, pictures, everything
written; of pythae only the training counts. The networks and the batch size are the same. pythae is installed on the
first call, into benchmarks/.venv-pythae, and shares the packages of this environment. Prints every round and the
medians, and writes them to results/benchmarks/one_epoch.json. Run it on a machine that does nothing else.
"""

import argparse
import json
import statistics
import tempfile

from measuring import DATA_DIR, HERE, our_command, pythae_python, watch, write_report


def whole_command(data_dir: str) -> tuple[float, float]:
    """Wall-clock seconds of the whole command, and the peak of its processes' resident memory in MiB."""
    with tempfile.TemporaryDirectory() as results_dir:
        run = ["one-epoch", "--dataset", "mnist", "--epochs", "1", "--rec-dist", "gaussian", "--loss", "KL"]
        watched = watch(our_command(*run, "--data-dir", data_dir, "--results-dir", results_dir))
    return watched.seconds, watched.peak_mib


def pythae_epoch(data_dir: str) -> float:
    """Seconds of pythae's epoch."""
    command = [pythae_python(), HERE / "pythae_epoch.py", data_dir, "60000", "0", "0"]  # no more than the first epoch
    return json.loads(watch(command).output.splitlines()[-1])["seconds"]


def main() -> None:
    """Measure in turn, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each (default: 3)")
    parser.add_argument("--data-dir", default=DATA_DIR, help="where MNIST lies")
    arguments = parser.parse_args()
    rounds = []
    for number in range(1, arguments.rounds + 1):
        seconds, peak = whole_command(arguments.data_dir)
        yardstick = pythae_epoch(arguments.data_dir)
        rounds.append(
            {"command_s": seconds, "pythae_epoch_s": yardstick, "ratio": seconds / yardstick, "peak_mib": peak}
        )
        print(f"round {number}: " + "  ".join(f"{name} {value:.2f}" for name, value in rounds[-1].items()), flush=True)
    medians = {name: statistics.median(row[name] for row in rounds) for name in rounds[0]}
    print("median:  " + "  ".join(f"{name} {value:.2f}" for name, value in medians.items()))
    write_report("one_epoch", {"rounds": rounds, "medians": medians})


if __name__ == "__main__":
    main()
