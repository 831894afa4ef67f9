"""Spoilt folders of results: each case is given the folder of a run that has ended after two epochs, and spoils it."""

import io
import os
import pickle
import shutil
import zipfile
from pathlib import Path

import pytest
import torch

import main as command_line
from mistakes import Bomb, check_refused, in_a_process, in_this_process
from utils.machine.locks import locked
from utils.runs.folder import CHECKPOINT, CONFIG, EVALUATION, METRICS, MODEL, PREVIOUS_CHECKPOINT

EXP = Path("results/exp")


def write(name, content):
    """A function that puts some content in the place of a file of the run."""
    return lambda: (EXP / name).write_bytes(content)


def change(name, *replacements):
    """A function that replaces parts of a file of the run."""

    def act():
        content = (EXP / name).read_bytes()
        for old, new in replacements:
            assert old in content
            content = content.replace(old, new)
        (EXP / name).write_bytes(content)

    return act


def cut(name, share=0.5):
    """A function that cuts a file of the run short."""
    return lambda: os.truncate(EXP / name, int(share * (EXP / name).stat().st_size))


def flip(name, share=0.5):
    """A function that flips one bit of a file of the run."""

    def act():
        content = bytearray((EXP / name).read_bytes())
        content[int(share * len(content))] ^= 1
        (EXP / name).write_bytes(content)

    return act


def saved(state):
    """What torch.save makes of it."""
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def remove(name):
    return lambda: (EXP / name).unlink()


def link_elsewhere():
    Path("elsewhere").mkdir()
    EXP.rename("elsewhere/exp")
    EXP.symlink_to(Path("elsewhere/exp").absolute())


def become_a_grid():
    (EXP / "seed-1").mkdir()
    for path in [path for path in EXP.iterdir() if path.is_file()]:
        path.rename(EXP / "seed-1" / path.name)


def keep_a_copy():
    shutil.copytree(EXP, "copy")
    Path("copy").rename(EXP / "copy")


def foreign_checkpoint():
    other = torch.load(EXP / CHECKPOINT, weights_only=True)
    other["model"] = {name: value[..., :1] for name, value in other["model"].items()}
    torch.save(other, EXP / CHECKPOINT)


def unpacks_to_a_lot():
    with zipfile.ZipFile(EXP / MODEL, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(1 << 20))


