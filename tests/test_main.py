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
from utils.config import RunConfig
from utils.datasets.mnist import SOURCES
from utils.experiment import Job
from utils.results import CLASSES, CONFIG, EVALUATION, FILES, INTERPOLATIONS, LATENT, METRICS, MODEL

MAIN = Path(command_line.__file__)
SMALL = "--train-size 40 --test-size 10 --batch-size 8 --no-progress-bar --no-cuda".split()


def run_here(arguments, capsys):
    """Exit status, standard output and standard error of a command line, in this process."""
    try:
        command_line.main([str(argument) for argument in arguments])
        status = 0
    except SystemExit as exit:
        status = exit.code or 0
    return status, *capsys.readouterr()


MISTAKES = {
    "": "the following arguments are required: experiment",
    "exp --gjs-a 0.3": "there is no flag --gjs-a: did you mean --GJS-A?",
    "exp --zzzzzz": "there is no flag --zzzzzz",
    "exp more": "unrecognized arguments: more",
    "exp --GJS-A 1.5": "--GJS-A 1.5: expected a number (0 to 1)",
    "exp --GJS-A -0.1": "--GJS-A -0.1: expected a number (0 to 1)",
    "exp --GJS-A nan": "--GJS-A nan: expected a number (0 to 1)",
    "exp --GJS-A": "argument --GJS-A: expected one argument",
    "exp --GJS-B -1": "--GJS-B -1: expected a number (0 or more)",
    "exp --GJS-invA False": "unrecognized arguments: False: a flag takes neither, --NAME turns it on and --no-NAME off",
    "exp --loss betaH --betaH-B inf": "--betaH-B inf: expected a number (0 or more)",
    "exp --loss MMD --MMD-B -5": "--MMD-B -5: expected a number (0 or more)",
    "exp --loss KL --GJS-A 0.3": "--GJS-A is not an option of --loss KL: it belongs to GJS, dGJS, tGJS, tdGJS",
    "exp --loss VAE": "--loss VAE is ambiguous: AE",
    "exp --loss dgjs": "--loss dgjs: no such loss; did you mean dGJS?",
    "exp --dataset mnsit": "--dataset mnsit: choose from",
    "exp --dataset folder:": "--dataset folder:: choose from",
    "exp --dataset folder:nowhere": "there is nothing at nowhere, here or in data; say where it is",
    "exp --rec-dist student": "--rec-dist student: expected one of bernoulli, gaussian, laplace, normal, normal-",
    "exp --rec-dist normal": "--rec-dist normal: --dataset dsprites has images: choose from bernoulli, gaussian",
    "exp -d mixture2d -r bernoulli": "--rec-dist bernoulli: --dataset mixture2d has vectors: choose from normal, ",
    "exp -d mixture2d -l CatVAE": "--loss CatVAE: --dataset mixture2d has vectors, which it is not for",
    "exp -l InfoVAE --info-alpha 1.5": "--info-alpha 1.5: expected a number (1 or less)",
    "exp -l InfoVAE --info-lambda 0": "--info-lambda 0: expected a number (above 0)",
    "exp -l InfoVAE --info-divergence KL": "--info-divergence KL: expected one of mmd, energy",
    "exp -d mixture2d --noise 0.1": "--noise 0.1: --dataset mixture2d has vectors, noise is for images only",
    "exp -d mixture2d --train-size 10001": "mixture2d has 10000 train vectors; a size of 10001 is not between 1 and",
    "exp -l betaB -a -1": "--reg-anneal -1: expected a whole number (0 or more)",
    "exp -l betaB --betaB-finC -1": "--betaB-finC -1: expected a number (0 or more)",
    "exp -l KL -a 100": "--reg-anneal is not an option of --loss KL: it belongs to betaB, btcvae, factor",
    "exp -l btcvae --btcvae-B nan": "--btcvae-B nan: expected a number (0 or more)",
    "exp -l btcvae --factor-G 6": "--factor-G is not an option of --loss btcvae: it belongs to factor",
    "exp -l factor --lr-disc 0": "--lr-disc 0: expected a number (above 0)",
    "exp -l factor -b 1": "--batch-size 1: --loss factor compares the images of a batch: expected 2 or more",
    "exp -d mixture2d --is-metrics": "--is-metrics: --dataset mixture2d has no known factors to measure by: leave it",
    "exp --is-metrics True": "unrecognized arguments: True: a flag takes neither, --NAME turns it on and --no-NAME off",
    "exp -e 0": "--epochs 0: expected a whole number (1 or more)",
    "exp -e two": "--epochs two: expected a whole number (1 or more)",
    "exp -e 2.5": "--epochs 2.5: expected a whole number (1 or more)",
    "exp -b 0": "--batch-size 0: expected a whole number (1 to 1,000,000)",
    "exp -b 100000000000000000000": "--batch-size 100000000000000000000: expected a whole number (1 to 1,000,000)",
    "exp -b 1 --loss MMD": "--batch-size 1: --loss MMD compares the images of a batch: expected 2 or more",
    "exp -z 0": "--latent-dim 0: expected a whole number (1 to 10,000)",
    "exp -s -1": "--seed -1: expected a whole number (0 or more)",
    "exp -s None": "--seed None: expected a whole number (0 or more)",
    "exp --noise -0.1": "--noise -0.1: expected a number (0 or more)",
    "exp --lr 0": "--lr 0: expected a number (above 0)",
    "exp --lr fast": "--lr fast: expected a number (above 0)",
    "exp --train-size 0": "--train-size 0: expected a whole number (1 or more)",
    "exp --train-size 663553": "dsprites has 663552 train images",
    "exp --evaluate-every 0": "--evaluate-every 0: expected a whole number (1 or more)",
    "exp --importance-samples -1": "--importance-samples -1: expected a whole number (0 or more)",
    "exp --checkpoint-every 0": "--checkpoint-every 0: expected a whole number (1 or more)",
    "exp --device tpu9": "--device tpu9: expected auto, cpu, cuda or cuda:N",
    "exp --device cuda:99": "--device cuda:99: this machine has",
    "../exp": "experiment name '../exp': expected one folder name",
    "a/b": "experiment name 'a/b': expected one folder name",
    ".": "experiment name '.': expected one folder name",
    "../exp --resume": "experiment name '../exp': expected one folder name",
    "exp --resume": "there is no experiment results/exp",
    "exp --is-eval-only": "there is no experiment results/exp",
    "exp --seed 0 1 -l KL --GJS-A 0.3": "--GJS-A is not an option of --loss KL: it belongs to GJS, dGJS, tGJS, tdGJS",
    "exp -l KL rKL --GJS-A 0.1 0.3": "--GJS-A is not an option of --loss KL: it belongs to GJS, dGJS, tGJS, tdGJS",
    "exp --lr 1e-3 0": "--lr 0: expected a number (above 0)",
    "exp -l KL MMD -b 1": "--batch-size 1: --loss MMD compares the images of a batch: expected 2 or more",
    "exp -d digits dsprites --train-size 2000": "digits has 1437 train images; a size of 2000 is not between",
    "exp --seed 0 1 --device cuda:99": "--device cuda:99: this machine has",
    "../exp --seed 0 1": "experiment name '../exp': expected one folder name",
    "exp --seed 0 1 --resume": "--resume is for one run: several go on where they stopped without it",
    "exp --seed 0 1 --is-eval-only": "results/exp/seed-0 has not ended: leave --is-eval-only out to train it",
    "exp --jobs 2": "--jobs 2 is for several runs: give a flag several values, or a --preset",
    "exp --ensemble": "--ensemble is for several runs: give a flag several values, or a --preset",
    "exp --seed 0 1 --ensemble --jobs 2": "--ensemble and --jobs 2 exclude each other: give one of them",
    "exp --seed 0 1 --jobs 0": "--jobs 0: expected a whole number (1 or more)",
    "exp --executor ray": "--executor ray is for several runs: give a flag several values, or a --preset",
    "exp --seed 0 1 --executor slurm": "argument --executor: invalid choice: 'slurm' (choose from",
    "exp --seed 0 1 --executor ray --jobs 2": "--jobs 2 is for this machine: with --executor, the cluster says",
    "exp --seed 0 1 --executor ray --no-cuda": "--device cpu is for this machine: with --executor, --gpus-per-run",
    "exp --seed 0 1 --gpus-per-run 0.25": "--gpus-per-run is for a cluster: give an --executor",
    "exp --seed 0 1 --executor ray --gpus-per-run 2": "--gpus-per-run 2: expected a number (0 to 1)",
    "exp --preset table2": "argument --preset: invalid choice: 'table2' (choose from",
    "exp --preset beta --loss KL": "--loss KL: --preset beta has betaH",
    "exp --preset beta --GJS-A 0.3": "--GJS-A is not an option of --loss betaH: it belongs to GJS, dGJS, tGJS, tdGJS",
    "--seed 0 1 exp": "--seed exp: expected a whole number (0 or more)",
    "--loss KL exp": "the following arguments are required: experiment, before the flags",
    "exp --report": "results/exp does not exist: check the name, or give the flags of runs besides --report",
    "../exp --report": "experiment name '../exp': expected one folder name",
    "exp --report --jobs 2": "--jobs 2 is for several runs: give a flag several values, or a --preset",
    "exp --resume --overwrite": "--resume and --overwrite exclude each other",
    "exp --is-eval-only --resume": "--resume and --is-eval-only exclude each other",
}


