"""`folder:PATH` and `npz:PATH`: the user's own images."""

import io
import json
import shutil
import struct
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

import main as command_line
from utils.datasets import DatasetError, is_dataset, load_dataset, path_kind, portable_name
from utils.datasets.files.pictures import area_means
from utils.runs.folder import CONFIG, MODEL


def picture(seed, size=(40, 30), mode="RGB"):
    height, width = size[1], size[0]
    channels = {"RGB": (3,), "L": ()}[mode]
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, *channels), dtype=np.uint8))


@pytest.fixture
def folder(tmp_path):
    """Twenty pictures in two subfolders, in several formats, among files that are none."""
    path = tmp_path / "my pictures"
    for subfolder in ("a", "b/c"):
        (path / subfolder).mkdir(parents=True)
    for seed in range(20):
        suffix = ("png", "JPG", "bmp", "tiff")[seed % 4]
        picture(seed).save(path / ("a", "b/c")[seed % 2] / f"{seed:02}.{suffix}")
    (path / "notes.txt").write_text("not a picture")
    (path / "a" / "._00.png").write_text("what some systems leave behind")
    return path


def load(kind, path, split="train", size=None):
    return load_dataset(f"{kind}:{path}", split, path.parent, size)


def error_of(kind, path, split="train"):
    with pytest.raises(DatasetError) as caught:
        load(kind, path, split)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def rows(dataset):
    return {image.numpy().tobytes() for image in dataset.images}


def test_names_with_a_path_are_told_from_plain_ones():
    assert is_dataset("folder:x") and is_dataset("npz:/x/y.npz") and is_dataset("mnist")
    assert not is_dataset("folder:") and not is_dataset("folder") and not is_dataset("zip:x")
    assert (path_kind("folder:a:b"), path_kind("mnist")) == ("folder", None)
    assert portable_name("folder:/home/me/cats/") == "folder:cats"
    assert portable_name("npz:data/cats.npz") == "npz:data/cats.npz"
    assert portable_name("mnist") == "mnist"


def test_unknown_name_lists_the_forms_with_a_path(tmp_path):
    with pytest.raises(DatasetError, match=r"choose from .*mnist.*, folder:PATH, npz:PATH"):
        load_dataset("folder:", "train", tmp_path)


def test_nothing_at_the_path_says_how_to_name_it(tmp_path):
    for kind in ("folder", "npz"):
        assert error_of(kind, tmp_path / "no where").endswith(f"say where it is: --dataset {kind}:PATH")


@pytest.mark.parametrize(("name", "data_dir"), [("folder:~nosuchuser/x", "."), ("mnist", "~nosuchuser/x")])
def test_unknown_home_is_told_in_one_line(name, data_dir):
    with pytest.raises(DatasetError, match="^no home directory is known for the path ~nosuchuser/x; write it in full$"):
        load_dataset(name, "train", data_dir)


@pytest.mark.parametrize("path", ["caf\udce9", "/home/me/caf\udce9"])
def test_name_that_is_not_utf_8_can_be_recorded(path):
    assert portable_name(f"folder:{path}") == "folder:caf\ufffd"


def test_relative_path_is_looked_for_here_and_in_the_data_directory(folder, monkeypatch, tmp_path):
    monkeypatch.chdir(folder.parent)
    here = load_dataset("folder:my pictures", "train", tmp_path / "elsewhere")
    monkeypatch.chdir("/")
    there = load_dataset("folder:my pictures", "train", folder.parent)
    assert torch.equal(here.images, there.images)
    assert here.name == there.name == load("folder", folder).name == "folder:my pictures"


# Folders


def test_folder_is_split_for_good_and_its_pictures_are_squares(folder):
    train, test = load("folder", folder), load("folder", folder, "test")
    assert train.images.shape == (18, 3, 32, 32)
    assert test.images.shape == (2, 3, 32, 32)
    assert len(rows(train) | rows(test)) == 20
    assert torch.equal(load("folder", folder, size=5).images, train.images[:5])
    assert load("folder", folder, size=5).sha256 == train.sha256 != test.sha256
    assert train.labels is None and train.source == "pictures in a folder"


def test_crop_is_central_and_resizing_averages_areas(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (128, 192), dtype=np.uint8)
    for name in "ab":
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    images = load("folder", tmp_path).images
    expected = pixels[:, 32:160].reshape(64, 2, 64, 2).mean((1, 3))
    assert images.shape == (1, 1, 64, 64)
    assert np.abs(images[0, 0].numpy() - expected).max() <= 0.5


