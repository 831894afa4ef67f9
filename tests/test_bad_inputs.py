"""Mistakes in commands, files and data: each ends in one line that says what was wrong and what to do.

The exit status is 2, there is no traceback, and nothing is written: what was there before is there, to the byte.
"""

import contextlib
import gzip
import io
import os
import pickle
import shlex
import shutil
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

import main as command_line
from utils import tensorboard
from utils.datasets import celeba, npz
from utils.locks import locked
from utils.results import CHECKPOINT, CONFIG, EVALUATION, METRICS, MODEL, PREVIOUS_CHECKPOINT

MAIN = Path(command_line.__file__)

COMMANDS = {  # each begins its line with what it says
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
    "exp --seed 0 1 --jobs 0": "--jobs 0: expected a whole number (1 or more)",
    "exp --ensemble": "--ensemble is for several runs: give a flag several values, or a --preset",
    "exp --seed 0 1 --ensemble --jobs 2": "--ensemble and --jobs 2 exclude each other: give one of them",
    "exp --executor ray": "--executor ray is for several runs: give a flag several values, or a --preset",
    "exp --seed 0 1 --executor slurm": "argument --executor: invalid choice: 'slurm' (choose from",
    "exp --seed 0 1 --executor ray --jobs 2": "--jobs 2 is for this machine: with --executor, the cluster says",
    "exp --seed 0 1 --executor ray --no-cuda": "--device cpu is for this machine: with --executor, --gpus-per-run",
    "exp --seed 0 1 --gpus-per-run 0.25": "--gpus-per-run is for a cluster: give an --executor",
    "exp --seed 0 1 --executor ray --gpus-per-run 2": "--gpus-per-run 2: expected a number (0 to 1)",
    "exp --report": "results/exp does not exist: check the name, or give the flags of runs besides --report",
    "../exp --report": "experiment name '../exp': expected one folder name",
    "exp --report --jobs 2": "--jobs 2 is for several runs: give a flag several values, or a --preset",
    "exp --preset table2": "argument --preset: invalid choice: 'table2' (choose from",
    "exp --preset beta --loss KL": "--loss KL: --preset beta has betaH",
    "exp --preset beta --GJS-A 0.3": "--GJS-A is not an option of --loss betaH: it belongs to GJS, dGJS, tGJS, tdGJS",
    "--seed 0 1 exp": "--seed exp: expected a whole number (0 or more)",
    "--loss KL exp": "the following arguments are required: experiment, before the flags",
    "exp --resume --overwrite": "--resume and --overwrite exclude each other",
    "exp --is-eval-only --resume": "--resume and --is-eval-only exclude each other",
    "exp -d ''": "--dataset : choose from",
    "''": "experiment name '': expected one folder name",
    "' '": "experiment name ' ': expected one folder name",
    "' exp'": "experiment name ' exp': expected one folder name",
    "..": "experiment name '..': expected one folder name",
    "/tmp/exp": "experiment name '/tmp/exp': expected one folder name",
    "exp/../../exp": "experiment name 'exp/../../exp': expected one folder name",
    "'..\\exp'": "experiment name '..\\\\exp': expected one folder name",
    "'a\tb'": "experiment name 'a\\tb': expected one folder name",
    "'a\x1b[2Jb'": "experiment name 'a\\x1b[2Jb': expected one folder name",
    "'abc\u202efdp'": "experiment name 'abc\\u202efdp': expected one folder name",
    "exp/../../exp --seed 0 1": "experiment name 'exp/../../exp': expected one folder name",
    f"{'x' * 300}": "experiment name 'xxx",
    "exp -s 1e999": "--seed 1e999: expected a whole number (0 or more)",
    f"exp -e {'9' * 5000}": "--epochs 999",
    "exp --lr 1e-4,1e-3": "--lr 1e-4,1e-3: expected a number (above 0)",
    "exp --noise inf": "--noise inf: expected a number (0 or more)",
    "exp -z 512 -l CatVAE": "--latent-dim 512: --loss CatVAE has 20: leave it out",
    "exp -l CatVAE --classes 101": "--classes 101: expected a whole number (1 to 100)",
    "exp -d mnist:raw": "--dataset mnist:raw: choose from",
    "exp -d npz:~nobody-at-all/x.npz": "no home directory is known for the path ~nobody-at-all/x.npz",
}