@pytest.mark.parametrize("arguments", MISTAKES)
def test_a_mistake_is_one_line_and_writes_nothing(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VAE_DATA", raising=False)
    status, out, err = run_here(arguments.split(), capsys)
    assert status == 2
    assert out == ""
    assert err.startswith(f"main.py: {MISTAKES[arguments]}")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_existing_experiment_is_not_touched(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results" / "exp").mkdir(parents=True)
    (tmp_path / "results" / "exp" / "precious").write_text("mine")
    status, _, err = run_here(["exp"], capsys)
    assert status == 2
    assert err == "main.py: results/exp exists: choose another name, or --overwrite to replace it\n"
    assert (tmp_path / "results" / "exp" / "precious").read_text() == "mine"


def test_a_results_directory_that_cannot_be_made(capsys, tmp_path):
    (tmp_path / "file").touch()
    status, _, err = run_here(["exp", *SMALL, "--results-dir", tmp_path / "file"], capsys)
    assert status == 2
    assert "is not a folder that can be written to: choose another --results-dir" in err
    assert err.count("\n") == 1


def test_missing_mnist_names_the_file(capsys, tmp_path, monkeypatch):
    unreachable = replace(SOURCES["mnist"], mirrors=("http://127.0.0.1:9/",))
    monkeypatch.setitem(SOURCES, "mnist", unreachable)
    status, _, err = run_here(
        ["exp", "-d", "mnist", "--data-dir", tmp_path / "data", "--results-dir", tmp_path / "results"], capsys
    )
    assert status == 2
    assert err.startswith("main.py: train-images-idx3-ubyte.gz is missing and cannot be downloaded")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_help_names_every_loss_and_every_option(capsys):
    status, out, _ = run_here(["--help"], capsys)
    assert status == 0
    for name, loss in command_line.LOSSES.items():
        assert f"\n  {name} " in out
        assert all(option.flag in out for option in loss.options)
        assert all(
            f"({option.limits}; default: {option.default})" in " ".join(out.split())
            for option in loss.options
            if option.limits
        )
    assert max(map(len, out.splitlines())) <= 100


def test_the_everyday_command_on_real_mnist(capsys, tmp_path, data_dir):
    arguments = ["exp", "--dataset", "mnist", "--loss", "dGJS", "--GJS-A", "0.3", "-e", "1", "--data-dir", data_dir]
    status, out, err = run_here([*arguments, *SMALL, "--importance-samples", "20", "--results-dir", tmp_path], capsys)
    assert (status, err) == (0, "")
    assert "epoch 1/1  loss" in out
    evidence = json.loads((tmp_path / "exp" / EVALUATION).read_text())["test"]["evidence"]
    assert evidence["mean"] < 0
    assert 1 <= evidence["effective_sample_size"] <= evidence["importance_samples"] == 20
    absent = {"checkpoint-previous.pt", CLASSES, INTERPOLATIONS, LATENT}
    assert sorted(path.name for path in (tmp_path / "exp").iterdir()) == sorted(set(FILES) - absent)
    assert json.loads((tmp_path / "exp" / CONFIG).read_text())["data"]["image_shape"] == [1, 32, 32]


@pytest.mark.parametrize("name", command_line.LOSSES)
def test_every_objective_trains_on_mnist_with_no_flag_but_its_name(name, capsys, tmp_path, data_dir, monkeypatch):
    monkeypatch.setattr(Job, "draw", lambda job: None)  # pictures take most of the time of a run as small as these
    arguments = ["exp", "-d", "mnist", "--loss", name, "-e", "1", *SMALL, "--data-dir", data_dir]
    status, _, err = run_here([*arguments, "--results-dir", tmp_path], capsys)
    assert (status, err) == (0, "")
    assert json.loads((tmp_path / "exp" / CONFIG).read_text())["ended_after"] == 1


def test_the_authors_flags_of_annealing(tmp_path):
    parsed = vars(command_line.build_parser().parse_args("exp -l betaB -a 500 --betaB-finC 5 --betaB-G 10".split()))
    config = RunConfig.from_flags(parsed.pop("experiment"), parsed)
    assert config.loss_options == {"betaB_initC": 0.0, "betaB_finC": 5.0, "betaB_G": 10.0, "reg_anneal": 500}


def test_values_given_twice_are_one(capsys, tmp_path):
    status, *_ = run_here(["exp", *SMALL, *"-d digits -e 1 -s 7 7".split(), "--results-dir", tmp_path], capsys)
    assert status == 0
    assert json.loads((tmp_path / "exp" / CONFIG).read_text())["seed"] == 7


def test_a_preset_with_flags_of_ones_own(capsys, tmp_path):
    flags = "--preset beta -d digits -e 1 --betaH-B 2 4 --train-size 8 --test-size 8 --no-cuda".split()
    status, out, err = run_here(["beta", *flags, "--results-dir", tmp_path], capsys)
    assert (status, err) == (0, "")
    assert out.endswith(f"results in {tmp_path / 'beta'}\n")
    names = [f"dataset-digits_rec-dist-bernoulli_loss-betaH_betaH-B-{beta}" for beta in (2, 4)]
    assert sorted(path.name for path in (tmp_path / "beta").iterdir()) == names
    assert all((tmp_path / "beta" / name / EVALUATION).exists() for name in names)


def test_the_authors_flags(capsys, tmp_path):
    short = "exp -d dsprites -e 1 -b 8 --learning-rate 1e-3 -s 5 -z 4 -l fwdKL -r gaussian".split()
    status, *_ = run_here([*short, "--train-size", "8", "--test-size", "8", "--results-dir", tmp_path], capsys)
    saved = json.loads((tmp_path / "exp" / CONFIG).read_text())
    assert status == 0
    assert {name: saved[name] for name in ("loss", "lr", "seed", "latent_dim", "rec_dist")} == {
        "loss": "rKL",
        "lr": 1e-3,
        "seed": 5,
        "latent_dim": 4,
        "rec_dist": "gaussian",
    }


def start(name, results_dir, *flags):
    """Start a small run as a process, with one thread: bits may depend on the number of threads."""
    command = [sys.executable, MAIN, name, *SMALL, "--results-dir", results_dir, *flags]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The weights of a run of 12 epochs that nothing interrupted."""
    results_dir = tmp_path_factory.mktemp("uninterrupted")
    process = start("exp", results_dir, "-e", "12", "-z", "3")
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert out.count("\nepoch ") == 11
    return (results_dir / "exp" / MODEL).read_bytes()


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_process_resumes_to_the_same_bits(kill, tmp_path, uninterrupted):
    process = start("exp", tmp_path, "-e", "12", "-z", "3")
    assert process.stdout.readline().startswith("epoch 1/12")
    assert process.stdout.readline().startswith("epoch 2/12")
    process.send_signal(kill)
    _, err = process.communicate()
    if kill is signal.SIGINT:
        assert process.returncode == 130
        assert err.count("\n") == 1
        assert "--resume goes on" in err
    assert not (tmp_path / "exp" / MODEL).exists()
    process = start("exp", tmp_path, "--resume")
    _, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert (tmp_path / "exp" / MODEL).read_bytes() == uninterrupted
    assert len((tmp_path / "exp" / METRICS).read_text().splitlines()) == 12