@pytest.mark.parametrize(("length", "side"), [(400, 64), (178, 64), (64, 64), (30, 32), (7, 32), (1, 64)])
def test_means_are_over_the_areas_that_pixels_cover(length, side):
    pixels = np.random.default_rng(0).integers(0, 256, (3, length, length), dtype=np.uint8)
    edges, cell = np.arange(side + 1) * length / side, np.arange(length)
    overlaps = np.clip(np.minimum(edges[1:, None], cell + 1) - np.maximum(edges[:-1, None], cell), 0, 1)
    weights = overlaps * side / length
    means = area_means(pixels, side)
    assert means.dtype == np.uint8
    assert np.abs(means - weights @ pixels @ weights.T).max() <= 0.5 + 1e-9


@pytest.mark.parametrize(("sizes", "side"), [([(28, 28), (32, 50)], 32), ([(32, 32), (33, 33)], 64)])
def test_small_pictures_stay_small(tmp_path, sizes, side):
    for seed, size in enumerate(sizes):
        picture(seed, size).save(tmp_path / f"{seed}.png")
    assert load("folder", tmp_path).image_shape == (3, side, side)


def test_one_colour_picture_makes_all_colour(tmp_path):
    for seed in range(3):
        picture(seed, mode="L").save(tmp_path / f"{seed}.png")
    assert load("folder", tmp_path).image_shape == (1, 32, 32)
    picture(3).save(tmp_path / "3.png")
    assert load("folder", tmp_path).image_shape == (3, 32, 32)


def test_transparency_is_white_and_16_bits_become_8(tmp_path):
    Image.fromarray(np.full((32, 32), 40_000, dtype=np.uint16)).save(tmp_path / "deep.png")
    Image.new("LA", (32, 32), (0, 0)).save(tmp_path / "clear.png")
    values = {int(image.unique()) for split in ("train", "test") for image in load("folder", tmp_path, split).images}
    assert values == {40_000 // 257, 255}


def test_subfolders_train_and_test_are_the_splits(tmp_path):
    for seed in range(6):
        part = tmp_path / ("test" if seed < 2 else "train") / "class"
        part.mkdir(parents=True, exist_ok=True)
        picture(seed).save(part / f"{seed}.png")
    assert [len(load("folder", tmp_path, split)) for split in ("train", "test")] == [4, 2]
    with Image.open(tmp_path / "test" / "class" / "0.png") as first:
        centre = np.asarray(first.crop((5, 0, 35, 30))).transpose(2, 0, 1)
    assert area_means(centre, 32).tobytes() in rows(load("folder", tmp_path, "test"))
    shutil.rmtree(tmp_path / "test")
    assert [len(load("folder", tmp_path, split)) for split in ("train", "test")] == [3, 1]


def test_pictures_beside_train_and_test_do_not_decide_on_the_format(tmp_path):
    for part in ("train", "test"):
        (tmp_path / part).mkdir()
        picture(0, mode="L").save(tmp_path / part / "grey.png")
    picture(1, (100, 100)).save(tmp_path / "large.png")
    assert load("folder", tmp_path).image_shape == (1, 32, 32)


def test_hidden_folders_are_passed_over(folder):
    before = load("folder", folder)
    for place in (folder / ".hidden", folder / "a" / ".thumbnails" / "large"):
        place.mkdir(parents=True)
        picture(99).save(place / "99.png")
    assert load("folder", folder).sha256 == before.sha256


def test_digest_changes_with_a_file(folder):
    before = [load("folder", folder, split).sha256 for split in ("train", "test")]
    picture(99).save(folder / "a" / "00.png")
    assert [load("folder", folder, split).sha256 for split in ("train", "test")] != before


def png():
    file = io.BytesIO()
    picture(0).save(file, "png")
    return file.getvalue()


@pytest.mark.parametrize("content", [b"", b"<html>", png()[:40], png()[:1000]], ids=["empty", "html", "header", "half"])
def test_damaged_picture_is_named(folder, content):
    path = folder / "a" / "damaged.png"
    path.write_bytes(content)
    messages = []
    for split in ("train", "test"):
        try:
            load("folder", folder, split)
        except DatasetError as error:
            messages.append(str(error))
    assert messages
    for message in messages:
        assert message.startswith(f"{path} cannot be read (")
        assert message.endswith("); replace it or take it out of the folder")


def test_only_the_formats_of_pictures_are_opened(folder):
    path = folder / "a" / "program.png"
    picture(0).save(path, "eps")  # which Pillow has Ghostscript read
    assert error_of("folder", folder).startswith(f"{path} cannot be read (not a picture in any known format)")


def test_damage_of_any_kind_is_told_in_one_line(folder, monkeypatch):
    monkeypatch.setattr("utils.datasets.files.pictures.ImageOps.exif_transpose", lambda _: struct.unpack("I", b"short"))
    assert "cannot be read (unpack requires a buffer of 4 bytes)" in error_of("folder", folder)


def test_folder_without_enough_pictures(tmp_path):
    assert "has no pictures in it; expected files ending in .bmp, " in error_of("folder", tmp_path)
    picture(0).save(tmp_path / "only.png")
    assert error_of("folder", tmp_path).endswith("has 1 images in all; a train and a test split need at least 2")
    assert "only.png is a file; expected a folder" in error_of("folder", tmp_path / "only.png")


# npz archives


def images_of(shape, dtype=np.uint8):
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return values if dtype is np.uint8 else values > 127 if dtype is np.bool_ else (values / 255).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.bool_, np.float32, np.float64, np.float16])
@pytest.mark.parametrize(
    ("shape", "image_shape"),
    [
        ((20, 32, 32), (1, 32, 32)),
        ((20, 64, 64), (1, 64, 64)),
        ((20, 28, 28), (1, 32, 32)),
        ((20, 32, 32, 3), (3, 32, 32)),
        ((20, 28, 28, 1), (1, 32, 32)),
        ((20, 3, 64, 64), (3, 64, 64)),
        ((20, 1, 64, 64), (1, 64, 64)),
    ],
)
def test_archive_is_read_in_every_layout(tmp_path, shape, image_shape, dtype):
    path, images = tmp_path / "a.npz", images_of(shape, dtype)
    np.savez(path, images=images, labels=np.arange(20, dtype=np.int32))
    train, test = load("npz", path), load("npz", path, "test")
    assert (len(train), len(test)) == (18, 2)
    assert train.image_shape == test.image_shape == image_shape
    assert sorted(train.labels.tolist() + test.labels.tolist()) == list(range(20))
    assert train.images.is_contiguous() and train.labels.dtype == torch.int64
    original = images[test.labels[1]]
    if original.ndim == 3 and original.shape[-1] in (1, 3):
        original = original.transpose(2, 0, 1)
    inner = test.images[1, :, 2:30, 2:30] if shape[1] == 28 else test.images[1]
    scale = 1 if dtype is np.uint8 else 255
    expected = np.rint(original.astype(np.float64) * scale).astype(np.uint8).reshape(inner.shape)
    assert np.array_equal(inner.numpy(), expected)
    assert test.images[1].sum() == inner.sum()
    assert torch.equal(load("npz", path, size=5).images, train.images[:5])
    assert load("npz", path, size=5).sha256 == train.sha256 != test.sha256


