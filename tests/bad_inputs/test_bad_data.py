"""Wrong data: each case puts some into the folder data/, which is empty."""

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from mistakes import Bomb, check_refused, in_a_process, in_this_process
from utils.datasets.sources import celeba, npz

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

PROCESSES = ["npz of a pickle"]


def check(name, carry_out):
    prepare, dataset, phrase = next(row[1:] for row in BAD_DATA if row[0] == name)
    DATA.mkdir()
    prepare()
    check_refused(f"exp --no-cuda -d {dataset}", phrase, carry_out)
    assert not Path("/tmp/climbed").exists()


@pytest.mark.parametrize("name", [row[0] for row in BAD_DATA])
def test_wrong_data(name, monkeypatch):
    if name == "npz that unpacks to a lot":
        monkeypatch.setattr(npz, "memory_bytes", lambda: 9)
    check(name, in_this_process)


@pytest.mark.parametrize("name", PROCESSES)
def test_wrong_data_of_a_process(name):
    check(name, in_a_process)
