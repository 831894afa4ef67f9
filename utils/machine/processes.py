"""A function carried out on many tasks, in turn, or side by side in several processes."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple, TypeVar

import torch

Task = TypeVar("Task")
Result = TypeVar("Result")

OF_TERMINALS = [getattr(signal, name) for name in ("SIGINT", "SIGHUP") if hasattr(signal, name)]


def in_turn(
    work: Callable[[Task], Result], tasks: list[Task], announce: Callable[[Task], None]
) -> Iterator[tuple[Task, Result]]:
    """Carry out work(task) on one task after the other, announcing each; yields (task, result) as one ends."""
    for task in tasks:
        announce(task)
        yield task, work(task)


def side_by_side(
    work: Callable[[Task], Result], tasks: list[Task], announce: Callable[[Task], None], jobs: int
) -> Iterator[tuple[Task, Result | None]]:
    """Carry out work(task) on every task, `jobs` at a time, with the threads divided among them; announce each.

    Yields (task, result) as one ends, with None where its process ended without a result. A process that has done one
    task takes the next, because starting one costs seconds. What a task prints is not shown. Left early, by Ctrl-C say,
    it interrupts what is at work, once, and waits for that to end; there it is a KeyboardInterrupt.
    """
    threads = max(1, torch.get_num_threads() // jobs)
    waiting = deque(tasks)
    idle: list[Worker] = []
    running: dict[Connection, tuple[Task, Worker]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                task = waiting.popleft()
                announce(task)
                worker = assigned(task, idle) or start(work, threads, task)
                running[worker.connection] = task, worker
            for connection in wait(list(running)):
                task, worker = running.pop(connection)
                try:
                    result = connection.recv()
                    idle.append(worker)
                except (EOFError, OSError):  # nothing, or half of it
                    result = None
                    worker.ended()
                yield task, result
    finally:
        workers = [*idle, *(worker for _, worker in running.values())]
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.ended()


class Worker(NamedTuple):
    """A process, and what it is sent tasks and sends results by."""

    process: BaseProcess
    connection: Connection

    def ended(self) -> None:
        """Wait for its end, and forget it."""
        self.process.join()
        self.connection.close()


def assigned(task: Any, idle: list[Worker]) -> Worker | None:
    """One of the idle processes, which has been sent a task; None if there is none, as where they have been killed."""
    while idle:
        worker = idle.pop()
        try:
            worker.connection.send(task)
            return worker
        except OSError:
            worker.ended()
    return None


def start(work: Callable[[Any], Any], threads: int, task: Any) -> Worker:
    """Start a process that carries out work(task) on each task it is sent, and send it the first.

    Ctrl-C in a terminal, and its closing, are told to every process there. The new one never sees it, because it is
    for this one to interrupt the others, once each: a second interruption would end what the first is saving.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=begin, args=(work, threads, theirs), daemon=True)
    before = {one: signal.signal(one, signal.SIG_IGN) for one in OF_TERMINALS}  # which the new process keeps
    try:
        process.start()
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    theirs.close()
    with contextlib.suppress(OSError):  # where it has ended already, which receiving from it tells
        ours.send(task)
    return Worker(process, ours)


def begin(work: Callable[[Any], Any], threads: int, connection: Connection) -> None:
    """What a new process does."""
    with silenced(), contextlib.suppress(KeyboardInterrupt):
        signal.signal(signal.SIGTERM, interrupt)
        threading.Thread(target=end_with_parent, daemon=True).start()
        torch.set_num_threads(threads)
        while True:
            connection.send(work(connection.recv()))


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Show nothing of what the block prints."""
    with open(os.devnull, "w", encoding="utf-8", errors="replace") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def interrupt(*_: Any) -> None:
    """Do once what Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def end_with_parent() -> None:
    """Interrupt this process when its parent is gone, however that ended."""
    multiprocessing.parent_process().join()
    os.kill(os.getpid(), signal.SIGTERM)
