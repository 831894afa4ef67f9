"""One section of `gpu.py`, in a process of its own: prints each finding as a line of JSON, as soon as it has it.

python benchmarks/gpu_sections NAME '{"device": "cuda", "seconds": 60, ...}'
"""

import contextlib
import json
import sys
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))
sys.path.insert(2, str(Path(__file__).resolve().parents[2]))

from checks import checks, compiled_checks
from kit import Kit
from speed import speed
from table1 import table1

SECTIONS = {"checks": checks, "compiled": compiled_checks, "speed": speed, "table1": table1}


def main(name: str, settings: dict) -> None:
    """Carry out a section; what the library prints goes to standard error."""
    kit = Kit(**{**settings, "out": Path(settings["out"])})
    findings = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        for row in SECTIONS[name](kit):
            print(json.dumps(row), file=findings, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
