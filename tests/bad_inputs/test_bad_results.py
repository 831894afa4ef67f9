"""Spoilt folders of results: each case is given the folder of a run that has ended after two epochs, and spoils it."""

import io
import json
import os
import pickle
import re
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
from torch import ones

import main as command_line
from mistakes import Bomb, check_refused, in_a_process, in_this_process
from utils.machine.locks import locked
from utils.runs.folder import CHECKPOINT, CONFIG, EVALUATION, METRICS, MODEL, PREVIOUS_CHECKPOINT
from vae.saved import origin_of, to_bytes

pytestmark = pytest.mark.slow

EXP = Path("results/exp")
EVIDENCE = (
    b'"evidence": {"mean": 1, "interval": [1], "images": 1, "binarised": true, '
    b'"effective_sample_size": 1, "importance_samples": 1}, '
)


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


def relink(name):
    """A function that moves a file of the run elsewhere, and leaves a link to it."""

    def act():
        (EXP / name).rename("elsewhere")
        (EXP / name).symlink_to(Path("elsewhere").absolute())

    return act


def pipe(name):
    """A function that puts a pipe, at which any reader waits for ever, in the place of a file of the run."""

    def act():
        (EXP / name).unlink()
        os.mkfifo(EXP / name)

    return act


def folder(name):
    """A function that puts a folder in the place of a file of the run."""

    def act():
        (EXP / name).unlink()
        (EXP / name).mkdir()

    return act


def spoil(name, act, *, origin=None):
    """A function that changes what is in a file of weights, and writes it without a seal, or as of another origin."""

    def spoil():
        state = torch.load(EXP / name, weights_only=True)
        act(state)
        whole = origin_of(json.loads((EXP / CONFIG).read_text()))
        (EXP / name).write_bytes(to_bytes(state, whole | origin) if origin else saved(state))

    return spoil


def averages(**changes):
    """What changes each state of Adam."""
    return lambda state: [own.update(changes) for own in state["optimizer"]["state"].values()]


def add(name, text):
    """A function that puts names before the last one of a file of JSON, and with them their values."""
    return change(name, (b'"ended_after"', text.encode() + b', "ended_after"'))


def replace_number(name, key, text):
    """A function that puts a text in the place of the first number of that name."""

    def act():
        content = (EXP / name).read_text()
        found = re.search(rf'"{key}": [-\d.e]+', content).group()
        (EXP / name).write_text(content.replace(found, f'"{key}": {text}', 1))

    return act


def updated(**changes):
    """What changes a state."""
    return lambda state: state.update(changes)


def half_of(name):
    """What makes the tensors of a part of a state to ones of 16 bits."""
    return lambda state: state.update({name: {key: tensor.half() for key, tensor in state[name].items()}})


HUGE = "1" + "0" * 400
DEEP = '{"a":' * 900 + "1" + "}" * 900


def unpacks_to_a_lot():
    with zipfile.ZipFile(EXP / MODEL, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(1 << 20))


