"""Grids on a cluster, by Ray or by submitit: work(task) carried out on other machines, and again where one is lost.

Each function does what `side_by_side` does. A task has to go on where a lost process of it has left off, and the
machines share the folders of data, results and this code. A task has one CPU, and a share of a GPU or none.
"""

import contextlib
import importlib.util
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from utils.machine.environment import MachineError
from utils.machine.processes import Result, Task, interrupt, side_by_side, silenced
from utils.runs.folder import ResultsError

CODE = Path(__file__).parents[2]
RETRIES = 5  # of a task whose process, or whose machine, is lost
SLURM_MINUTES = 24 * 60  # that a job may take unless SBATCH_TIMELIMIT is set; then it is queued again


def find_executor(name: str, gpus_per_run: float, logs: Path) -> Callable[..., Iterator[tuple[Any, Any | None]]]:
    """The executor "ray" or "submitit", whose jobs write into the folder `logs`.

    Raises MachineError if the package is missing, or SLURM is, and ResultsError if `logs` is a link: nothing is written
    through one.
    """
    if importlib.util.find_spec(name) is None:
        file = {"ray": "requirements-ray.txt", "submitit": "requirements-slurm.txt"}[name]
        raise MachineError(f"--executor {name}: {name} is not installed: pip install -r {file}")
    if name == "ray":
        return partial(on_ray, gpus_per_run=gpus_per_run)
    if shutil.which("srun") is None:
        raise MachineError("--executor submitit: there is no SLURM here (no srun): use a machine that submits jobs")
    if logs.is_symlink():
        raise ResultsError(f"{logs} is a link to {logs.readlink()}: remove it, or choose another name")
    return partial(on_slurm, gpus_per_run=gpus_per_run, logs=logs)


def on_ray(
    work: Callable[[Task], Result], tasks: list[Task], announce: Callable[[Task], None], *, gpus_per_run: float
) -> Iterator[tuple[Task, Result | None]]:
    """Carry out the tasks on the Ray cluster that RAY_ADDRESS names, else on one of this machine alone."""
    import ray

    if not tasks:
        return
    ray.init(logging_level="ERROR")
    remote = ray.remote(num_cpus=1, num_gpus=gpus_per_run, max_retries=RETRIES)(on_worker)
    running = {}
    try:
        for task in tasks:
            announce(task)
            running[remote.remote(os.getcwd(), work, task)] = task
        while running:
            for reference in ray.wait(list(running))[0]:
                try:
                    result = ray.get(reference)
                except ray.exceptions.RayError:
                    result = None
                yield running.pop(reference), result
    finally:
        for reference in running:
            ray.cancel(reference)  # a KeyboardInterrupt there
        with contextlib.suppress(ValueError):  # of nothing to wait for
            ray.wait(list(running), num_returns=len(running))
        ray.shutdown()


def on_worker(folder: str, work: Callable[[Task], Result], task: Task) -> Result:
    """What a process of Ray does: in the folder where the sweep was started, so that relative paths hold."""
    os.chdir(folder)
    with silenced():
        return work(task)


def on_slurm(
    work: Callable[[Task], Result],
    tasks: list[Task],
    announce: Callable[[Task], None],
    *,
    gpus_per_run: float,
    logs: Path,
    cluster: str = "slurm",
    poll_seconds: float = 1,
) -> Iterator[tuple[Task, Result | None]]:
    """Carry out the tasks as jobs of SLURM; as many tasks in each as there is room for on its GPU, if it has one.

    What sbatch takes from the environment holds: SBATCH_PARTITION, SBATCH_ACCOUNT, SBATCH_TIMELIMIT.
    """
    size = int(1 / gpus_per_run) if gpus_per_run else 1
    executor = slurm_executor(logs, cluster, cpus=size, gpus=1 if gpus_per_run else 0)
    running = {}

    def submit(tasks: list[Task], retries: int) -> None:
        running[executor.submit(SideBySide(work, tasks))] = tasks, retries

    try:
        for start in range(0, len(tasks), size):
            for task in tasks[start : start + size]:
                announce(task)
            submit(tasks[start : start + size], RETRIES)
        while running:
            time.sleep(poll_seconds)
            for job in [job for job in running if job.done()]:
                own, retries = running.pop(job)
                results = results_of(job, own)
                if lost := [task for task, result in results if result is None and retries]:
                    submit(lost, retries - 1)
                yield from ((task, result) for task, result in results if result is not None or not retries)
    finally:
        for job in running:
            job.cancel()
        while not all(job.done() for job in running):
            time.sleep(poll_seconds)


def slurm_executor(logs: Path, cluster: str, *, cpus: int, gpus: int) -> Any:
    """Submitit's, for jobs with so many CPUs and GPUs."""
    import submitit

    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(CODE), os.environ.get("PYTHONPATH")]))
    executor = submitit.AutoExecutor(logs, cluster=cluster)
    needs = {"cpus_per_task": cpus, "slurm_srun_args": [f"--cpus-per-task={cpus}"]}  # srun does not take over sbatch's
    needs |= {"gpus_per_node": gpus} if gpus else {}
    executor.update_parameters(name="vae", timeout_min=SLURM_MINUTES, **needs)
    return executor


def results_of(job: Any, tasks: list[Task]) -> list[tuple[Task, Any | None]]:
    """The tasks of a job that has ended, with their results; None for each if the job is lost."""
    try:
        return job.result()
    except Exception:  # of submitit's many kinds
        return [(task, None) for task in tasks]


class SideBySide:
    """What a job does: tasks side by side. As a class, it is queued again when its time is up or it is preempted."""

    def __init__(self, work: Callable[[Any], Any], tasks: list[Any]):
        self.work, self.tasks = work, tasks

    def __call__(self) -> list[tuple[Any, Any | None]]:
        signal.signal(signal.SIGTERM, interrupt)
        return list(side_by_side(self.work, self.tasks, lambda task: None, jobs=len(self.tasks)))

    def checkpoint(self) -> Any:
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)
