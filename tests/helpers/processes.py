"""Processes of main.py: as a user starts one, and forked from one that has done the imports, which take seconds."""

import ctypes
import multiprocessing
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

import main as command_line
from utils.machine.console import make_sturdy
from utils.machine.signals import endings, heed

MAIN = Path(command_line.__file__)
IMPORTED = ["main", "processes", "scipy.stats", "sklearn.datasets", "torch._dynamo"]
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(IMPORTED)


def start(*arguments: object, **options) -> subprocess.Popen:
    """A process as a user starts it."""
    command = [sys.executable, MAIN, *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # bits may depend on the number of threads
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, **pipes, env=environment, **options)


def fork(*arguments: object, before: Callable[[], object] = int) -> "Forked":
    """The same, without pictures; `before` is a function of this module that it calls first."""
    ready_to_fork()
    return Forked([str(argument) for argument in arguments], before)


def ready_to_fork() -> None:
    """See that there is a process to fork from, which has done the imports; the first call starts it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(MAIN.parent), str(Path(__file__).parent)]))
        patch.setenv("OMP_NUM_THREADS", "1")
        forkserver.ensure_running()


class Forked:
    """A process that can be asked what subprocess.Popen can be asked."""

    def __init__(self, arguments: list[str], before: Callable[[], object]):
        (out, its_out), (err, its_err) = CONTEXT.Pipe(duplex=False), CONTEXT.Pipe(duplex=False)
        self.process = CONTEXT.Process(target=carry_out, args=(arguments, its_out, its_err, before), daemon=True)
        self.process.start()
        self.stdout, self.stderr = (os.fdopen(os.dup(end.fileno()), encoding="utf-8") for end in (out, err))
        for end in (out, its_out, err, its_err):
            end.close()

    def send_signal(self, one: int) -> None:
        os.kill(self.process.pid, one)

    def kill(self) -> None:
        self.process.kill()

    def communicate(self) -> tuple[str, str]:
        """What it has still to say, once it has ended."""
        with self.stdout, self.stderr:
            said = self.stdout.read(), self.stderr.read()
        self.process.join()
        return said

    @property
    def returncode(self) -> int | None:
        return self.process.exitcode


def carry_out(arguments: list[str], out: Connection, err: Connection, before: Callable[[], object]) -> None:
    """What main.py does as a program."""
    for end, number, name in ((out, 1, "stdout"), (err, 2, "stderr")):
        os.dup2(end.fileno(), number)
        setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", closefd=False))
    before()
    make_sturdy()
    heed(endings())
    command_line.main(arguments, draw=None)


def limit_files() -> None:
    """Let no file be larger than 1 MiB."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))


def respect_permissions() -> None:
    """Give up the superuser's right to write everywhere, see capabilities(7); others do not have it."""
    libc, version, override = ctypes.CDLL(None), 0x20080522, 1  # _LINUX_CAPABILITY_VERSION_3, CAP_DAC_OVERRIDE
    header, sets = (ctypes.c_uint32 * 2)(version), (ctypes.c_uint32 * 6)()
    libc.capget(header, sets)
    for number in (0, 1):  # of what is in effect, and of what may be
        sets[number] &= ~(1 << override)
    libc.capset(header, sets)


def become_rank(number: int, port: int) -> None:
    """Find the surroundings in which torchrun starts the ranks of two."""
    told = {"RANK": number, "LOCAL_RANK": number, "WORLD_SIZE": 2, "MASTER_PORT": port, "MASTER_ADDR": "localhost"}
    os.environ.update({name: str(value) for name, value in told.items()}, TORCHELASTIC_RUN_ID="none")
