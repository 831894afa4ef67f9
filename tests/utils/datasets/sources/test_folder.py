"""`folder:PATH`: the splits and classes of a folder of pictures, their squares, and what is said of them."""

import hashlib
import io
import shutil
import struct

import numpy as np
import pytest
import torch
from PIL import Image

from own_data import error_of, fill, load, notes, picture, rows, save, sizes
from utils.datasets import DatasetError
from utils.datasets.files.pictures import area_means


@pytest.fixture
def folder(tmp_path):
    """Twenty pictures in two subfolders, in several formats, among files that are none."""
    path = tmp_path / "my pictures"
    for seed in range(20):
        suffix = ("png", "JPG", "bmp", "tiff")[seed % 4]
        save(picture(seed), path / ("a", "b/c")[seed % 2] / f"{seed:02}.{suffix}")
    (path / "notes.txt").write_text("not a picture")
    (path / "a" / "._00.png").write_text("what some systems leave behind")
    return path


def test_folder_is_split_for_good_and_its_pictures_are_squares(folder):
    train, test = load("folder", folder), load("folder", folder, "test")
    assert train.images.shape == (18, 3, 32, 32)
    assert test.images.shape == (2, 3, 32, 32)
    assert len(rows(train) | rows(test)) == 20
    assert torch.equal(load("folder", folder, size=5).images, train.images[:5])
    assert load("folder", folder, size=5).sha256 == train.sha256 != test.sha256
    assert train.source == "pictures in a folder"


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


@pytest.mark.parametrize(("shapes", "side"), [([(28, 28), (32, 50)], 32), ([(32, 32), (33, 33)], 64)])
def test_small_pictures_stay_small(tmp_path, shapes, side):
    for seed, size in enumerate(shapes):
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


def square(path):
    """The bytes of a picture of 40x30 as it is taken."""
    with Image.open(path) as image:
        centre = np.asarray(image.crop((5, 0, 35, 30)))
    return area_means(centre.reshape(30, 30, -1).transpose(2, 0, 1), 32).tobytes()


def test_subfolders_train_and_test_are_the_splits(tmp_path):
    for seed in range(6):
        part = tmp_path / ("test" if seed < 2 else "train") / "class"
        part.mkdir(parents=True, exist_ok=True)
        picture(seed).save(part / f"{seed}.png")
    assert [len(load("folder", tmp_path, split)) for split in ("train", "test")] == [4, 2]
    assert square(tmp_path / "test" / "class" / "0.png") in rows(load("folder", tmp_path, "test"))
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