def test_archive_with_its_own_test_split(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(
        path, images=images_of((8, 32, 32)), test_images=images_of((3, 32, 32)), test_labels=np.arange(3)
    )
    assert len(load("npz", path)) == 8
    assert load("npz", path).labels is None
    assert sorted(load("npz", path, "test").labels.tolist()) == [0, 1, 2]


GOOD = {"images": images_of((20, 32, 32))}


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"pictures": GOOD["images"]}, "has no array named images; it has pictures"),
        ({}, "has no array named images; it has none at all"),
        ({"images": images_of((20, 30, 30))}, "images has shape (20, 30, 30); expected (N, H, W)"),
        ({"images": images_of((20, 32, 64))}, "images has shape (20, 32, 64)"),
        ({"images": images_of((20, 2, 32, 32))}, "images has shape (20, 2, 32, 32)"),
        ({"images": images_of((20, 1024))}, "images has shape (20, 1024)"),
        ({"images": np.uint8(3)}, "images has shape ()"),
        ({"images": images_of((0, 32, 32))}, "images is empty"),
        ({"images": images_of((1, 32, 32))}, "need at least 2"),
        ({"images": GOOD["images"].astype(np.int64)}, "images is int64; expected uint8, bool, or floating point"),
        ({"images": GOOD["images"] * 1.0}, "images has values from 0 to 255; expected 0 to 1"),
        ({"images": np.full((9, 32, 32), np.nan)}, "images has values from nan to nan"),
        ({"images": GOOD["images"] // 128}, "images is uint8 with no value above 1"),
        ({"images": GOOD["images"].astype(object)}, "allow_pickle=False"),
        ({**GOOD, "labels": np.arange(19)}, "labels is int64 of shape (19,); expected an integer for each of 20"),
        ({**GOOD, "labels": np.arange(20) / 2}, "labels is float64 of shape (20,)"),
        ({**GOOD, "test_images": images_of((3, 64, 64))}, "expected images of one shape"),
    ],
)
def test_wrong_arrays_are_told_in_one_line(tmp_path, arrays, reason):
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    assert reason in error_of("npz", path)


