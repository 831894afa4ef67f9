"""The command line: what it accepts, and one line for each mistake."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import main as command_line
from registries import set_free
from utils.datasets.sources.mnist import SOURCES
from utils.figures.one_run import draw_run
from utils.flags import build_parser
from utils.grids.presets import zoo
from utils.runs.config import RunConfig
from utils.runs.folder import CLASSES, CONFIG, EVALUATION, EVENTS, FILES, FITTED_SAMPLES, INTERPOLATIONS, PAGES
from vae.losses import LOSSES, register
from vae.options import Option

MAIN = Path(command_line.__file__)
SMALL = "--train-size 40 --test-size 10 --batch-size 8 --no-progress-bar --no-cuda".split()


def run_here(arguments, capsys, draw=draw_run):
    """Exit status, standard output and standard error of a command line, in this process."""
    try:
        command_line.main([str(argument) for argument in arguments], draw=draw)
        status = 0
    except SystemExit as exit:
        status = exit.code or 0
    return status, *capsys.readouterr()


def test_missing_mnist_names_the_files(capsys, tmp_path, monkeypatch):
    unreachable = replace(SOURCES["mnist"], mirrors=("http://127.0.0.1:9/",))
    monkeypatch.setitem(SOURCES, "mnist", unreachable)
    status, _, err = run_here(
        ["exp", "-d", "mnist", "--data-dir", tmp_path / "data", "--results-dir", tmp_path / "results"], capsys
    )
    assert status == 2
    files = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    first, second, third, last = (f"{file}-ubyte.gz" for file in files)
    assert err.startswith(f"main.py: {first}, {second}, {third} and {last} are missing and cannot be downloaded")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_help_names_every_loss_and_every_option(capsys):
    status, out, _ = run_here(["--help"], capsys)
    assert status == 0
    for name, loss in LOSSES.items():
        assert f"\n  {name} " in out
        assert all(option.flag in out for option in loss.options)
        assert all(
            f"({option.limits}; default: {option.default})" in " ".join(out.split())
            for option in loss.options
            if option.limits
        )
    assert max(map(len, out.splitlines())) <= 100


@pytest.mark.parametrize(
    "taken", ["noise", "jobs", "width", "progress_bar", "draw", "dataset_size", "experiment", "epochs", "seed"]
)
def test_an_option_of_an_own_loss_with_the_name_of_another_flag_is_named(monkeypatch, taken):
    set_free(monkeypatch, LOSSES, "own")
    register("own")(
        type("OwnLoss", (LOSSES["KL"],), {"options": (Option(taken, 1.0, "100 % mine", regularises="more"),)})
    )
    zoo()  # which would have a grid over it
    first, second = ("OwnLoss", "ResidualNetwork") if taken == "width" else ("the program", "OwnLoss")
    with pytest.raises(TypeError, match=f"^{second}: an option of {first} is called {taken} too: rename this one$"):
        build_parser()


def test_the_help_of_an_option_may_have_a_percent_sign(monkeypatch, capsys):
    set_free(monkeypatch, LOSSES, "own")
    register("own")(type("OwnLoss", (LOSSES["KL"],), {"options": (Option("own_B", 1.0, "100 % mine"),)}))
    assert "100 % mine" in run_here(["--help"], capsys)[1]


@pytest.mark.slow
def test_the_everyday_command_on_real_mnist(capsys, tmp_path, data_dir):
    arguments = ["exp", "--dataset", "mnist", "--loss", "dGJS", "--GJS-A", "0.3", "-e", "1", "--data-dir", data_dir]
    status, out, err = run_here([*arguments, *SMALL, "--importance-samples", "20", "--results-dir", tmp_path], capsys)
    assert (status, err) == (0, "")
    assert "    epoch  squared error    KL(q‖p)       loss" in out
    assert "      1/1  " in out
    evidence = json.loads((tmp_path / "exp" / EVALUATION).read_text())["test"]["evidence"]
    assert evidence["mean"] < 0
    assert 1 <= evidence["effective_sample_size"] <= evidence["importance_samples"] == 20
    absent = {"checkpoint-previous.pt", EVENTS, *PAGES, FITTED_SAMPLES, CLASSES, INTERPOLATIONS}
    assert sorted(path.name for path in (tmp_path / "exp").iterdir()) == sorted(set(FILES) - absent)
    assert json.loads((tmp_path / "exp" / CONFIG).read_text())["data"]["image_shape"] == [1, 32, 32]


@pytest.mark.slow
@pytest.mark.parametrize("name", LOSSES)
def test_every_objective_trains_on_mnist_with_no_flag_but_its_name(name, capsys, tmp_path, data_dir):
    arguments = ["exp", "-d", "mnist", "--loss", name, "-e", "1", *SMALL, "--data-dir", data_dir]
    status, _, err = run_here([*arguments, "--results-dir", tmp_path], capsys, draw=None)
    assert (status, err) == (0, "")
    assert json.loads((tmp_path / "exp" / CONFIG).read_text())["ended_after"] == 1


def test_the_authors_flags_of_annealing(tmp_path):
    parsed = vars(build_parser().parse_args("exp -l betaB -a 500 --betaB-finC 5 --betaB-G 10".split()))
    config = RunConfig.from_flags(parsed.pop("experiment"), parsed)
    assert config.loss_options == {"betaB_initC": 0.0, "betaB_finC": 5.0, "betaB_G": 10.0, "reg_anneal": 500}


@pytest.mark.slow
def test_values_given_twice_are_one(capsys, tmp_path):
    status, *_ = run_here(
        ["exp", *SMALL, *"-d digits -e 1 -s 7 7".split(), "--results-dir", tmp_path], capsys, draw=None
    )
    assert status == 0
    assert json.loads((tmp_path / "exp" / CONFIG).read_text())["seed"] == 7


@pytest.mark.slow
def test_a_preset_with_flags_of_ones_own(capsys, tmp_path):
    flags = "--preset beta -d digits -e 1 --betaH-B 2 4 --train-size 8 --test-size 8 --no-cuda".split()
    status, out, err = run_here(["beta", *flags, "--results-dir", tmp_path], capsys, draw=None)
    assert (status, err) == (0, "")
    begins, *_, results, report = out.splitlines()
    assert begins.startswith("2 runs, about ") and begins.endswith(" seconds on this machine")
    assert results == f"results in {tmp_path / 'beta'}" and report.startswith("report of 2 of 2 runs in ")
    names = [f"dataset-digits_rec-dist-bernoulli_loss-betaH_betaH-B-{beta}" for beta in (2, 4)]
    assert sorted(path.parent.name for path in (tmp_path / "beta").glob("*/config.json")) == names
    assert all((tmp_path / "beta" / name / EVALUATION).exists() for name in names)


def test_the_authors_flags(capsys, tmp_path):
    short = "exp -d dsprites -e 1 -b 8 --learning-rate 1e-3 -s 5 -z 4 -l fwdKL -r gaussian".split()
    sizes = ["--train-size", "8", "--test-size", "8", "--results-dir", tmp_path]
    status, *_ = run_here([*short, *sizes], capsys, draw=None)
    saved = json.loads((tmp_path / "exp" / CONFIG).read_text())
    assert status == 0
    assert {name: saved[name] for name in ("loss", "lr", "seed", "latent_dim", "rec_dist")} == {
        "loss": "rKL",
        "lr": 1e-3,
        "seed": 5,
        "latent_dim": 4,
        "rec_dist": "gaussian",
    }


@pytest.mark.skipif(os.name == "nt", reason="sends itself a signal")
def test_ctrl_c_while_packages_are_imported_says_nothing(tmp_path):
    (tmp_path / "torch.py").write_text("import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(60)")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, MAIN, "exp"], capture_output=True, env=environment, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, b"", b"")
