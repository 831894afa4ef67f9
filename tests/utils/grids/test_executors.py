"""Grids on a cluster: a local one of Ray, and submitit's of this machine; each loses a process on the way."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial

import pytest

import main as command_line
from utils.grids import executors
from utils.grids.executors import find_executor, on_slurm
from utils.grids.grid import configurations
from utils.grids.saved import saved_runs
from utils.grids.sweep import sweep
from utils.machine.environment import MachineError
from utils.runs.folder import CONFIG, EVALUATION, METRICS, MODEL, ResultsError, ResultsFolder
from utils.runs.runtime import Runtime

pytestmark = pytest.mark.slow

FLAGS = {"dataset": "mixture2d", "train_size": 300, "test_size": 50, "seed": [0, 1, 2], "epochs": 100}

on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds processes in /proc")


def needs(package, file):
    missing = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(missing, reason=f"{package} is not installed: pip install -r {file}")


@pytest.fixture
def runtime(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as in this process: bits depend on it
    return Runtime(data_dir=tmp_path / "data", results_dir=tmp_path / "results", device="cpu")


def recorded(runtime):
    """The lines of metrics.jsonl of each run so far: their seconds tell an epoch from its repetition."""
    paths = (runtime.results_dir / "exp").glob(f"*/{METRICS}")
    return {path.parent.name: ResultsFolder(path.parent).read_metrics() for path in paths}


def wait_for_epochs(runtime, count, *, runs, busy=lambda: True):
    """Wait until so many runs have so many epochs behind them."""
    while sum(len(lines) >= count for lines in recorded(runtime).values()) < runs:
        assert busy()
        time.sleep(0.05)


def check_went_on(runtime, before):
    """All runs have ended, without repeating what had been recorded, but for the last epoch's end."""
    assert [member.ended for member in saved_runs(runtime.results_dir / "exp")] == [True] * 3
    after = recorded(runtime)
    for name, lines in before.items():
        assert after[name][: len(lines) - 1] == lines[:-1]
        assert [line["epoch"] for line in after[name]] == list(range(1, FLAGS["epochs"] + 1))


def check_same_bits(runtime):
    """Runs in turn, in this process, give the same files."""
    sweep("in-turn", configurations(FLAGS), runtime)
    for name in (MODEL, EVALUATION):
        for path in (runtime.results_dir / "in-turn").glob(f"*/{name}"):
            assert path.read_bytes() == (runtime.results_dir / "exp" / path.parent.name / name).read_bytes()


def start_on_ray(runtime, epochs):
    """Start the grid as a process, on a cluster of two CPUs."""
    flags = f"exp -d mixture2d --train-size 300 --test-size 50 -e {epochs} --seed 0 1 2 --executor ray"
    command = [sys.executable, command_line.__file__, *flags.split(), "--results-dir", runtime.results_dir]
    environment = {**os.environ, "RAY_OVERRIDE_RESOURCES": json.dumps({"CPU": 2})}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


@pytest.mark.slow
@on_linux
@needs("ray", "requirements-ray.txt")
def test_ray_goes_on_with_the_run_of_a_killed_worker(runtime, descendants):
    process = start_on_ray(runtime, FLAGS["epochs"])
    wait_for_epochs(runtime, 2, runs=2, busy=lambda: process.poll() is None)
    before = recorded(runtime)
    worker = next(pid for pid, words in descendants(process.pid).items() if words.startswith("ray::on_worker"))
    os.kill(worker, signal.SIGKILL)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert out.startswith("[1/3] seed-0: begins, once there is room\n[2/3] seed-1: begins")
    check_went_on(runtime, before)
    check_same_bits(runtime)
    out, _ = start_on_ray(runtime, FLAGS["epochs"]).communicate()
    assert out.count("ended before, skipped") == 3


@pytest.mark.slow
@needs("ray", "requirements-ray.txt")
def test_ctrl_c_leaves_nobody_at_work_on_ray(runtime):
    process = start_on_ray(runtime, 100_000)
    wait_for_epochs(runtime, 2, runs=2, busy=lambda: process.poll() is None)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert "main.py: interrupted; 0 of 3 runs have ended, " in err
    for name in recorded(runtime):
        folder = ResultsFolder(runtime.results_dir / "exp" / name)
        with folder.held():
            assert folder.load_checkpoint()["epoch"] >= 2


