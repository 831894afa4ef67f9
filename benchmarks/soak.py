#!/usr/bin/env python3
"""Whether a run survives whatever befalls it: ended at random moments, and at every single operation on a file.

    python benchmarks/soak.py [--kills N] [--steps kill full] [--every N] [--quick] [--seed N] [--output FILE]

The yardstick is a run that nothing befalls. Then

- processes are ended by SIGKILL, SIGTERM or SIGHUP at random moments, within epochs too, and resumed, again and again
  until a run has ended, with N such ends in all;
- a run is made to end at the first, the second, ... the last of its operations on files: killed there (a write is cut
  in half), or told from there on that the disk is full; then it is resumed.

In each case the weights, the evaluation and metrics.jsonl (less timings) are compared with the yardstick's, byte by
byte. A full disk has to be told in one line, with exit status 2; what a signal ends, with 130. The exit status is 1 if
anything was not as it should be.
The run is three epochs of 40 of scikit-learn's digits; the whole takes minutes, `--quick` (none at random, no pictures)
seconds.
"""

import argparse
import builtins
import contextlib
import errno
import io
import json
import math
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import main as command_line  # noqa: E402
from utils.datasets import load_dataset  # noqa: E402
from utils.figures.one_run import draw_run  # noqa: E402
from utils.machine.signals import endings, heed  # noqa: E402
from utils.runs.folder import CHECKPOINT, CONFIG, EVALUATION, METRICS, MODEL  # noqa: E402

RUN = (
    "exp --dataset digits --loss tGJS --epochs 3 --train-size 40 --test-size 16 --batch-size 16 --latent-dim 3".split()
)
QUIET = "--evaluate-every 2 --no-progress-bar --no-cuda".split()
BY_TIME = ("--checkpoint-minutes", "1e-9")  # after every batch
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP)
FAILED = 3  # exit status of a process that ended in a traceback
TIMINGS = ("seconds", "images_per_second")


def outcome(results_dir: Path) -> dict[str, object]:
    """What has to be the same whatever befell a run."""
    folder = results_dir / "exp"
    lines = [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]
    config = json.loads((folder / CONFIG).read_text())
    return {
        MODEL: (folder / MODEL).read_bytes(),
        EVALUATION: (folder / EVALUATION).read_bytes(),
        METRICS: [{name: value for name, value in line.items() if name not in TIMINGS} for line in lines],
        "ended_after": config["ended_after"],
        "partial": [path.name for path in folder.iterdir() if path.name.startswith(".")],
    }


def command(results_dir: Path) -> list[str]:
    """The command that begins the run there or, where it has begun, goes on with it."""
    if (results_dir / "exp" / CONFIG).exists():
        return ["exp", "--resume", *QUIET[-2:], "--results-dir", str(results_dir)]
    return [*RUN, *QUIET, "--results-dir", str(results_dir)]


# Ends at random moments


def random_ends(ends: int, place: Path, expected: dict[str, object], dice: random.Random) -> Counter:
    """End processes by signals at random moments, each run until it has ended in spite of that.

    They save after every batch, so that a run goes on from within an epoch; `within` counts how often it did.
    """
    start = time.monotonic()
    end_of(forked(place / "timed", pictures=False, more=BY_TIME))
    whole = time.monotonic() - start
    counts = Counter(runs=0, identical=0, within=0)
    done = 0
    while done < ends:
        results_dir, ended, told = place / f"run-{counts['runs']}", False, True
        while not ended:
            child = forked(results_dir, pictures=False, more=BY_TIME)
            one = dice.choice(SIGNALS)
            code = end_of(child, one, dice.uniform(0, 0.9) * whole) if done < ends else end_of(child)
            ended = code in (0, FAILED)
            if not ended:
                done += 1
                counts[one.name] += 1
                counts["within"] += is_within(results_dir)
                told &= code == -signal.SIGKILL if one == signal.SIGKILL else code in (130, -one)
        counts["runs"] += 1
        same = told and code == 0 and outcome(results_dir) == expected
        counts["identical"] += same
        if same:
            shutil.rmtree(results_dir)
        else:
            print(f"{results_dir}: not as it should be; {errors_of(results_dir)}", file=sys.stderr)
    return counts


def end_of(child: int, one: int = 0, after: float = math.inf) -> int:
    """The exit status of a process, which is sent a signal after so many seconds if it has not ended by then."""
    start = time.monotonic()
    while time.monotonic() < start + after:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, one)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def is_within(results_dir: Path) -> bool:
    """Whether the run that was ended goes on from within an epoch."""
    path = results_dir / "exp" / CHECKPOINT
    return path.exists() and "position" in torch.load(path, weights_only=True)


# Every operation on a file


