"""Whatever ends a run, what it has saved is whole, and going on with it gives the bits of a run that nothing ended.

The short version of benchmarks/soak.py, and obstacles that are none of a process's own making.
"""

import contextlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import main as command_line
from mistakes import contents
from own_data import picture, save
from processes import fork, limit_files, respect_permissions, start
from small_runs import metrics_of
from utils.runs.folder import CHECKPOINT, CONFIG, EVALUATION, METRICS, MODEL

ROOT = Path(__file__).parent.parent
RUN = "exp -d digits -l tGJS -e 12 -z 3 --train-size 40 --test-size 10 -b 8 --no-progress-bar --no-cuda".split()

pytestmark = pytest.mark.slow


def read_epochs(process, count, of=12):
    """Read what a run of `of` epochs prints, until there are so many lines of them."""
    for _ in range(count):
        assert any(line.split()[0].endswith(f"/{of}") for line in process.stdout if line.strip())


def in_this_process(*arguments):
    """Carry out main.py in this process, which has the same bits and starts at once."""
    with contextlib.redirect_stderr(io.StringIO()) as err:
        command_line.main([str(argument) for argument in arguments], draw=None)
    assert err.getvalue() == ""


def outcome(results_dir):
    """What has to be the same however often a run was ended."""
    folder = results_dir / "exp"
    return (folder / MODEL).read_bytes(), (folder / EVALUATION).read_bytes(), metrics_of(folder)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The outcome of a run of 12 epochs that nothing ended."""
    results_dir = tmp_path_factory.mktemp("uninterrupted")
    in_this_process(*RUN, "--results-dir", results_dir)
    return outcome(results_dir)


def test_every_operation_on_a_file_may_be_the_last(tmp_path):
    """Each seventh, that is: killed in its middle, and with the disk full from there on."""
    command = [sys.executable, ROOT / "benchmarks/soak.py", "--quick", "--every", "7", "--output", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert (done.returncode, done.stderr) == (0, "")
    figures = json.loads((tmp_path / "out").read_text())
    assert figures.keys() == {"kill", "full"}
    for counts in figures.values():
        assert counts["identical"] == counts["steps"] > 6


def test_killed_again_and_again_at_random_moments(tmp_path, uninterrupted):
    dice = random.Random(0)
    arguments = RUN
    for _ in range(2):
        process = fork(*arguments, "--results-dir", tmp_path)
        read_epochs(process, 1)  # whose checkpoint is being written now
        time.sleep(dice.uniform(0, 0.3))
        process.kill()
        process.communicate()
        arguments = ["exp", "--resume", "--no-cuda"]
    process = fork(*arguments, "--results-dir", tmp_path)
    _, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert outcome(tmp_path) == uninterrupted, "of a process too"


CONTROLS = "--warmup 40 --lr-schedule cosine --clip-gradient 1 --validation-size 16 --early-stopping 2 --keep best"
OWN = "--image-size 16 --network resnet --width 4 -l dGJS -e 5 -b 4 -z 3 --lr 1e-3 --no-progress-bar --no-cuda"


@pytest.mark.parametrize("saving", [[], ["--checkpoint-minutes", "1e-6"]], ids=["by epochs", "within epochs"])
def test_pictures_of_every_kind_with_every_control_killed_within_an_epoch(saving, tmp_path):
    for number in range(80):
        mode, suffix = ("L", "RGB")[number % 3 > 0], ("jpg", "png", "webp", "gif", "bmp")[number % 5]
        save(picture(number, (20 + number % 7, 30 - number % 11), mode), tmp_path / "own" / f"{number}.{suffix}")
    arguments = ["exp", "-d", f"folder:{tmp_path / 'own'}", *OWN.split(), *CONTROLS.split()]
    in_this_process(*arguments, "--results-dir", tmp_path / "whole")
    process = fork(*arguments, *saving, "--results-dir", tmp_path / "killed")
    read_epochs(process, 2, of=5)
    process.kill()
    process.communicate()
    assert not (tmp_path / "killed" / "exp" / MODEL).exists()
    in_this_process(*arguments[:3], "--resume", "--no-cuda", "--results-dir", tmp_path / "killed")
    assert outcome(tmp_path / "killed") == outcome(tmp_path / "whole")


@pytest.mark.parametrize(("one", "begin"), [("SIGINT", start), ("SIGTERM", fork), ("SIGHUP", fork)])
def test_what_asks_a_run_to_end_saves_and_names_the_command_that_goes_on(one, begin, tmp_path, uninterrupted):
    process = begin(*RUN, "--checkpoint-every", "100", "--results-dir", tmp_path)
    read_epochs(process, 2)
    for _ in range(3):  # which mean no more than one
        process.send_signal(getattr(signal, one))
    _, err = process.communicate()
    assert process.returncode == 130
    assert err.count("\n") == 1
    assert err.startswith("main.py: interrupted; " if one == "SIGINT" else f"main.py: ended by {one}; ")
    command = f"python main.py exp --resume --results-dir {tmp_path}"
    assert f": {command}" in err
    assert not (tmp_path / "exp" / MODEL).exists()
    in_this_process(*command.split()[2:], "--no-cuda")
    assert outcome(tmp_path) == uninterrupted


def test_a_checkpoint_larger_than_a_file_may_be(tmp_path, uninterrupted):
    process = fork(*RUN, "--results-dir", tmp_path, before=limit_files)
    _, err = process.communicate()
    assert process.returncode == 2
    assert err.startswith(f"main.py: cannot write {tmp_path / 'exp' / CHECKPOINT} (File too large)")
    assert err.endswith("put that right, then --resume goes on\n") and err.count("\n") == 1
    assert sorted(path.name for path in (tmp_path / "exp").iterdir()) == [CONFIG, METRICS]
    in_this_process("exp", "--resume", "--no-cuda", "--results-dir", tmp_path)
    assert outcome(tmp_path) == uninterrupted


def test_a_read_only_folder(tmp_path, uninterrupted):
    process = fork(*RUN, "--results-dir", tmp_path)
    read_epochs(process, 1)
    process.send_signal(signal.SIGINT)
    process.communicate()
    before = contents(tmp_path)
    run = tmp_path / "exp"
    refused = "is not a folder that can be written to: choose another --results-dir"
    unsaved = "(Permission denied): what was saved before is untouched; put that right, then --resume goes on"
    for folder, arguments, message in (
        (tmp_path, ["other", *RUN[1:]], f"{tmp_path} {refused}"),
        (run, [*RUN, "--overwrite"], f"{run} {refused}"),
        (run, ["exp", "--resume"], f"cannot write {run / METRICS} {unsaved}"),
    ):
        folder.chmod(0o555)
        process = fork(*arguments, "--results-dir", tmp_path, before=respect_permissions)
        out, err = process.communicate()
        assert (process.returncode, err) == (2, f"main.py: {message}\n")
        assert all(line.startswith("digits, tGJS") for line in out.splitlines()), "what it would have done, at most"
        folder.chmod(0o755)
        assert contents(tmp_path) == before
    in_this_process("exp", "--resume", "--no-cuda", "--results-dir", tmp_path)
    assert outcome(tmp_path) == uninterrupted