@pytest.mark.slow
@on_linux
@needs("submitit", "requirements-slurm.txt")
def test_submitit_packs_runs_and_goes_on_with_that_of_a_killed_process(runtime, descendants, monkeypatch, capsys):
    monkeypatch.setenv("PYTHONPATH", "")
    logs = runtime.results_dir / "exp" / ".jobs"
    before = {}

    def kill_one():
        wait_for_epochs(runtime, 2, runs=3)
        before.update(recorded(runtime))
        workers = [pid for pid, words in descendants(os.getpid()).items() if "multiprocessing.spawn" in words]
        os.kill(workers[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    executor = partial(on_slurm, gpus_per_run=0.5, logs=logs, cluster="local", poll_seconds=0.1)
    sweep("exp", configurations(FLAGS), runtime, executor=executor)
    killer.join()
    assert len(before) == 3
    assert len(list(logs.glob("*_submitted.pkl"))) == 3, "two jobs, and one again"
    assert capsys.readouterr().out.count(": ended, test squared error") == 3
    check_went_on(runtime, before)
    check_same_bits(runtime)


def test_overwritten_runs_are_cleared_first_so_that_a_second_attempt_goes_on(runtime):
    configs = configurations({**FLAGS, "epochs": 1, "seed": [0, 1]})
    sweep("exp", configs, runtime)
    seen = []

    def twice(work, tasks, announce):
        """An executor that loses what comes of the first attempt."""
        assert not list((runtime.results_dir / "exp").glob(f"*/{CONFIG}"))
        for task in tasks:
            announce(task)
            work(task)
            seen.append((runtime.results_dir / "exp" / task.experiment / MODEL).stat().st_mtime_ns)
            yield task, work(task)

    sweep("exp", configs, runtime, executor=twice, mode="overwrite")
    assert seen == [(runtime.results_dir / "exp" / f"seed-{n}" / MODEL).stat().st_mtime_ns for n in (0, 1)]


@pytest.mark.parametrize("name", ["ray", "submitit"])
def test_a_missing_package_is_named_with_the_command_to_get_it(name, monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MachineError, match=rf"^--executor {name}: .* pip install -r requirements-(ray|slurm).txt$"):
        find_executor(name, 0, tmp_path)


@needs("submitit", "requirements-slurm.txt")
def test_without_slurm_submitit_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachineError, match="there is no SLURM here"):
        find_executor("submitit", 0.25, tmp_path)


@needs("submitit", "requirements-slurm.txt")
def test_jobs_of_slurm_are_not_written_through_a_link(monkeypatch, tmp_path):
    (tmp_path / "srun").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / ".jobs").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ResultsError, match=r"\.jobs is a link to .*elsewhere: remove it"):
        find_executor("submitit", 0, tmp_path / ".jobs")


@needs("submitit", "requirements-slurm.txt")
def test_jobs_of_slurm_have_room_for_their_runs_and_are_given_up_in_the_end(tmp_path, monkeypatch):
    """With programs in place of SLURM's that take every job and cancel it at once."""
    import submitit

    programs = {
        "srun": "",
        "sbatch": 'echo >> submitted; cp "$1" script; echo Submitted batch job $(wc -l < submitted)',
        "sacct": "echo 'JobID|State|NodeList'; for job in $(seq 12); do echo \"$job|CANCELLED|\"; done",
    }
    for name, lines in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{lines}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setattr(submitit.SlurmJob, "_results_timeout_s", 0)
    executor = find_executor("submitit", 0.5, tmp_path / "logs")
    announced = []
    assert list(executor(print, ["a", "b", "c"], announced.append, poll_seconds=0)) == [
        ("a", None),
        ("b", None),
        ("c", None),
    ]
    assert announced == ["a", "b", "c"]
    assert len((tmp_path / "submitted").read_text().splitlines()) == 2 * (1 + executors.RETRIES)
    script = (tmp_path / "script").read_text()
    assert "#SBATCH --gpus-per-node=1\n" in script
    assert "#SBATCH --cpus-per-task=2\n" in script
    assert " --cpus-per-task=2 " in script.splitlines()[-1]