class Interference:
    """Counts operations that change files below a folder and, from operation number `at` on, interferes.

    "kill" ends the process, in the middle of what is written if that is the operation; "full" is a full disk.
    """

    def __init__(self, folder: Path, at: int, kind: str):
        self.folder, self.at, self.kind, self.count = str(folder), at, kind, 0

    def concerns(self, path: object) -> bool:
        return isinstance(path, str | os.PathLike) and os.path.abspath(path).startswith(self.folder)

    def step(self, half_done: Callable[[], object] = lambda: None) -> None:
        """One operation is about to be carried out; `half_done` does half of it."""
        self.count += 1
        if self.count == self.at and self.kind == "kill":
            half_done()
            os.kill(os.getpid(), signal.SIGKILL)
        if self.count >= self.at and self.kind == "full":
            half_done()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def install(self) -> None:
        """Get between the program and the system, for the rest of this process."""
        open_, fsync, replace, mkdir, unlink = builtins.open, os.fsync, os.replace, os.mkdir, os.unlink
        interference = self

        class Raw(io.FileIO):
            def write(self, content):
                half = bytes(content)[: len(bytes(content)) // 2]
                interference.step(lambda: io.FileIO.write(self, half))
                return super().write(content)

        def opening(file, mode="r", *arguments, **options):
            if not interference.concerns(file) or mode.startswith("r"):
                return open_(file, mode, *arguments, **options)
            interference.step()
            raw = io.BufferedWriter(Raw(file, mode.replace("b", "")))
            return raw if "b" in mode else io.TextIOWrapper(raw, encoding="utf-8")

        def syncing(handle):
            interference.step()
            fsync(handle)

        def replacing(source, target):
            interference.step()
            replace(source, target)

        def making(path, *arguments, **options):
            if interference.concerns(path):
                interference.step()
            mkdir(path, *arguments, **options)

        def unlinking(path, *arguments, **options):
            if interference.concerns(path) and os.path.lexists(path) and interference.kind == "kill":
                interference.step()
            unlink(path, *arguments, **options)

        builtins.open, os.fsync, os.replace, os.mkdir, os.unlink = opening, syncing, replacing, making, unlinking


def import_all() -> None:
    """Import what is imported on first use, so that forked processes need not: it takes most of their time."""
    load_dataset("digits", "test", ".")
    weight = torch.nn.Parameter(torch.zeros(()))
    weight.grad = torch.zeros(())
    torch.optim.Adam([weight], fused=True).step()


def forked(
    results_dir: Path, interference: "Interference | None" = None, *, pictures: bool = True, more: tuple[str, ...] = ()
) -> int:
    """A process that carries out the command, forked from this one: what imports take is saved."""
    results_dir.parent.mkdir(exist_ok=True)
    child = os.fork()
    if child:
        return child
    code = FAILED
    with open(errors_of(results_dir, read=False), "w") as err, open(os.devnull, "w") as out:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                for one in SIGNALS[1:]:
                    signal.signal(one, signal.SIG_DFL)
                heed(endings())
                if interference:
                    interference.install()
                command_line.main([*command(results_dir), *more], draw=draw_run if pictures else None)
                code = 0 if not interference or interference.count < interference.at else 4
            except SystemExit as exit:
                code = exit.code
            except BaseException:
                traceback.print_exc()
        err.flush()
        os._exit(code)


def errors_of(results_dir: Path, *, read: bool = True) -> str | Path:
    """Standard error of the last process that was at a run, or the file of it."""
    path = results_dir.with_suffix(".stderr")
    return path.read_text() if read else path


def in_a_process(results_dir: Path, interference: Interference | None, *, pictures: bool) -> tuple[int, str]:
    """Exit status (-9: killed) and standard error of the command in a process."""
    return end_of(forked(results_dir, interference, pictures=pictures)), errors_of(results_dir)


def every_operation(kind: str, every: int, place: Path, expected: dict[str, object], *, pictures: bool) -> Counter:
    """Interfere at each operation on a file in turn (each `every`-th), and go on with the run after that."""
    counts = Counter(steps=0, identical=0)
    for at in range(1, 10_000, every):
        results_dir = place / f"{kind}-{at}"
        status, err = in_a_process(results_dir, Interference(results_dir, at, kind), pictures=pictures)
        if status == 0:
            shutil.rmtree(results_dir)
            return counts
        counts["steps"] += 1
        told = status == -signal.SIGKILL if kind == "kill" else status == 2 and err.count("\n") == 1
        status, later = in_a_process(results_dir, None, pictures=pictures)
        if told and status == 0 and outcome(results_dir) == expected:
            counts["identical"] += 1
            shutil.rmtree(results_dir)
        else:
            print(f"{kind} at operation {at}: not as it should be; {err}{later}", file=sys.stderr)
    raise RuntimeError("the run never ends")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="ends by signals at random moments")
    parser.add_argument("--steps", nargs="*", default=["kill", "full"], choices=["kill", "full"])
    parser.add_argument("--every", type=int, default=1, help="interfere at each N-th operation only")
    parser.add_argument("--quick", action="store_true", help="no ends at random moments, and no pictures")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--output", type=Path, help="write the figures as JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    import_all()
    figures = {}
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch).resolve()
        status, err = in_a_process(place / "whole", None, pictures=not options.quick)
        if status:
            sys.exit(f"the run fails by itself: {err}")
        expected = outcome(place / "whole")
        for kind in options.steps:
            figures[kind] = every_operation(kind, options.every, place, expected, pictures=not options.quick)
            print(f"{kind} at every operation on a file: {figures[kind]['steps']} runs, ", end="")
            print(f"{figures[kind]['identical']} resumed to the same bits", flush=True)
        if not options.quick:
            figures["random"] = random_ends(options.kills, place, expected, random.Random(options.seed))
            print(
                "{SIGKILL} SIGKILL, {SIGTERM} SIGTERM, {SIGHUP} SIGHUP at random moments of {runs} runs, of which "
                "{within} left one within an epoch: {identical} ended in the same bits".format_map(figures["random"])
            )
    if options.output:
        options.output.write_text(json.dumps(figures, indent=2) + "\n")
    if any(counts["identical"] != counts.get("steps", counts["runs"]) for counts in figures.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
