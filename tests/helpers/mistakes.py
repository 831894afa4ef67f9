"""How mistakes are tried, and what each has to end in."""

import contextlib
import io
import os
import re
import shlex
from pathlib import Path

import pytest

import main as command_line
from processes import start


class Bomb:
    """Unpickled, it would leave a file."""

    def __reduce__(self):
        return os.system, ("touch exploded",)


def contents(folder):
    """All that is in a folder, with its content."""
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def in_this_process(arguments):
    """Exit status, standard output and standard error of a command line."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as exit:
        command_line.main(arguments)
    return exit.value.code, out.getvalue(), err.getvalue()


def in_a_process(arguments):
    """The same of a process."""
    process = start(*arguments)
    out, err = process.communicate()
    return process.returncode, out, err


def check_refused(command, phrase, carry_out=in_this_process):
    """A command ends with status 2 and one line with a phrase; what was in the working directory is there, to the byte.

    The phrase begins with "main.py: " where it is the beginning of the line.
    """
    before = contents(Path.cwd())
    status, out, err = carry_out(shlex.split(command))
    assert status == 2, err
    assert err.startswith("main.py: ")
    assert phrase in err
    assert err.count("\n") == 1 and err.endswith("\n") and err.count("\r") == 0
    assert not out or re.fullmatch(r".*: \w+ networks, .*, seed \d+; .*\n", out), "what the run is, at most"
    assert contents(Path.cwd()) == before