RESULTS = [  # name, what is done to the folder, command, what the line says
    ("name taken", lambda: None, "exp", "results/exp exists: choose another name, --resume to go on with it, or --ov"),
    ("no run in the folder", remove(CONFIG), "exp", "results/exp exists: choose another name, or --overwrite"),
    ("file of that name", lambda: (EXP.parent / "a").touch(), "a", "results/a is not a folder that can be written to"),
    ("results in a file", lambda: Path("x").touch(), "a --results-dir x", "x is not a folder that can be written to"),
    ("results below a file", lambda: Path("x").touch(), "a --results-dir x/y", "x is not a folder that can be written"),
    ("link to elsewhere, to run", link_elsewhere, "exp --overwrite", "results/exp is a link to /"),
    ("link to elsewhere, to resume", link_elsewhere, "exp --resume -e 3", "results/exp is a link to /"),
    ("link to elsewhere, to evaluate", link_elsewhere, "exp --is-eval-only", "results/exp is a link to /"),
    ("link to elsewhere, to report", link_elsewhere, "exp --report", "results/exp is a link to /"),
    ("link to elsewhere, of a grid", link_elsewhere, "exp -s 0 1 -d digits", "results/exp is a link to /"),
    ("grid in the place of a run", lambda: None, "exp -s 0 1 -d digits", "results/exp is a single run"),
    (
        "run in the place of a grid",
        become_a_grid,
        "exp -d digits --overwrite",
        "results/exp holds several runs: choose",
    ),
    (
        "grid to resume",
        become_a_grid,
        "exp --resume",
        "give all of their flags, or the name of one and --results-dir re",
    ),
    ("grid to evaluate", become_a_grid, "exp --is-eval-only", "results/exp holds several runs: give all of their fl"),
    ("no such run", lambda: None, "other --resume", "there is no experiment results/other: check the name"),
    ("other rate, and a copy of the run inside it", keep_a_copy, "exp --resume --lr 0.5", "the saved run has 0.001"),
    ("other rate", lambda: None, "exp --resume --lr 0.5", "--lr 0.5: the saved run has 0.001; leave the flag out"),
    ("other loss", lambda: None, "exp --resume -l KL", "--loss KL: the saved run has tGJS"),
    ("other option", lambda: None, "exp --resume --GJS-A 0.3", "--GJS-A 0.3: the saved run has 0.5"),
    ("other data", lambda: None, "exp --is-eval-only -d mnist", "--dataset mnist: the saved run has digits"),
    ("fewer epochs", lambda: None, "exp --resume -e 1", "--epochs 1: 2 epochs are behind this run already"),
    ("config empty", write(CONFIG, b""), "exp --resume", "config.json is damaged (Expecting value"),
    ("config cut", cut(CONFIG), "exp --resume", "config.json is damaged"),
    ("config binary", write(CONFIG, bytes(range(256))), "exp --resume", "config.json is damaged ('utf-8' codec"),
    ("config a list", write(CONFIG, b"[]"), "exp --is-eval-only", "config.json is damaged (it holds a list"),
    ("config deep", write(CONFIG, b"[" * 100_000), "exp --resume", "config.json is damaged (maximum recursion"),
    ("config infinite", change(CONFIG, (b'"lr": 0.001', b'"lr": 1e999')), "exp --resume", "config.json is damaged"),
    ("config with another key", change(CONFIG, (b'"lr"', b'"rate"')), "exp --resume", "not a configuration of this ve"),
    ("config out of bounds", change(CONFIG, (b'"seed": 1234', b'"seed": -1')), "exp --resume", "--seed -1: expected a"),
    ("config of another place", change(CONFIG, (b'"exp"', b'"../x"')), "exp --resume", "experiment name '../x'"),
    ("config of odd shapes", change(CONFIG, (b"32,", b"40,")), "exp --is-eval-only", "image shape (1, 40, 32)"),
    ("config of other images", change(CONFIG, (b'"sha256"', b'"sha256":{},"x"')), "exp --resume -e 3", "other data"),
    ("config of other weights", change(CONFIG, (b'"latent_dim": 3', b'"latent_dim": 4')), "exp --is-eval-only", "mode"),
    ("config of the root", change(CONFIG, (b'"digits"', b'"folder:/"')), "exp --resume -e 3", "belongs to the system"),
    ("config of the root", change(CONFIG, (b'"digits"', b'"folder:/"')), "exp --is-eval-only", "belongs to the system"),
    ("metrics damaged", change(METRICS, (b'"epoch": 1', b'"epoch"; 1')), "exp --resume -e 3", "line 1 of results/exp/"),
    ("metrics no record", change(METRICS, (b'{"epoch": 1', b'[1]\n{"epoch": 1')), "exp --resume -e 3", "line 1 of res"),
    ("metrics cut", cut(METRICS, 0.3), "exp --resume -e 3", "metrics.jsonl does not have a train line for each of the"),
    ("metrics lost", remove(METRICS), "exp --resume -e 3", "metrics.jsonl does not have a train line for each of the"),
    ("evaluation cut", cut(EVALUATION), "exp --resume", "evaluation.json is damaged"),
    ("evaluation lost", remove(EVALUATION), "exp --resume", "--is-eval-only makes it anew"),
    ("checkpoint empty", write(CHECKPOINT, b""), "exp --resume -e 3", "then --resume again"),
    ("checkpoint cut", cut(CHECKPOINT), "exp --resume -e 3", "is damaged (its checksum is wrong or missing): to go on"),
    ("checkpoint flipped", flip(CHECKPOINT), "exp --resume -e 3", "(its checksum is wrong or missing): to go on from"),
    ("checkpoint lost", remove(CHECKPOINT), "exp --resume -e 3", f"mv results/exp/{PREVIOUS_CHECKPOINT} results/exp/"),
    ("checkpoint of another run", foreign_checkpoint, "exp --resume -e 3", "does not belong to the config.json beside"),
    ("checkpoint without epochs", write(CHECKPOINT, saved({"epoch": 1})), "exp --resume -e 3", "does not belong to th"),
    ("checkpoint a tensor", write(CHECKPOINT, saved(torch.ones(3))), "exp --resume -e 3", "instead of a dictionary"),
    ("checkpoint a bomb", write(CHECKPOINT, saved({"model": Bomb()})), "exp --resume -e 3", "is damaged (Weights only"),
    ("model cut", cut(MODEL), "exp --is-eval-only", "model.pt is damaged (its checksum is wrong or missing): restore"),
    ("model flipped", flip(MODEL, 0.99), "exp --is-eval-only", "model.pt is damaged (its checksum is wrong or missing"),
    ("model lost", remove(MODEL), "exp --is-eval-only", "model.pt cannot be read (No such file or directory): restore"),
    ("model a bomb", write(MODEL, saved({"model": Bomb()})), "exp --is-eval-only", "model.pt is damaged (Weights only"),
    ("model a bare pickle", write(MODEL, pickle.dumps(Bomb())), "exp --is-eval-only", "model.pt is damaged (its check"),
    ("model packed", unpacks_to_a_lot, "exp --is-eval-only", "model.pt is damaged (it is compressed"),
]


PROCESSES = ["config deep", "model a bomb"]


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """The results of a run that has ended after two epochs."""
    results = tmp_path_factory.mktemp("ended")
    small = "-d digits -l tGJS -e 2 -z 3 --lr 1e-3 --train-size 16 --test-size 8 -b 8 --no-progress-bar --no-cuda"
    command_line.main(["exp", *small.split(), "--results-dir", str(results)], draw=None)
    return results


def check(name, ended, carry_out):
    spoil, command, phrase = next(row[1:] for row in RESULTS if row[0] == name)
    shutil.copytree(ended, "results")
    spoil()
    check_refused(f"{command} --no-cuda", phrase, carry_out)


@pytest.mark.parametrize("name", [row[0] for row in RESULTS])
def test_wrong_folders_of_results(name, ended):
    check(name, ended, in_this_process)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROCESSES)
def test_wrong_folders_of_results_of_a_process(name, ended):
    check(name, ended, in_a_process)


def test_a_run_that_another_process_is_at(ended):
    shutil.copytree(ended, "results")
    with locked(EXP):
        for command in ("exp --resume -e 3", "exp --overwrite -d digits --train-size 8", "exp --is-eval-only"):
            check_refused(command, "another process is at work in results/exp: wait for it, or stop it")
