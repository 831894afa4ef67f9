#!/usr/bin/env python3
"""All that is to be known of a GPU, in nine minutes and unattended: does everything work there, and how fast is it?

    python benchmarks/gpu.py [--minutes N] [--sections NAME ...] [--device NAME] [--data-dir DIR] [--out DIR]

It does one section after the other, each in a process of its own and for a share of the time; what one leaves, the last
one has. One that fails, or runs out of time, is recorded as such, and the next goes on. After every finding the report
is written anew, to gpu.json and gpu.md in results/benchmarks/, so that whoever cuts this off loses nothing. The runs of
Table 1 lie there too, in table1/, and go on where they stopped when the command is given again.

Ends with status 1 if a check or a section has failed. `--device cpu --tiny` tries the kit itself, in a minute.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from measuring import DATA_DIR, REPORTS, machine

# The sections, with the share of the time that each may take; the last one has all that is left.
SHARES = {"checks": 0.2, "compiled": 0.2, "speed": 0.3, "table1": 1.0}
SECTIONS = Path(__file__).with_name("gpu_sections")
GRACE = 15  # seconds that a section is given to end when its time is up


def main() -> None:
    """Do every section, and write the report as it grows."""
    arguments = build_parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended; what was found stays"))
    arguments.out.mkdir(parents=True, exist_ok=True)
    report = {"machine": machine(), "device": arguments.device, "tiny": arguments.tiny, "sections": {}}
    deadline = time.monotonic() + 60 * arguments.minutes
    for name in arguments.sections:
        seconds = min(60 * arguments.minutes * SHARES[name], deadline - time.monotonic() - GRACE)
        section = report["sections"][name] = {"state": "at work", "rows": []}
        print(f"{name}: {max(seconds, 0):.0f} s at most", flush=True)
        for _ in progress(section, name, seconds, arguments):
            write(report, arguments.out)
        print(f"{name}: {section['state']}", flush=True)
    print(f"written to {arguments.out / 'gpu.md'}")
    raise SystemExit(any(map(has_failed, report["sections"].values())))


def build_parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=9, help="for all sections together (default: 9)")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N or cpu (default: cuda)")
    parser.add_argument("--sections", nargs="+", choices=SHARES, default=SHARES, help="only these (default: all)")
    parser.add_argument("--tiny", action="store_true", help="a few images and runs, to try the kit")
    parser.add_argument("--data-dir", default=DATA_DIR, help="where MNIST and Fashion lie")
    parser.add_argument("--out", type=Path, default=REPORTS, help="where the report goes (default: results/benchmarks)")
    return parser


def progress(section: dict[str, Any], name: str, seconds: float, arguments: argparse.Namespace) -> Iterator[None]:
    """Carry out a section, and note in its record what it finds and how it ends; yields whenever there is news."""
    yield
    start = time.monotonic()
    with tempfile.TemporaryFile("w+") as errors:
        command = [sys.executable, SECTIONS, name, json.dumps(settings(arguments, seconds))]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        timers = [threading.Timer(max(0, seconds), process.terminate), threading.Timer(seconds + GRACE, process.kill)]
        try:
            for timer in timers:
                timer.start()
            for line in process.stdout:
                with contextlib.suppress(ValueError):  # the half of a line, of a process that was ended
                    add(section["rows"], json.loads(line))
                    yield
        finally:
            for timer in timers:
                timer.cancel()
            process.kill()
            process.wait()
        taken = time.monotonic() - start
        section |= {"state": state(process.returncode, errors), "seconds": round(taken, 1)}
        yield


def settings(arguments: argparse.Namespace, seconds: float) -> dict[str, Any]:
    """What a section is told."""
    told = {name: getattr(arguments, name) for name in ("device", "tiny", "data_dir")}
    return {**told, "out": str(arguments.out), "seconds": seconds}


def add(rows: list[dict[str, Any]], row: dict[str, Any]) -> None:
    """Add a row to a table, in place of one that has the same name, which is its first column."""
    names = [next(iter(other.items())) for other in rows]
    name = next(iter(row.items()))
    if name in names:
        rows[names.index(name)] = row
    else:
        rows.append(row)


def state(status: int, errors: Any) -> str:
    """How a section has ended."""
    if status < 0:
        return "out of time"
    errors.seek(0)
    said = errors.read().splitlines() or [f"status {status}"]
    return f"failed: {said[-1]}" if status else "done"


def has_failed(section: dict[str, Any]) -> bool:
    """Whether a section, or one of its rows, is a failure. To run out of time is none."""
    return any(
        str(text).startswith("failed") for text in (section["state"], *(r.get("result") for r in section["rows"]))
    )


def write(report: dict[str, Any], out: Path) -> None:
    """Write both files, each of them whole at every moment."""
    for name, text in (("gpu.json", json.dumps(report, indent=2) + "\n"), ("gpu.md", markdown(report))):
        partial = out / f".{name}.partial"
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, out / name)


def markdown(report: dict[str, Any]) -> str:
    """The page."""
    told = ", ".join(f"{name} {value}" for name, value in report["machine"].items() if value is not None)
    lines = [f"# On {report['machine']['gpu'] or 'a CPU'}", "", f"Device {report['device']}; {told}."]
    for name, section in report["sections"].items():
        taken = f", {section['seconds']:.0f} s" if "seconds" in section else ""
        lines += ["", f"## {name}", "", f"{section['state']}{taken}.", *table(section["rows"])]
    return "\n".join(lines) + "\n"


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The lines of a table with a column for every name that a row has; those with the same names in one table."""
    lines: list[str] = []
    before = None
    for row in rows:
        if list(row) != before:
            lines += ["", f"| {' | '.join(row)} |", "|---" * len(row) + "|"]
        before = list(row)
        lines.append(f"| {' | '.join(map(shown, row.values()))} |")
    return lines


def shown(value: Any) -> str:
    """A value in a cell."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return "" if value is None else str(value).replace("|", "\\|")


if __name__ == "__main__":
    main()
