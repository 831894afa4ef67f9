#!/usr/bin/env python3
"""An epoch of training, in every way this project has, beside a plain DataLoader loop and pythae.

    python benchmarks/epoch.py [--rounds N] [--images N] [--epochs N] [--kinds KIND ...] [--no-scaling] [--data-dir DIR]

The same networks, batches and images (MNIST, squared error) for all. Each measurement is a process of its own; rounds
alternate, each with its own seed; the table holds medians over rounds, as seconds of an epoch without evaluation, and
ratios to pythae's (to the plain loop's where pythae cannot be installed). The squared error of the test images after
training shows that all learn the same. Then come other batch sizes, latent dimensions and image sizes. All is also
written to results/benchmarks/epoch-CPU.json, where CPU stands for its vector instructions. pythae is installed on the
first call, into benchmarks/.venv-pythae. CPU seconds are of all threads together, and mean something on a busy machine
too; for the others it should do nothing else. Linux only.
"""

import argparse
import json
import statistics
import subprocess
import sys
from typing import Any

import torch
from measuring import DATA_DIR, HERE, pythae_python, watch, write_report
from training import DATA_LOADER, KINDS

PYTHAE = "pythae"
COLUMNS = {  # of the tables, with their formats
    "seconds": ".2f",
    "cpu_seconds": ".2f",
    "ratio": ".2f",
    "cpu_ratio": ".2f",
    "first_step": ".1f",
    "first_epoch": ".1f",
    "peak_mib": ".0f",
    "squared_error": ".2f",
}
BATCH_SIZES, LATENT_DIMS, IMAGE_SIZES = (16, 64, 256, 1024), (2, 10, 128), (32, 64)


def measure(kind: str, settings: dict[str, Any]) -> dict[str, float]:
    """One measurement in a process of its own, with the peak of the resident memory of its process tree in MiB."""
    if kind == PYTHAE:
        numbers = (str(settings[name]) for name in ("images", "epochs", "seed"))
        command = [pythae_python(), HERE / "pythae_epoch.py", settings["data_dir"], *numbers]
    else:
        command = [sys.executable, HERE / "training.py", kind, json.dumps(settings)]
    watched = watch(command)
    return {**json.loads(watched.output.splitlines()[-1]), "peak_mib": watched.peak_mib}


def medians(kinds: list[str], settings: dict[str, Any], rounds: int) -> dict[str, dict[str, Any]]:
    """The medians over alternating rounds, of a seed each, of each kind, by name; of squared errors the range too."""
    results: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    for seed in range(rounds):
        for kind in kinds:
            results[kind].append(measure(kind, {**settings, "seed": seed}))
    table = {}
    for kind, rows in results.items():
        table[kind] = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
        errors = [row["squared_error"] for row in rows]
        table[kind]["squared_error_range"] = [min(errors), max(errors)]
    return table


def print_table(title: str, rows: dict[str, dict[str, Any]]) -> None:
    """Print rows by name, each with the columns that it has."""
    print(f"\n{title:24}" + "".join(f"{name:>14}" for name in COLUMNS))
    for name, row in rows.items():
        cells = (format(row[column], spec) if column in row else "" for column, spec in COLUMNS.items())
        print(f"{name:24}" + "".join(f"{cell:>14}" for cell in cells), flush=True)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each (default: 3)")
    parser.add_argument("--images", type=int, default=60_000, help="images in an epoch (default: 60000)")
    parser.add_argument("--epochs", type=int, default=1, help="epochs measured, after one that warms up (default: 1)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="of ours (default: all)")
    parser.add_argument("--no-scaling", action="store_true", help="only the table of one configuration")
    parser.add_argument("--data-dir", default=DATA_DIR, help="where MNIST lies")
    arguments = parser.parse_args()
    settings = {"data_dir": arguments.data_dir, "images": arguments.images, "epochs": arguments.epochs}
    settings |= {"batch_size": 64, "latent_dim": 10, "size": 32}
    kinds = [*arguments.kinds, DATA_LOADER, PYTHAE]
    try:
        pythae_python()
    except subprocess.CalledProcessError:
        print("pythae could not be installed, and is left out")
        kinds.remove(PYTHAE)
    rows = medians(kinds, settings, arguments.rounds)
    for row in rows.values():
        row["ratio"] = row["seconds"] / rows[kinds[-1]]["seconds"]
        row["cpu_ratio"] = row["cpu_seconds"] / rows[kinds[-1]]["cpu_seconds"]
    print_table("", rows)
    shown = {name: value for name, value in settings.items() if name != "data_dir"}
    report = {"settings": shown, "rounds": arguments.rounds, "epoch": rows, "scaling": {}}
    for name, values in {"batch_size": BATCH_SIZES, "latent_dim": LATENT_DIMS, "size": IMAGE_SIZES}.items():
        if not arguments.no_scaling:
            scaled = {
                f"{kind}, {value}": row
                for value in values
                for kind, row in medians(arguments.kinds, {**settings, name: value}, 1).items()
            }
            print_table(name, scaled)
            report["scaling"][name] = scaled
    write_report(f"epoch-{torch.backends.cpu.get_cpu_capability().lower()}", report)


if __name__ == "__main__":
    main()