# Folders of results. Each is given the folder of a run that has ended after two epochs, and spoils it.

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


class Bomb:
    """Unpickled, it would leave a file."""

    def __reduce__(self):
        return os.system, ("touch exploded",)


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
    ("no such run", lambda: None, "other --resume", "there is no experiment results/other: check the name"),
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

# Data. Each is put into the folder data/, which is empty.

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 32, 32), dtype=np.uint8)
DATA = Path("data")


def npz_of(**arrays):
    return lambda: np.savez(DATA / "a.npz", **arrays)


def hostile_header(shape):
    """A function that writes an archive whose array says that it is of some shape."""

    def act():
        header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
        with zipfile.ZipFile(DATA / "a.npz", "w") as archive:
            archive.writestr("images.npy", b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + header)

    return act


def put(name, content):
    """A function that writes a file."""

    def act():
        (DATA / name).parent.mkdir(parents=True, exist_ok=True)
        (DATA / name).write_bytes(content)

    return act


def png(width, height):
    """The beginning of a picture that says it is of that size, and next to no pixels."""
    chunks = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"IDAT" + zlib.compress(b"")
    framed = (struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def tar_that_climbs():
    (DATA / "chairs").mkdir()
    with tarfile.open(DATA / "chairs" / "rendered_chairs.tar", "w") as archive:
        for name in ("rendered_chairs/../../../climbed", "/tmp/climbed", "rendered_chairs/a/renders/../../b.png"):
            member = tarfile.TarInfo(name)
            member.size = 4
            archive.addfile(member, io.BytesIO(b"evil"))
        link = tarfile.TarInfo("rendered_chairs/a/renders/b.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)


def zip_that_climbs():
    (DATA / "celeba").mkdir()
    with zipfile.ZipFile(DATA / "celeba" / celeba.ARCHIVE, "w") as archive:
        archive.writestr("../../climbed", b"evil")
    (DATA / "celeba" / celeba.PARTITION).write_text("../../climbed 0\n")


def cache_of_wrong_shapes():
    (DATA / "celeba").mkdir()
    with h5py.File(DATA / "celeba" / "celeba_64.h5", "w") as file:
        file.attrs.update(recipe=celeba.RECIPE, origin="mine")
        for split in ("train", "test"):
            file.create_group(split).create_dataset("images", data=np.zeros((2, 5, 7, 7), np.uint8))
            file[split].attrs["sha256"] = "0" * 64


def pictures(damaged=None):
    """A function that writes two pictures and, if it is given, the content of another."""

    def act():
        for name in "ab":
            Image.fromarray(PIXELS[0]).save(DATA / f"{name}.png")
        if damaged:
            (DATA / "c.png").write_bytes(damaged)

    return act


BAD_DATA = [  # name, what is put into data/, data set, what the line says
    ("npz missing", lambda: None, "npz:a.npz", "there is nothing at a.npz, here or in data; say where it is"),
    ("npz a text", put("a.npz", b"images"), "npz:a.npz", "a.npz is not an npz archive or is cut short"),
    ("npz a folder", lambda: (DATA / "a.npz").mkdir(), "npz:a.npz", "npz:a.npz cannot be read"),
    ("npz of other arrays", npz_of(pictures=PIXELS), "npz:a.npz", "has no array named images; it has pictures"),
    ("npz of objects", npz_of(images=PIXELS.astype(object)), "npz:a.npz", "write it anew with np.savez(path, images=."),
    ("npz of a pickle", npz_of(images=np.array([Bomb()])), "npz:a.npz", "write it anew with np.savez(path, images=..."),
    ("npz of text", npz_of(images=PIXELS.astype(str)), "npz:a.npz", "expected uint8, bool, or floating point from 0 t"),
    ("npz of 30x30", npz_of(images=PIXELS[:, 1:-1, 1:-1]), "npz:a.npz", "with H = W of 28, 32 or 64 and C of 1 or 3"),
    ("npz beyond 1", npz_of(images=PIXELS / 1.0), "npz:a.npz", "expected 0 to 1, or uint8"),
    ("npz of nan", npz_of(images=PIXELS * np.nan), "npz:a.npz", "expected 0 to 1, or uint8"),
    ("npz with few labels", npz_of(images=PIXELS, labels=np.arange(3)), "npz:a.npz", "expected an integer for each of"),
    ("npz of one image", npz_of(images=PIXELS[:1]), "npz:a.npz", "a train and a test split need at least 2"),
    ("npz without images", npz_of(images=PIXELS[:0]), "npz:a.npz", "images is empty; expected at least one image"),
    ("npz that says it is huge", hostile_header((10**13, 64, 64)), "npz:a.npz", "a.npz cannot be read"),
    ("npz of negative shape", hostile_header((-1, 64, 64)), "npz:a.npz", "a.npz cannot be read"),
    ("npz that unpacks to a lot", npz_of(images=PIXELS), "npz:a.npz --seed 7", "take 20,608 bytes and this machine ha"),
    ("size beyond the data", npz_of(images=PIXELS), "npz:a.npz --train-size 19", "npz:a.npz has 18 train images; a si"),
    ("folder empty", lambda: None, "folder:data", "data has no pictures in it; expected files ending in"),
    ("folder a file", put("x", b""), "folder:x", "x is a file; expected a folder of pictures"),
    ("picture a text", pictures(b"<html>"), "folder:data", "c.png cannot be read (not a picture in any known forma"),
    ("picture cut", pictures(png(40, 40)), "folder:data", "replace it or take it out of the folder"),
    ("picture a bomb", pictures(png(10_000, 10_000)), "folder:data", "expected at most 64,000,000 in all"),
    ("too few pictures", pictures(), "folder:data --train-size 2", "folder:data has 1 train images; a size of 2"),
    ("MNIST a text", put("MNIST/raw/train-images-idx3-ubyte", b"x"), "mnist", "is not the official file: its 1 bytes"),
    ("MNIST cut", put("MNIST/raw/train-images-idx3-ubyte.gz", gzip.compress(b"x" * 99)[:-9]), "mnist", "is damaged"),
    ("MNIST a bomb", put("MNIST/raw/train-images-idx3-ubyte.gz", gzip.compress(bytes(1 << 27))), "mnist", "67108864 b"),
    ("CIFAR-10 another archive", put("cifar10/cifar-10-binary.tar.gz", b"x"), "cifar10", "instead of c32a1d4ab5d03f1"),
    ("bmnist cut", put("bmnist/binarized_mnist_train.amat", b"0 1"), "bmnist", "3 bytes instead of 78,400,000"),
    ("bits of dSprites", put("dsprites/dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz", b"PK"), "dsprites", "delete i"),
    ("tar that climbs", tar_that_climbs, "chairs", "is not the original archive or is damaged (it has 0 models"),
    ("zip that climbs", zip_that_climbs, "celeba", "is not the official file: it has MD5"),
    ("cache of wrong shapes", cache_of_wrong_shapes, "celeba", "celeba cannot be downloaded by a program: fetch img_"),
]

PROCESSES = [  # names in the tables above, of those that are tried as processes too
    "exp --GJS-A 1.5",
    "../exp",
    "exp --loss VAE",
    "exp --dataset folder:nowhere",
    "exp --seed 0 1 --resume",
    "name taken",
    "link to elsewhere, to resume",
    "other rate",
    "config deep",
    "metrics damaged",
    "checkpoint flipped",
    "model a bomb",
    "npz of a pickle",
    "picture a bomb",
    "tar that climbs",
]


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """The results of a run that has ended after two epochs."""
    results = tmp_path_factory.mktemp("ended")
    small = "-d digits -l tGJS -e 2 -z 3 --lr 1e-3 --train-size 16 --test-size 8 -b 8 --no-progress-bar --no-cuda"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("utils.experiment.Job.draw", lambda job: None)
        command_line.main(["exp", *small.split(), "--results-dir", str(results)])
    return results


@pytest.fixture
def place(tmp_path, monkeypatch, request):
    """An empty folder, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VAE_DATA", raising=False)
    return tmp_path


def files(folder):
    """All that is in a folder, with its content."""
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def in_this_process(arguments):
    """Exit status, standard output and standard error of a command line."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as exit:
        command_line.main(arguments)
    return exit.value.code, out.getvalue(), err.getvalue()


def in_a_process(arguments):
    """The same of a process."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, MAIN, *arguments], capture_output=True, text=True, env=environment)
    return done.returncode, done.stdout, done.stderr


def check(command, phrase, place, carry_out=in_this_process):
    before = files(place)
    status, out, err = carry_out(shlex.split(command))
    assert status == 2, err
    assert err.startswith("main.py: ")
    assert phrase in err
    assert err.count("\n") == 1 and err.endswith("\n") and err.count("\r") == 0
    assert out == ""
    assert files(place) == before


def check_results(name, place, ended, carry_out=in_this_process):
    spoil, command, phrase = next(row[1:] for row in RESULTS if row[0] == name)
    shutil.copytree(ended, place / "results")
    spoil()
    check(f"{command} --no-cuda", phrase, place, carry_out)


def check_data(name, place, carry_out=in_this_process):
    prepare, dataset, phrase = next(row[1:] for row in BAD_DATA if row[0] == name)
    DATA.mkdir()
    prepare()
    check(f"exp --no-cuda -d {dataset}", phrase, place, carry_out)


@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_commands(command, place):
    check(command, f"main.py: {COMMANDS[command]}", place)


@pytest.mark.parametrize("name", [row[0] for row in RESULTS])
def test_wrong_folders_of_results(name, place, ended):
    check_results(name, place, ended)


@pytest.mark.parametrize("name", [row[0] for row in BAD_DATA])
def test_wrong_data(name, place, monkeypatch):
    if name == "npz that unpacks to a lot":
        monkeypatch.setattr(npz, "memory_bytes", lambda: 9)
    check_data(name, place)
    assert not Path("/tmp/climbed").exists()


@pytest.mark.parametrize("name", PROCESSES)
def test_mistakes_of_a_process(name, place, ended):
    if name in COMMANDS:
        check(name, f"main.py: {COMMANDS[name]}", place, in_a_process)
    elif name in (row[0] for row in RESULTS):
        check_results(name, place, ended, in_a_process)
    else:
        check_data(name, place, in_a_process)


def test_a_run_that_another_process_is_at(place, ended):
    shutil.copytree(ended, place / "results")
    with locked(EXP):
        for command in ("exp --resume -e 3", "exp --overwrite -d digits --train-size 8", "exp --is-eval-only"):
            check(command, "another process is at work in results/exp: wait for it, or stop it", place)


def test_tensorboard_that_is_not_installed(place, monkeypatch):
    monkeypatch.setattr(tensorboard.importlib.util, "find_spec", lambda name: None)
    check("exp --tensorboard", "--tensorboard: tensorboard is not installed: pip install tensorboard", place)
    check("exp --seed 0 1 --tensorboard", "pip install tensorboard", place)


def test_memory_that_does_not_suffice(place, monkeypatch):
    def build(*arguments):
        return torch.empty(1 << 60, dtype=torch.uint8)

    monkeypatch.setattr("utils.experiment.build", build)
    check("exp -d digits", "there is not enough memory for this: a smaller --batch-size", place)