RESULTS = [  # name, what is done to the folder, command, what the line says
    ("name taken", lambda: None, "exp", "results/exp exists: choose another name, --resume to go on with it, or --ov"),
    ("no run in the folder", remove(CONFIG), "exp", "results/exp exists: choose another name, or --overwrite"),
    ("file of that name", lambda: (EXP.parent / "a").touch(), "a", "results/a is not a folder that can be written to"),
    ("results in a file", lambda: Path("x").touch(), "a --results-dir x", "x is not a folder that can be written to"),
    ("results below a file", lambda: Path("x").touch(), "a --results-dir x/y", "x is not a folder that can be writte"),
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
    ("config with another key", change(CONFIG, (b'"lr"', b'"rate"')), "exp --resume", "not a configuration of this v"),
    ("config out of bounds", change(CONFIG, (b'"seed": 1234', b'"seed": -1')), "exp --resume", "--seed -1: expected"),
    ("config of another place", change(CONFIG, (b'"exp"', b'"../x"')), "exp --resume", "experiment name '../x'"),
    ("config of odd shapes", change(CONFIG, (b"32,", b"40,")), "exp --is-eval-only", "have the shape (1, 40, 32)"),
    ("config of no images", change(CONFIG, (b'"sha256"', b'"sha256":{},"x"')), "exp --resume", "data.sha256.train is"),
    ("config of other images", change(CONFIG, (b'"test": "', b'"test": "0')), "exp --resume -e 3", "other data"),
    ("config of other lr", change(CONFIG, (b'"lr": 0.001', b'"lr": 0.1')), "exp --resume -e 3", "(its lr is 0.001, n"),
    ("config of other lr", change(CONFIG, (b'"lr": 0.001', b'"lr": 0.1')), "exp --is-eval-only", "(its lr is 0.001,"),
    ("config of other loss", change(CONFIG, (b"tGJS", b"GJS")), "exp --resume -e 3", "(its loss is tGJS, not GJS)"),
    ("config of other option", replace_number(CONFIG, "GJS_A", "0.7"), "exp --resume -e 3", "(its GJS_A is 0.5, not"),
    ("config of other seed", replace_number(CONFIG, "seed", "1"), "exp --is-eval-only", "(its seed is 1234, not 1)"),
    ("config of odd images", replace_number(CONFIG, "test_images", '"many"'), "exp --resume", "data.test_images is '"),
    ("config of huge images", replace_number(CONFIG, "train_images", HUGE), "exp --resume", "data.train_images is 10"),
    ("config of half an image", replace_number(CONFIG, "train_images", "0.5"), "exp --report", "train_images is 0.5,"),
    ("config resumed with 5", add(CONFIG, '"resumed_with": 5'), "exp --resume -e 3", "resumed_with is 5, expected a"),
    ("config resumed with [5]", add(CONFIG, '"resumed_with": [5]'), "exp --report", "resumed_with[1] is 5, expected"),
    ("config compiled 5", change(CONFIG, (b'"compiled": false', b'"compiled": 5')), "exp --resume", "compiled is 5,"),
    ("config of no versions", change(CONFIG, (b'"versions"', b'"version"')), "exp --report", "versions is missing):"),
    ("config ended some time", replace_number(CONFIG, "ended_after", '"2"'), "exp --resume", "ended_after is '2', ex"),
    ("config ended at a truth", replace_number(CONFIG, "ended_after", "true"), "exp --resume", "ended_after is True,"),
    ("config deep inside", add(CONFIG, f'"more": {DEEP}'), "exp --resume", "is an object, expected a number): rest"),
    ("config of a shape in words", change(CONFIG, (b" 32,", b' "32",')), "exp --report", "image_shape[2] is '32', ex"),
    ("config a link", relink(CONFIG), "exp --resume", "config.json cannot be read (it is a link, which is not follow"),
    ("config a link", relink(CONFIG), "exp --is-eval-only", "config.json cannot be read (it is a link, which is not"),
    ("config a link", relink(CONFIG), "exp --report", "config.json cannot be read (it is a link, which is not follow"),
    ("config a pipe", pipe(CONFIG), "exp --resume", "config.json cannot be read (it is no regular file): restore it"),
    ("config a folder", folder(CONFIG), "exp --resume", "config.json cannot be read (it is no regular file): resto"),
    ("config of other weights", change(CONFIG, (b'"latent_dim": 3', b'"latent_dim": 4')), "exp --is-eval-only", "mod"),
    ("config of the root", change(CONFIG, (b'"digits"', b'"folder:/"')), "exp --resume -e 3", "belongs to the system"),
    ("config of the root", change(CONFIG, (b'"digits"', b'"folder:/"')), "exp --is-eval-only", "belongs to the syste"),
    ("metrics damaged", change(METRICS, (b'"epoch": 1', b'"epoch"; 1')), "exp --resume -e 3", "line 1 of results/exp"),
    ("metrics no record", change(METRICS, (b'{"epoch": 1', b'[1]\n{"epoch": 1')), "exp --resume -e 3", "line 1 of re"),
    ("metrics of an object", replace_number(METRICS, "loss", "{}"), "exp --resume -e 3", "(loss is an object, expect"),
    ("metrics of a text", replace_number(METRICS, "loss", '"1"'), "exp --resume -e 3", "(loss is '1', expected a num"),
    ("metrics of a huge number", replace_number(METRICS, "loss", HUGE), "exp --resume -e 3", "line 1 of results/exp/"),
    ("metrics not a number", replace_number(METRICS, "loss", "NaN"), "exp --resume -e 3", "line 1 of results/exp/met"),
    ("metrics of null", replace_number(METRICS, "divergence", "null"), "exp --resume -e 3", "(divergence is None, exp"),
    ("metrics of no loss", change(METRICS, (b'"loss"', b'"lost"')), "exp --resume -e 3", "(loss is missing): mend it,"),
    ("metrics at half a step", replace_number(METRICS, "step", "0.5"), "exp --resume -e 3", "(step is 0.5, expected"),
    ("metrics of no split", change(METRICS, (b'"split"', b'"part"')), "exp --resume -e 3", "(split is missing): mend"),
    ("metrics deep", replace_number(METRICS, "loss", DEEP), "exp --resume -e 3", "line 1 of results/exp/metrics.json"),
    ("metrics a link", relink(METRICS), "exp --resume -e 3", "metrics.jsonl cannot be read (it is a link, which is n"),
    ("metrics a pipe", pipe(METRICS), "exp --resume -e 3", "metrics.jsonl cannot be read (it is no regular file): re"),
    ("metrics cut", cut(METRICS, 0.3), "exp --resume -e 3", "metrics.jsonl does not have a train line for each of th"),
    ("metrics lost", remove(METRICS), "exp --resume -e 3", "metrics.jsonl does not have a train line for each of the"),
    ("evaluation cut", cut(EVALUATION), "exp --resume", "evaluation.json is damaged"),
    ("evaluation of a text", replace_number(EVALUATION, "loss", '"x"'), "exp --resume", "(train.loss is 'x', expecte"),
    ("evaluation of huge", replace_number(EVALUATION, "loss", HUGE), "exp --resume", "(train.loss is 100000000000000"),
    ("evaluation of huge", replace_number(EVALUATION, "loss", HUGE), "exp --report", "(train.loss is 100000000000000"),
    ("evaluation beyond numbers", replace_number(EVALUATION, "loss", "1e999"), "exp --report", "evaluation.json is d"),
    ("evaluation deep", replace_number(EVALUATION, "loss", DEEP), "exp --report", "evaluation.json is damaged (train"),
    ("evaluation of null", replace_number(EVALUATION, "elbo", "null"), "exp --resume", "(train.elbo is None, expected"),
    ("evaluation of an object", replace_number(EVALUATION, "elbo", '{"mean": 1}'), "exp --resume", "elbo is an object"),
    (
        "evaluation of an end",
        change(EVALUATION, (b'"loss"', EVIDENCE + b'"loss"')),
        "exp --report",
        "interval is a list of 1, e",
    ),
    ("evaluation a list", write(EVALUATION, b"[1]"), "exp --report", "evaluation.json is damaged (it holds a list in"),
    ("evaluation of train", write(EVALUATION, b'{"train": {"squared_error": 1}}'), "exp --report", "(test is missing"),
    ("evaluation of nothing", write(EVALUATION, b'{"train": {}, "test": {}}'), "exp --report", "(train.squared_error"),
    ("evaluation a number", write(EVALUATION, b'{"train": 1, "test": 2}'), "exp --resume", "(train is 1, expected an"),
    ("evaluation a link", relink(EVALUATION), "exp --resume", "evaluation.json cannot be read (it is a link, which i"),
    ("evaluation a pipe", pipe(EVALUATION), "exp --report", "evaluation.json cannot be read (it is no regular file):"),
    ("evaluation lost", remove(EVALUATION), "exp --resume", "--is-eval-only makes it anew"),
    ("checkpoint empty", write(CHECKPOINT, b""), "exp --resume -e 3", "then --resume again"),
    ("checkpoint cut", cut(CHECKPOINT), "exp --resume -e 3", "is damaged (its checksum is wrong or missing): to go o"),
    ("checkpoint flipped", flip(CHECKPOINT), "exp --resume -e 3", "(its checksum is wrong or missing): to go on from"),
    ("checkpoint lost", remove(CHECKPOINT), "exp --resume -e 3", f"mv results/exp/{PREVIOUS_CHECKPOINT} results/exp/"),
    ("checkpoint of another run", foreign_checkpoint, "exp --resume -e 3", "does not belong to the config.json besid"),
    ("checkpoint without epochs", write(CHECKPOINT, saved({"epoch": 1})), "exp --resume -e 3", "does not belong to t"),
    ("checkpoint of seed 9", spoil(CHECKPOINT, len, origin={"seed": 9}), "exp --resume -e 3", "(its seed is 9, not 1"),
    ("checkpoint of KL", spoil(CHECKPOINT, len, origin={"loss": "KL"}), "exp --resume -e 3", "(its loss is KL, not t"),
    ("checkpoint of others", spoil(CHECKPOINT, len, origin={"data": "0"}), "exp --resume -e 3", "(its data is 0, not"),
    ("averages of 3", spoil(CHECKPOINT, averages(exp_avg=torch.zeros(3))), "exp --resume -e 3", "of shape (3,) inste"),
    ("averages of 64 bits", spoil(CHECKPOINT, averages(exp_avg_sq=ones(3).double())), "exp --resume -e 3", "torch.fl"),
    ("averages of a list", spoil(CHECKPOINT, averages(exp_avg=[1.0])), "exp --resume -e 3", "is a list instead of a"),
    ("averages of more", spoil(CHECKPOINT, averages(max_exp_avg_sq=ones(3))), "exp --resume -e 3", "max_exp_avg_sq"),
    ("step a list", spoil(CHECKPOINT, averages(step=ones(3))), "exp --resume -e 3", "step of parameter 0 is torch.fl"),
    ("weights of 16 bits", spoil(CHECKPOINT, half_of("model")), "exp --resume -e 3", "is torch.float16 of shape"),
    ("alpha of 16 bits", spoil(CHECKPOINT, half_of("loss")), "exp --resume -e 3", "alpha is torch.float16 of shape ("),
    ("epoch below 0", spoil(CHECKPOINT, updated(epoch=-1, step=-2)), "exp --resume -e 3", "(-2 steps are not those o"),
    ("epoch a number", spoil(CHECKPOINT, updated(epoch=2.0)), "exp --resume -e 3", "does not belong to the config.js"),
    ("epoch and step", spoil(CHECKPOINT, updated(epoch=1)), "exp --resume -e 3", "(4 steps are not those of 1 epochs"),
    ("position nowhere", spoil(CHECKPOINT, updated(position={})), "exp --resume -e 3", "does not belong to the confi"),
    ("position a text", spoil(CHECKPOINT, updated(position="x")), "exp --resume -e 3", "does not belong to the confi"),
    ("no averages", spoil(CHECKPOINT, updated(optimizer={})), "exp --resume -e 3", "does not belong to the config.js"),
    ("no weights", spoil(CHECKPOINT, updated(model={})), "exp --resume -e 3", "does not belong to the config.json be"),
    ("weights a list", spoil(CHECKPOINT, updated(model=[])), "exp --resume -e 3", "does not belong to the config.jso"),
    ("checkpoint a link", relink(CHECKPOINT), "exp --resume -e 3", "checkpoint.pt cannot be read (it is a link, whic"),
    ("checkpoint a pipe", pipe(CHECKPOINT), "exp --resume -e 3", "checkpoint.pt cannot be read (it is no regular fil"),
    ("checkpoint a folder", folder(CHECKPOINT), "exp --resume -e 3", "checkpoint.pt cannot be read (it is no regular"),
    ("checkpoint a tensor", write(CHECKPOINT, saved(torch.ones(3))), "exp --resume -e 3", "instead of a dictionary"),
    ("checkpoint a bomb", write(CHECKPOINT, saved({"model": Bomb()})), "exp --resume -e 3", "is damaged (Weights onl"),
    ("model cut", cut(MODEL), "exp --is-eval-only", "model.pt is damaged (its checksum is wrong or missing): restore"),
    ("model flipped", flip(MODEL, 0.99), "exp --is-eval-only", "model.pt is damaged (its checksum is wrong or missin"),
    ("model lost", remove(MODEL), "exp --is-eval-only", "model.pt cannot be read (No such file or directory): restor"),
    ("model a bomb", write(MODEL, saved({"model": Bomb()})), "exp --is-eval-only", "model.pt is damaged (Weights onl"),
    ("model a bare pickle", write(MODEL, pickle.dumps(Bomb())), "exp --is-eval-only", "model.pt is damaged (its chec"),
    ("model of seed 9", spoil(MODEL, len, origin={"seed": 9}), "exp --is-eval-only", "(its seed is 9, not 1234)"),
    ("model of another lr", spoil(MODEL, len, origin={"lr": 1.0}), "exp --is-eval-only", "(its lr is 1.0, not 0.001)"),
    ("model of 16 bits", spoil(MODEL, half_of("model")), "exp --is-eval-only", "is torch.float16 of shape"),
    ("model of nothing", spoil(MODEL, updated(model={})), "exp --is-eval-only", "model.pt does not belong to the con"),
    ("model a link", relink(MODEL), "exp --is-eval-only", "model.pt cannot be read (it is a link, which is not follo"),
    ("model a pipe", pipe(MODEL), "exp --is-eval-only", "model.pt cannot be read (it is no regular file): restore it"),
    ("model a folder", folder(MODEL), "exp --is-eval-only", "model.pt cannot be read (it is no regular file): restor"),
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


def check(number, ended, carry_out):
    _, spoil, command, phrase = RESULTS[number]
    shutil.copytree(ended, "results")
    spoil()
    check_refused(f"{command} --no-cuda", phrase, carry_out)


@pytest.mark.parametrize("number", range(len(RESULTS)), ids=[row[0] for row in RESULTS])
def test_wrong_folders_of_results(number, ended):
    check(number, ended, in_this_process)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROCESSES)
def test_wrong_folders_of_results_of_a_process(name, ended):
    check([row[0] for row in RESULTS].index(name), ended, in_a_process)


def test_a_run_that_another_process_is_at(ended):
    shutil.copytree(ended, "results")
    with locked(EXP):
        for command in ("exp --resume -e 3", "exp --overwrite -d digits --train-size 8", "exp --is-eval-only"):
            check_refused(command, "another process is at work in results/exp: wait for it, or stop it")
