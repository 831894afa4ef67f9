"""Table 1 of MNIST and Fashion-MNIST, by the command that a user gives, as far as the time goes."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from kit import Kit, Row
from measuring import MAIN

from utils.grids.saved import SavedRun, saved_runs

LOOK_EVERY = 5  # seconds
TO_SAVE = 20  # seconds that are left for every run to save what it has
WHOLE = ["--dataset", "mnist", "fashion"]
TINY = ["--dataset", "dsprites", "--loss", "KL", "dGJS", "--GJS-A", "0.5", "--epochs", "1"]
TINY += ["--train-size", "64", "--test-size", "16"]


def table1(kit: Kit) -> Iterator[Row]:
    """What each run has come to, as it comes. The command is interrupted in time, and goes on the next time.

    Raises RuntimeError with the last line of the command's where it fails.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a script's background process would not hear it
    end = time.monotonic() + kit.seconds - TO_SAVE
    log = kit.out / "table1.log"
    with open(log, "w") as output:
        process = subprocess.Popen(command(kit), stdout=output, stderr=subprocess.STDOUT)
        try:
            while process.poll() is None and time.monotonic() < end:
                time.sleep(LOOK_EVERY if not kit.tiny else 0.1)
                yield from rows(kit)
            in_time = process.poll() is not None
            process.send_signal(signal.SIGINT)
            process.wait()
        finally:
            process.kill()
    yield from rows(kit)
    if in_time and process.returncode:
        raise RuntimeError(log.read_text().strip().splitlines()[-1])


def command(kit: Kit) -> list[str | Path]:
    """The command line of the grid."""
    how = ["--ensemble", "--device", kit.device, "--no-progress-bar", "--report"]
    how += ["--evaluate-every", "1" if kit.tiny else "5", "--checkpoint-every", "10"]
    where = ["--results-dir", kit.out, "--data-dir", kit.data_dir]
    return [sys.executable, MAIN, "table1", "--preset", "table1", *(TINY if kit.tiny else WHOLE), *how, *where]


def rows(kit: Kit) -> list[Row]:
    """What there is of each run by now."""
    return [row for run in saved_runs(kit.out / "table1") if (row := row_of(run))]


def row_of(run: SavedRun) -> Row | None:
    """How far a run has come; None before its first epoch has ended."""
    lines = run.folder.read_metrics()
    train = [line for line in lines if line["split"] == "train"]
    if not train:
        return None
    tested = next((line for line in reversed(lines) if line["split"] == "test"), {})
    return {
        "run": run.folder.path.name,
        "epochs": f"{train[-1]['epoch']} of {run.config.epochs}",
        "training, s": sum(line["seconds"] for line in train),
        "images/s": train[-1]["images_per_second"],
        "test squared error": tested.get("squared_error"),
        "after epoch": tested.get("epoch"),
    }