def test_digest_of_an_archive_names_the_split(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    np.savez(path, **GOOD)
    before = load("npz", path).sha256
    monkeypatch.setattr("utils.datasets.sources.npz.SPLIT_SEED", 1)
    assert load("npz", path).sha256 != before


def flipped(content):
    return content[:9000] + bytes(50) + content[9050:]


@pytest.mark.parametrize(
    "damage",
    [lambda c: b"", lambda c: b"\x80\x04K\x01.", lambda c: c[: len(c) // 2], flipped],
    ids=["empty", "pickle", "truncated", "flipped"],
)
def test_damaged_archive_is_told_in_one_line(tmp_path, damage):
    path = tmp_path / "a.npz"
    np.savez(path, **GOOD)
    path.write_bytes(damage(path.read_bytes()))
    assert str(path) in error_of("npz", path)


def test_hostile_members_are_told_in_one_line(tmp_path):
    path = tmp_path / "a.npz"
    header = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little")
    shape = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000, 64, 64), }"
    unclosed = b"{'descr': '|u1', 'fortran_order': False, 'shape': (20, 32, 32"
    for content in (header + shape.ljust(117) + b"\n", header + unclosed.ljust(117) + b"\n", b"no array at all"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("images.npy", content)
        assert "cannot be read" in error_of("npz", path)


# From the command line


def command(*arguments):
    try:
        command_line.main([*map(str, arguments)])
        return 0
    except SystemExit as exit:
        return exit.code


SMALL = "--loss dGJS --epochs 1 --train-size 9 --test-size 2 --batch-size 8 --no-progress-bar --no-cuda".split()


@pytest.mark.parametrize("kind", ["folder", "npz"])
def test_run_on_own_images_records_no_path_and_goes_on(kind, folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = folder
    if kind == "npz":
        path = tmp_path / "away" / "mine.npz"
        path.parent.mkdir()
        np.savez(path, **GOOD)
    results = tmp_path / "results"
    common = ("smoke", "--results-dir", results)
    assert command(*common, "--dataset", f"{kind}:{path}", *SMALL) == 0
    text = (results / "smoke" / CONFIG).read_text()
    assert json.loads(text)["dataset"] == json.loads(text)["data"]["name"] == f"{kind}:{path.name}"
    assert str(tmp_path) not in text

    moved = tmp_path / "moved" / "new $name$.npz"
    moved.parent.mkdir()
    path.rename(moved)
    capsys.readouterr()
    assert command(*common, "--resume", "--epochs", "2") == 2
    assert f"say where it is: --dataset {kind}:PATH" in capsys.readouterr().err
    assert command(*common, "--resume", "--epochs", "2", "--dataset", f"{kind}:{moved}") == 0
    assert command(*common, "--is-eval-only", "--dataset", f"{kind}:{moved}") == 0
    assert json.loads((results / "smoke" / CONFIG).read_text())["dataset"] == f"{kind}:new $name$.npz"
    assert str(tmp_path) not in (results / "smoke" / CONFIG).read_text()


def test_other_images_than_the_run_began_with_are_refused(tmp_path, capsys):
    mine, other = tmp_path / "mine.npz", tmp_path / "other.npz"
    np.savez(mine, **GOOD)
    np.savez(other, images=255 - GOOD["images"])
    common = ("smoke", "--results-dir", tmp_path / "results")
    assert command(*common, "--dataset", f"npz:{mine}", *SMALL) == 0
    before = (tmp_path / "results" / "smoke" / MODEL).read_bytes()
    capsys.readouterr()
    assert command(*common, "--is-eval-only", "--dataset", f"npz:{other}") == 2
    assert "name the npz it was run with by --dataset npz:PATH" in capsys.readouterr().err
    assert command(*common, "--resume", "--epochs", "2", "--dataset", "mnist") == 2
    assert "the saved run has npz:mine.npz" in capsys.readouterr().err
    assert (tmp_path / "results" / "smoke" / MODEL).read_bytes() == before
