"""Wrong data: each case puts some into the folder data/, which is empty."""

import gzip
import io
import os
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
from utils.datasets.files import archives
from utils.datasets.sources import celeba

pytestmark = pytest.mark.slow

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


def pictures(damaged=None, name="c.png"):
    """A function that writes two pictures and, if it is given, the content of another."""

    def act():
        for other in "ab":
            Image.fromarray(PIXELS[0]).save(DATA / f"{other}.png")
        if damaged is not None:
            (DATA / name).write_bytes(damaged)

    return act


def encoded(form, picture=None, **options):
    """The bytes of a picture in some form."""
    file = io.BytesIO()
    (picture or Image.fromarray(PIXELS[0])).save(file, form, **options)
    return file.getvalue()


def half(form, **options):
    """A function that writes two pictures, and the first half of another in some form."""
    content = encoded(form, **options)
    return pictures(content[: len(content) // 2], f"c.{form}")


def flipped(content, place):
    """Some content with a byte inverted."""
    return content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :]


def stack(cut):
    """A TIFF stack of three pages without its last bytes."""
    content = encoded("tiff", save_all=True, append_images=[Image.fromarray(page) for page in PIXELS[1:3]])
    return content[:-cut]


def npz_content(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def zip_of(**members):
    """A function that writes an archive of members that are no arrays."""

    def act():
        with zipfile.ZipFile(DATA / "a.npz", "w") as archive:
            for name, content in members.items():
                archive.writestr(f"{name}.npy", content)

    return act


def locked_archive():
    """An archive that says it is encrypted, in either place."""
    content = bytearray(npz_content(images=PIXELS))
    content[6] |= 1
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    (DATA / "a.npz").write_bytes(content)


def only_others():
    for name in ("clip.mp4", ".hidden.png", "notes.txt"):
        (DATA / name).write_bytes(encoded("png") if name.startswith(".") else b"text")


def links_in_circles():
    (DATA / "a").symlink_to(".")
    (DATA / "b").symlink_to("..")
    (DATA / "c.png").symlink_to("c.png")
    (DATA / "d").symlink_to("/")


def three_broken():
    pictures()()
    for name in ("x.png", "y.jpg", "z.gif"):
        (DATA / name).write_bytes(b"text")


FORMS = ("jpeg", "gif", "bmp", "webp", "tiff", "ppm")
POINTS = np.random.default_rng(0).standard_normal((30, 5))
LABELS = np.arange(20)
NOT_FINITE = "have a value that is no number or beyond 3.4e38"

BAD_DATA = [  # name, what is put into data/, data set, what the line says
    ("npz missing", lambda: None, "npz:a.npz", "there is nothing at a.npz, here or in data; say where it is"),
    ("npz a pipe", lambda: os.mkfifo(DATA / "a.npz"), "npz:a.npz", "a.npz is no regular file; expected an npz archive"),
    ("npz a device", lambda: (DATA / "a.npz").symlink_to("/dev/zero"), "npz:a.npz", "a.npz is no regular file; expect"),
    ("npz empty", put("a.npz", b""), "npz:a.npz", "a.npz is not an npz archive or is cut short"),
    ("npz cut", put("a.npz", npz_content(images=PIXELS)[:9000]), "npz:a.npz", "a.npz is not an npz archive or is cut "),
    ("npz flipped", put("a.npz", flipped(npz_content(images=PIXELS), 9000)), "npz:a.npz", "cannot be read (Bad CRC-32"),
    ("npz encrypted", locked_archive, "npz:a.npz", "a.npz cannot be read (File 'images.npy' is encrypted"),
    ("npz a picture", put("a.npz", encoded("png")), "npz:a.npz", "a.npz is not an npz archive or is cut short"),
    ("npz a single array", put("a.npz", b"\x93NUMPY\x01\0"), "npz:a.npz", 'a single array; np.savez("new.npz", images'),
    ("npz of no arrays", zip_of(), "npz:a.npz", "it has none at all: np.savez(path, images=...) writes one"),
    ("npz of a text", zip_of(images=b"import os"), "npz:a.npz", "a.npz cannot be read (images is no array); write it"),
    ("npz of odd version", zip_of(images=b"\x93NUMPY\x09\x09\0\0{}"), "npz:a.npz", "a.npz cannot be read (we only sup"),
    (
        "npz of code",
        zip_of(images=b"\x93NUMPY\x01\0\x0f\0__import__('o')\n"),
        "npz:a.npz",
        "a.npz cannot be read (malf",
    ),
    ("npz that climbs", zip_of(**{"../images": b"x"}), "npz:a.npz", "a.npz has no array named images; it has ../image"),
    ("npz of labels only", npz_of(labels=LABELS), "npz:a.npz", "has no array named images; it has labels"),
    ("npz of tests only", npz_of(test_images=PIXELS), "npz:a.npz", "has no array named images; it has test_images"),
    ("npz with a doubt", npz_of(x=PIXELS, data=PIXELS), "npz:a.npz", "has x and data, which mean the same; leave one "),
    ("npz of 264x264", npz_of(images=np.zeros((9, 264, 264), np.uint8)), "npz:a.npz", "images has shape (9, 264, 264)"),
    ("npz flattened", npz_of(images=PIXELS.reshape(20, -1)), "npz:a.npz", 'images=np.load("a.npz")["images"].reshape('),
    ("npz flattened, floats", npz_of(x_train=PIXELS.reshape(20, -1) / 255), "npz:a.npz", '["x_train"].reshape(-1, 32,'),
    ("npz of rows", npz_of(images=PIXELS[:, 0]), "npz:a.npz", "(20, 32); expected (N, H, W), (N, H, W, C) or (N, C, H"),
    ("npz with images last", npz_of(images=PIXELS.transpose(1, 2, 0)), "npz:a.npz", "images has shape (32, 32, 20); e"),
    ("npz of 5 channels", npz_of(images=np.stack([PIXELS] * 5, 1)), "npz:a.npz", "images has shape (20, 5, 32, 32); "),
    ("npz of videos", npz_of(images=PIXELS[:, None, None]), "npz:a.npz", "images has shape (20, 1, 1, 32, 32); expect"),
    ("npz of no pixels", npz_of(images=PIXELS[:, :0, :0]), "npz:a.npz", "images has shape (20, 0, 0); expected"),
    ("npz of one number", npz_of(images=np.uint8(3)), "npz:a.npz", "images has shape (); expected"),
    ("npz of complex", npz_of(images=PIXELS * 1j), "npz:a.npz", "images is complex128; expected uint8, bool, or float"),
    ("npz of dates", npz_of(images=PIXELS.astype("M8[s]")), "npz:a.npz", "images is datetime64[s]; expected uint8, bo"),
    ("npz of records", npz_of(images=PIXELS.astype([("a", "u1")])), "npz:a.npz", "images is [('a', 'u1')]; expected u"),
    ("npz below 0", npz_of(images=PIXELS.astype(int) - 9), "npz:a.npz", "images is int64 from -9 to 246; expected uin"),
    ("npz of large integers", npz_of(images=PIXELS * np.int64(10**9)), "npz:a.npz", "expected uint8, or 0 to 65535: w"),
    ("npz of 0 and 1", npz_of(images=PIXELS // 128), "npz:a.npz", "images is uint8 with no value above 1; uint8 is fo"),
    ("npz of -1 to 1", npz_of(images=PIXELS / 127.5 - 1), "npz:a.npz", 'images=(np.load("a.npz")["images"] + 1) / 2)'),
    ("npz standardised", npz_of(images=PIXELS / 99 - 1.3), "npz:a.npz", "with x for the array, (x - x.min()) / (x.max"),
    ("npz of infinity", npz_of(images=np.where(PIXELS, 0.5, np.inf)), "npz:a.npz", "images=np.nan_to_num(np.load("),
    ("npz of other tests", npz_of(images=PIXELS, test_images=PIXELS[:, 2:30, 2:30]), "npz:a.npz", "expected images of"),
    ("npz of empty tests", npz_of(images=PIXELS, test_images=PIXELS[:0]), "npz:a.npz", "test_images is empty; expecte"),
    ("labels below -1", npz_of(images=PIXELS, labels=LABELS - 5), "npz:a.npz", "labels have the value -5; number clas"),
    ("labels -1 and 1", npz_of(images=PIXELS, labels=LABELS % 2 * 2 - 1), "npz:a.npz", "as two classes, write (labels"),
    ("labels with a point", npz_of(images=PIXELS, labels=LABELS / 2), "npz:a.npz", "an integer for each of 20 example"),
    ("labels too many", npz_of(images=PIXELS, labels=np.arange(21)), "npz:a.npz", "labels is int64 of shape (21,); ex"),
    ("labels of objects", npz_of(images=PIXELS, labels=np.array([Bomb()] * 20)), "npz:a.npz", "a.npz cannot be read ("),
    ("labels of dates", npz_of(images=PIXELS, labels=LABELS.astype("M8[D]")), "npz:a.npz", "labels is datetime64[D] o"),
    ("labels deep", npz_of(images=PIXELS, labels=LABELS[:, None, None]), "npz:a.npz", "labels is int64 of shape (20, "),
    (
        "labels of two kinds",
        npz_of(images=PIXELS, labels=LABELS, test_images=PIXELS, test_labels=LABELS.astype(str)),
        "npz:a.npz",
        "labels and test_labels are numbers and texts; expected one of the two",
    ),
    ("vectors of nan", npz_of(vectors=POINTS * np.nan), "npz:a.npz", f"30 of 30 rows of vectors {NOT_FINITE}"),
    ("vectors of infinity", npz_of(x=np.where(POINTS > 2, np.inf, 1)), "npz:a.npz", NOT_FINITE),
    ("vectors beyond float32", npz_of(vectors=POINTS * 1e200), "npz:a.npz", NOT_FINITE),
    ("vectors of numbers", npz_of(vectors=POINTS[:, 0]), "npz:a.npz", "vectors is float64 of shape (30,); expected nu"),
    ("vectors of text", npz_of(vectors=POINTS.astype(str)), "npz:a.npz", "expected numbers of shape (N, D) for N vect"),
    ("vectors of nothing", npz_of(vectors=POINTS[:, :0]), "npz:a.npz", "vectors is empty, of shape (30, 0); expected "),
    ("vectors, but one", npz_of(vectors=POINTS[:1]), "npz:a.npz", "a train and a test split need at least 2"),
    ("vectors too few", npz_of(vectors=POINTS), "npz:a.npz --train-size 28", "npz:a.npz has 27 train vectors; a size "),
    ("vectors and images", npz_of(vectors=POINTS, test_images=PIXELS), "npz:a.npz", "vectors are vectors and test_ima"),
    ("vectors as images", npz_of(vectors=POINTS), "npz:a.npz -r bernoulli", "npz:a.npz has vectors: choose from norma"),
    ("vectors with noise", npz_of(vectors=POINTS), "npz:a.npz --noise 1", "npz:a.npz has vectors, noise is for images"),
    ("vectors for images only", npz_of(vectors=POINTS), "npz:a.npz -l CatVAE", "has vectors, which it is not for"),
    ("images as vectors", npz_of(images=PIXELS), "npz:a.npz -r normal", "npz:a.npz has images: choose from bernoulli,"),
    ("npz a text", put("a.npz", b"images"), "npz:a.npz", "a.npz is not an npz archive or is cut short"),
    ("npz a folder", lambda: (DATA / "a.npz").mkdir(), "npz:a.npz", "a.npz is no regular file; expected an npz archiv"),
    ("npz of other arrays", npz_of(pictures=PIXELS), "npz:a.npz", "has no array named images; it has pictures"),
    ("npz of objects", npz_of(images=PIXELS.astype(object)), "npz:a.npz", "write it anew with np.savez(path, images=."),
    ("npz of a pickle", npz_of(images=np.array([Bomb()])), "npz:a.npz", "write it anew with np.savez(path, images=..."),
    ("npz of text", npz_of(images=PIXELS.astype(str)), "npz:a.npz", "expected uint8, bool, or floating point from 0 t"),
    ("npz of 32x30", npz_of(images=PIXELS[:, :, 1:-1]), "npz:a.npz", "with H = W of 8 to 256 and C of 1 to 4"),
    ("npz beyond 1", npz_of(images=PIXELS / 1.0), "npz:a.npz", "expected 0 to 1, or uint8"),
    ("npz of nan", npz_of(images=PIXELS * np.nan), "npz:a.npz", "expected 0 to 1, or uint8"),
    ("npz with few labels", npz_of(images=PIXELS, labels=np.arange(3)), "npz:a.npz", "expected an integer for each of"),
    ("npz of one image", npz_of(images=PIXELS[:1]), "npz:a.npz", "a train and a test split need at least 2"),
    ("npz without images", npz_of(images=PIXELS[:0]), "npz:a.npz", "images is empty; expected at least one image"),
    ("npz that says it is huge", hostile_header((10**13, 64, 64)), "npz:a.npz", "a.npz cannot be read"),
    ("npz of negative shape", hostile_header((-1, 64, 64)), "npz:a.npz", "a.npz cannot be read"),
    ("npz that unpacks to a lot", npz_of(images=PIXELS), "npz:a.npz --seed 7", "take 20,608 bytes and this machine ha"),
    ("size beyond the data", npz_of(images=PIXELS), "npz:a.npz --train-size 19", "npz:a.npz has 18 train images; a si"),
    ("folder empty", lambda: None, "folder:data", "data has no pictures in it; expected PNG, JPEG"),
    ("folder the root", lambda: None, "folder:/", "/ belongs to the system; expected a folder of pictures: name the o"),
    ("folder the root, told long", lambda: None, "folder:data/../../../../../../../..", "belongs to the system; expec"),
    ("folder a way to the root", lambda: (DATA / "x").symlink_to("/"), "folder:data/x", "data/x belongs to the system"),
    ("folder of processes", lambda: None, "folder:/proc", "/proc belongs to the system; expected a folder of pictures"),
    ("folder of others", only_others, "folder:data", "left out: hidden 1 (.hidden.png), not pictures 2 (clip.mp4, not"),
    ("folder of a pipe", lambda: os.mkfifo(DATA / "a.png"), "folder:data", "left out: devices, pipes or sockets 1 (a."),
    ("folder in circles", links_in_circles, "folder:data", "links to nowhere 1 (c.png), links to folders above or lis"),
    ("folder of three broken", three_broken, "folder:data", "3 of 5 files in data cannot be read: x.png (not a pict"),
    ("folder a pipe", lambda: os.mkfifo(DATA / "x"), "folder:data/x", "data/x is a file; expected a folder of picture"),
    ("name that clears", pictures(b"x", "c\x1b[2J\n.png"), "folder:data", "data/c\\x1b[2J .png cannot be read (not a "),
    ("picture empty", pictures(b""), "folder:data", "c.png cannot be read (not a picture in any known format)"),
    ("picture of zeros", pictures(bytes(4096), "c.jpg"), "folder:data", "c.jpg cannot be read (not a picture in any k"),
    ("picture drawn by a program", pictures(b"<svg/>", "c.jpeg"), "folder:data", "c.jpeg cannot be read (not a pictur"),
    ("picture of PostScript", pictures(encoded("eps")), "folder:data", "c.png cannot be read (not a picture in any kn"),
    ("picture of 32 bits", pictures(encoded("tiff", Image.new("I", (9, 9))), "c.tif"), "folder:data", "32 bits; expec"),
    ("picture of floats", pictures(encoded("tiff", Image.new("F", (9, 9))), "c.tif"), "folder:data", "32 bits; expect"),
    ("picture flipped", pictures(flipped(encoded("png"), 200)), "folder:data", "c.png cannot be read ("),
    ("picture without a header", pictures(flipped(encoded("bmp"), 14), "c.bmp"), "folder:data", "c.bmp cannot be read"),
    ("picture under another name", pictures(encoded("png")[:300], "c.jpg"), "folder:data", "c.jpg cannot be read ("),
    *(
        (f"{form} cut", half(form), "folder:data", f"c.{form} cannot be read (")
        for form in ("jpeg", "gif", "bmp", "webp")
    ),
    *((f"{form} cut", half(form), "folder:data", f"c.{form} cannot be read (") for form in ("tiff", "ppm")),
    ("packed tiff cut", half("tiff", compression="tiff_lzw"), "folder:data", "c.tiff cannot be read ("),
    ("stack cut", pictures(stack(400), "c.tif"), "folder:data", "c.tif cannot be read ("),
    ("folder a file", put("x", b""), "folder:x", "x is a file; expected a folder of pictures"),
    ("picture a text", pictures(b"<html>"), "folder:data", "c.png cannot be read (not a picture in any known forma"),
    ("picture cut", pictures(png(40, 40)), "folder:data", "replace it or take it out of the folder"),
    ("picture a bomb", pictures(png(10_000, 10_000)), "folder:data", "expected at most 64,000,000 in all"),
    ("too few pictures", pictures(), "folder:data --train-size 2", "folder:data has 1 train images; a size of 2"),
    ("MNIST a text", put("MNIST/raw/train-images-idx3-ubyte", b"x"), "mnist", "is not the official file: its 1 bytes"),
    ("MNIST's folder a file", put("MNIST/raw", b""), "mnist", "missing and data/MNIST/raw cannot be written to (File"),
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
        monkeypatch.setattr(archives, "memory_bytes", lambda: 9)
    check(name, in_this_process)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROCESSES)
def test_wrong_data_of_a_process(name):
    check(name, in_a_process)