@pytest.mark.parametrize("split", ["train", "test"])
def test_digest_of_single_pictures_is_that_of_their_names_and_bytes(folder, split):
    """Runs are gone on with by it, so what it is may never change."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("[0-9]*"))
    order = np.random.RandomState(2020).permutation(20)
    expected = hashlib.sha256()
    for index in order[:18] if split == "train" else order[18:]:
        content = (folder / names[index]).read_bytes()
        expected.update(names[index].encode() + b"\0" + hashlib.sha256(content).digest())
    assert load("folder", folder, split).sha256 == expected.hexdigest()


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
    error = error_of("folder", folder)
    assert error.startswith(
        f"20 of 20 files in {folder} cannot be read: a/00.png (unpack requires a buffer of 4 bytes)"
    )


def test_all_broken_pictures_are_named_at_once(folder):
    """By their headers or by their pixels, in train or in test: a count and the first few."""
    broken = [folder / "a" / name for name in ("00.png", "04.png", "08.png", "12.png")]
    for path, length in zip(broken, (40, 1000, 0, 900)):
        path.write_bytes(path.read_bytes()[:length])
    for split in ("train", "test"):
        error = error_of("folder", folder, split)
        assert error.startswith(f"4 of 20 files in {folder} cannot be read: a/00.png (")
        assert "a/04.png (" in error and "a/08.png (" in error and "a/12.png" not in error
        assert error.endswith(", …; replace them or take them out")


def test_folder_without_enough_pictures(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"film")
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic")
    error = error_of("folder", tmp_path)
    assert "has no pictures in it; left out: not pictures 2 (a.heic, clip.mp4); expected PNG, JPEG, " in error
    picture(0).save(tmp_path / "only.png")
    assert error_of("folder", tmp_path).endswith("has 1 example in all; a train and a test split need at least 2")
    assert "only.png is a file; expected a folder" in error_of("folder", tmp_path / "only.png")


# What is said


def test_a_run_is_told_what_was_taken_and_what_was_not(folder):
    for split in ("train", "test"):
        assert load("folder", folder, split).notes[0] == (
            "folder:my pictures: 18 pictures to train on and 2 to test on; 32x32 colour, 2 classes (a, b); "
            "left out: hidden 1 (a/._00.png), not pictures 1 (notes.txt)"
        )
    assert load("folder", folder).notes[1:] == ("values 0 to 255 of 255, mean 127",)
    assert load("folder", folder, "test").notes[1:] == ()


def grey(value, path, size=(40, 40), dtype=np.uint8):
    return save(Image.fromarray(np.full(size, value, dtype)), path)


def test_dark_pale_and_constant_pictures_are_warned_of(tmp_path):
    for place, low, high, warning in (
        ("dark", 0, 15, "are nearly black, values from about 0 to 15 of 255: multiply their values by 17"),
        ("light", 240, 255, "are nearly white, values from about 240 to 255 of 255: stretch their contrast"),
        ("pale", 100, 130, "use a part of the range only, values from about 100 to 130 of 255: stretch their contrast"),
    ):
        for seed in range(4):
            pixels = np.random.default_rng(seed).integers(low, high + 1, (32, 32), dtype=np.uint8)
            save(Image.fromarray(pixels), tmp_path / place / f"{seed}.png")
        assert f"warning: half of the train images or more {warning}" in notes("folder", tmp_path / place)
    for seed in range(4):
        grey(77, tmp_path / "constant" / f"{seed}.png")
        save(picture(0), tmp_path / "same" / f"{seed}.png")
    assert "warning: every pixel of every train image is 77" in notes("folder", tmp_path / "constant")
    assert "warning: the train images are all nearly the same" in notes("folder", tmp_path / "same")


def test_pictures_that_are_mostly_black_are_not_warned_of(tmp_path):
    """A few white pixels on black, as of stars or digits, use the whole range."""
    for seed in range(6):
        pixels = np.zeros((64, 64), np.uint8)
        pixels[seed, 2 * seed] = 255
        save(Image.fromarray(pixels), tmp_path / f"{seed}.png")
    assert "warning" not in notes("folder", tmp_path)


# Splits and classes


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Val", "VALIDATION"])
def test_a_lone_folder_for_validation_is_for_testing(tmp_path, name):
    fill(tmp_path, ("train", 40), (name, 7))
    assert sizes("folder", tmp_path) == (40, 7)
    assert "40 pictures in train to train on and 7 in val to test on" in notes("folder", tmp_path)
    assert "left out" not in notes("folder", tmp_path)


def test_validation_beside_test_is_left_out_and_said_so(tmp_path):
    fill(tmp_path, ("train", 9), ("test", 4), ("val", 3), ("", 1))
    assert sizes("folder", tmp_path) == (9, 4)
    left_out = "left out: beside the splits 1 (0.png), in val 3 (val/0.png, val/1.png, val/2.png)"
    assert left_out in notes("folder", tmp_path)


@pytest.mark.parametrize("first", ["Train", "training", "TRAIN"])
@pytest.mark.parametrize("second", ["Test", "testing"])
def test_splits_go_by_other_names_too(tmp_path, first, second):
    fill(tmp_path, (first, 5), (second, 2))
    assert sizes("folder", tmp_path) == (5, 2)


@pytest.mark.parametrize(
    "parts",
    [
        [("set/train", 6), ("set/val", 2)],
        [("cats/train", 3), ("cats/val", 1), ("dogs/train", 3), ("dogs/val", 1)],
        [("a/b/train/x", 3), ("a/b/train/y", 3), ("a/b/test/x", 2)],
    ],
)
def test_splits_below_other_folders_are_understood_if_all_pictures_are_in_one(tmp_path, parts):
    fill(tmp_path, *parts)
    assert sizes("folder", tmp_path) == (6, 2)
    fill(tmp_path, ("more/pictures", 2))
    assert sizes("folder", tmp_path) == (9, 1)


@pytest.mark.parametrize("name", ["test", "val", "train"])
def test_a_split_without_its_like_is_said(tmp_path, name):
    fill(tmp_path, ("cats", 5), (name, 5))
    assert sizes("folder", tmp_path) == (9, 1)
    assert f"to test on (of all, {name} too: expected folders train and test)" in notes("folder", tmp_path)


def test_subfolders_are_classes(tmp_path):
    fill(tmp_path, ("train/dogs", 6), ("train/cats/young", 5), ("test/cats", 2), ("test/dogs", 1))
    train, test = load("folder", tmp_path), load("folder", tmp_path, "test")
    assert sorted(train.labels.tolist()) == [0] * 5 + [1] * 6
    assert sorted(test.labels.tolist()) == [0, 0, 1]
    assert "2 classes (cats, dogs)" in train.notes[0]
    cats = {square(tmp_path / "test" / "cats" / f"{seed}.png") for seed in range(2)}
    assert {image.numpy().tobytes() for image, label in zip(test.images, test.labels) if label == 0} == cats
    assert load("folder", tmp_path, size=3).labels.tolist() == train.labels[:3].tolist()


@pytest.mark.parametrize(
    "parts", [[("", 4)], [("all", 4)], [("a", 3), ("", 1)], [("a", 1), ("b", 1), ("c", 1)], [("train", 4), ("val", 2)]]
)
def test_folders_that_cannot_be_classes_are_none(tmp_path, parts):
    fill(tmp_path, *parts)
    assert load("folder", tmp_path).labels is None
    assert "no labels" in notes("folder", tmp_path)
