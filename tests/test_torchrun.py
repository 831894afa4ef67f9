"""One run, shared by two processes of torchrun, as a user starts it."""

import os
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

import main as command_line
from processes import become_rank, fork
from utils.machine.environment import MachineError
from utils.runs.folder import CONFIG, MODEL, ResultsFolder
from utils.runs.runtime import joined, take_device
from vae.distributed import rank, ranks

MAIN = Path(command_line.__file__)
SMALL = "--dataset mixture2d --train-size 300 --test-size 50 --batch-size 70 --no-cuda".split()
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}

on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds the ranks in /proc")


def start(results_dir, *arguments):
    """Start main.py with two ranks."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [*torchrun, MAIN, *arguments, "--results-dir", results_dir]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, start_new_session=True
    )


def fork_ranks(results_dir, *arguments):
    """The two ranks alone, without the program that starts them."""
    with socket.create_server(("localhost", 0)) as free:
        port = free.getsockname()[1]
    arguments = (*arguments, "--results-dir", results_dir)
    return [fork(*arguments, before=partial(become_rank, number, port)) for number in range(2)]


def run_alone(results_dir, *arguments):
    """Carry out main.py in this process."""
    command_line.main([str(argument) for argument in (*arguments, "--results-dir", results_dir)], draw=None)


def epochs_saved(folder):
    return ResultsFolder(folder).load_checkpoint()["epoch"]


def read_until(process, text):
    for line in process.stdout:
        if line.split()[0] == text:
            return
    raise AssertionError(process.stderr.read())


def check_ended_well(results_dir, epochs):
    """A run that ended after these epochs has the weights of one that was neither shared nor interrupted."""
    run_alone(results_dir, "whole", *SMALL, "--epochs", epochs)
    ours, expected = (torch.load(results_dir / name / MODEL, weights_only=True)["model"] for name in ("exp", "whole"))
    for name, value in expected.items():
        torch.testing.assert_close(ours[name], value, rtol=0, atol=2e-5)


@pytest.mark.slow
@on_linux
def test_where_a_rank_is_killed_all_end_and_one_process_goes_on(tmp_path, descendants):
    process = start(tmp_path, "exp", *SMALL, "--epochs", "100000")
    read_until(process, "2/100000")
    environments = {pid: Path(f"/proc/{pid}/environ").read_text() for pid in descendants(process.pid)}
    os.kill(next(pid for pid, text in environments.items() if "\0RANK=1\0" in text), signal.SIGKILL)
    process.communicate()
    assert process.returncode != 0
    with ResultsFolder(tmp_path / "exp").held():  # nobody is at work there
        epochs = epochs_saved(tmp_path / "exp") + 1
    run_alone(tmp_path, "exp", "--resume", "--epochs", epochs, "--no-cuda")
    check_ended_well(tmp_path, epochs)


@pytest.mark.slow
@on_linux
def test_ctrl_c_ends_all_ranks_which_go_on_with_what_one_process_began(tmp_path):
    run_alone(tmp_path, "exp", *SMALL, "--epochs", 1)
    process = start(tmp_path, "exp", "--resume", "--epochs", "100000", "--no-cuda")
    read_until(process, "3/100000")
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode != 0
    epochs = epochs_saved(tmp_path / "exp")
    ours = [line for line in err.splitlines() if line.startswith("main.py: ")]
    assert len(ours) == 1
    assert f"interrupted; the checkpoint holds epochs 1 to {epochs}, " in ours[0]
    assert out.count(f"\nepoch {epochs}/") <= 1, "one rank prints"
    run_alone(tmp_path, "exp", "--resume", "--epochs", epochs + 1, "--no-cuda")
    check_ended_well(tmp_path, epochs + 1)
    assert "ranks" not in (tmp_path / "whole" / CONFIG).read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "message", "begin"),
    [
        (["--train-size", "10001"], "mixture2d has 10000 train vectors; a size of 10001", lambda *told: [start(*told)]),
        (["--seed", "0", "1"], "torchrun is for one run, which its processes share", fork_ranks),
        (["--epochs", "none"], "--epochs none: expected a whole number", fork_ranks),
    ],
)
def test_a_mistake_is_said_once(flags, message, begin, tmp_path):
    processes = begin(tmp_path, "exp", "--dataset", "mixture2d", "--no-cuda", *flags)
    out, err = map("".join, zip(*(process.communicate() for process in processes)))
    assert all(process.returncode != 0 for process in processes)
    assert not out or (out.startswith("mixture2d, ") and out.count("\n") == 1), "what a run says first"
    assert err.count("main.py: ") == err.count(f"main.py: {message}") == 1
    assert list(tmp_path.iterdir()) == []


def test_what_torchrun_sets_counts_only_under_torchrun(monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    monkeypatch.setenv("WORLD_SIZE", "8")
    monkeypatch.setenv("RANK", "3")
    with joined():
        assert (ranks(), rank()) == (1, 0)


def test_each_rank_takes_a_device_of_its_own(monkeypatch):
    taken = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    take_device("cuda", 1)
    take_device("cpu", 1)
    assert taken == [1]
    with pytest.raises(MachineError, match="this machine has 2 CUDA devices: --nproc-per-node=2, or --device cpu"):
        take_device("cuda", 2)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(MachineError, match="this machine has 1 CUDA device: --nproc-per-node=1, or --device cpu"):
        take_device("cuda", 1)
    with pytest.raises(MachineError, match="--device cuda:0: each process of torchrun takes a CUDA device of its own"):
        take_device("cuda:0", 1)
