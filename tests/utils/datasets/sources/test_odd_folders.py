"""`folder:PATH`: which files of a folder are taken as pictures, and what becomes of odd ones."""

import os
import warnings

import numpy as np
import pytest
from PIL import Image, features
from PIL.PngImagePlugin import PngInfo

from own_data import error_of, fill, load, notes, picture, rows, save, sizes
from utils.datasets import DatasetError, load_dataset
from utils.datasets.files import listing

NEEDS_AVIF = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")

# Links, endings and other files


def test_a_link_to_a_folder_is_followed(tmp_path):
    fill(tmp_path, ("set/cats", 20), ("elsewhere", 20))
    (tmp_path / "set" / "dogs").symlink_to(tmp_path / "elsewhere")
    save(picture(99), tmp_path / "set" / "cats" / "x.jfif", "jpeg")
    assert sizes("folder", tmp_path / "set") == (36, 5)
    assert "36 pictures to train on and 5 to test on" in notes("folder", tmp_path / "set")


def test_links_end_and_each_folder_is_taken_once(tmp_path):
    root = fill(tmp_path / "set", ("a", 4), ("b", 4))
    fill(tmp_path, ("beside", 3))
    upward = {"a/up": "..", "loop": ".", "b/a": "../a", "out": "../..", "z": "/"}
    for link, target in {**upward, "self": "self", "gone": "no"}.items():
        (root / link).symlink_to(target)
    (root / "one.png").symlink_to("a/0.png")
    assert sizes("folder", root) == (8, 1)
    text = notes("folder", root)
    assert "links to folders above or listed already 5 (loop, out, z, …)" in text
    assert "links to nowhere 2 (gone, self)" in text


def test_pipes_and_sockets_are_never_opened(tmp_path):
    root = fill(tmp_path / "set", ("", 4))
    os.mkfifo(root / "pipe.png")
    (root / "zero.png").symlink_to("/dev/zero")
    assert sizes("folder", root) == (3, 1)
    assert "left out: devices, pipes or sockets 2 (pipe.png, zero.png)" in notes("folder", root)


def test_an_unreadable_subfolder_is_said(tmp_path, monkeypatch):
    root = fill(tmp_path / "set", ("a", 4), ("private", 3))
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("private"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(listing.os, "scandir", refuse)  # permissions do not bind whoever runs tests as root
    assert sizes("folder", root) == (3, 1)
    assert "left out: unreadable folders 1 (private)" in notes("folder", root)


@pytest.mark.parametrize("place", ["/", "/proc", "/sys/kernel"])
def test_folders_of_the_system_are_refused_unread(place):
    with pytest.raises(DatasetError, match=f"^{place} belongs to the system; expected a folder of pictures"):
        load_dataset(f"folder:{place}", "train", ".")


def test_a_way_to_the_root_is_refused(tmp_path):
    (tmp_path / "link").symlink_to("/")
    for path in ("link", "../" * 40):
        with pytest.raises(DatasetError, match="belongs to the system"):
            load_dataset(f"folder:{tmp_path}/{path}", "train", ".")


def test_more_files_than_a_set_has_are_refused(tmp_path, monkeypatch):
    fill(tmp_path, ("a", 4), ("b", 4))
    monkeypatch.setattr(listing, "MOST_ENTRIES", 9)
    error = error_of("folder", tmp_path)
    assert "holds more than 9 files and folders; expected a folder of pictures: name the one that they are in" in error


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("x.jfif", "jpeg"),
        ("x.jpe", "jpeg"),
        ("x.JPG.png", "jpeg"),
        ("x.jpg.1", "png"),
        ("x", "png"),
        ("y", "tiff"),
        ("x.dat", "webp"),
        ("x.txt", "gif"),
        ("x.jpg~", "jpeg"),
        ("x.pbm", "ppm"),
        pytest.param("x.avif", "avif", marks=NEEDS_AVIF),
        pytest.param("z", "avif", marks=NEEDS_AVIF),
    ],
)
def test_pictures_are_told_by_what_they_begin_with(tmp_path, name, form):
    root = fill(tmp_path / "set", ("", 4))
    save(picture(9, mode="L"), root / name, form)
    assert sizes("folder", root) == (4, 1)


@pytest.mark.parametrize(
    ("name", "form"), [("raw.nef", "tiff"), ("scan.svs", "tiff"), ("x.bin", "ppm"), ("x.ps", "eps"), ("x.ico", "ico")]
)
def test_what_only_begins_like_a_picture_is_left_out_and_said_so(tmp_path, name, form):
    root = fill(tmp_path / "set", ("", 4))
    save(picture(9), root / name, form)
    assert sizes("folder", root) == (3, 1)
    assert f"left out: not pictures 1 ({name})" in notes("folder", root)


# Depths, stacks, profiles


def deep(root, highest, form="tif", count=20, size=(64, 64)):
    """Pictures of 16 bits, and what they hold."""
    random = np.random.default_rng(highest)
    pixels = [random.integers(0, highest + 1, size, dtype=np.uint16) for _ in range(count)]
    pixels[0][0, 0] = highest
    for number, values in enumerate(pixels):
        save(Image.fromarray(values), root / f"{number}.{form}")
    return pixels


@pytest.mark.parametrize("form", ["tif", "png"])
@pytest.mark.parametrize(("highest", "bits"), [(4095, 12), (1023, 10), (9000, 14), (255, 8), (2100, 12)])
def test_white_is_the_greatest_value_of_the_bits_that_are_used(tmp_path, highest, bits, form):
    pixels = deep(tmp_path, highest, form)
    white = 2**bits - 1
    images = rows(load("folder", tmp_path)) | rows(load("folder", tmp_path, "test"))
    assert images == {(values.astype(int) * 255 // white).astype(np.uint8).tobytes() for values in pixels}
    assert f"16 bits are stored and {bits} used: {white:,} is white" in notes("folder", tmp_path)


@pytest.mark.parametrize("highest", [65_535, 20_000])
def test_pictures_of_16_bits_are_as_before(tmp_path, highest):
    pixels = deep(tmp_path, highest)
    images = rows(load("folder", tmp_path)) | rows(load("folder", tmp_path, "test"))
    assert images == {(values // 257).astype(np.uint8).tobytes() for values in pixels}
    assert "16 bits" not in notes("folder", tmp_path)


def test_white_is_the_same_for_both_splits_and_any_size_and_counts_in_the_digest(tmp_path):
    deep(tmp_path, 4095)
    before = load("folder", tmp_path).sha256
    assert np.array_equal(load("folder", tmp_path, size=2).images, load("folder", tmp_path).images[:2])
    file = sorted(tmp_path.iterdir())[0]
    held = {split: rows(load("folder", tmp_path, split)) for split in ("train", "test")}
    content = file.read_bytes()
    Image.fromarray(np.full((64, 64), 65_535, np.uint16)).save(file)
    darker = load("folder", tmp_path)
    assert all(np.frombuffer(image, np.uint8).max() in (15, 255) for image in rows(darker))
    assert len(rows(darker) & held["train"]) == 0
    file.write_bytes(content)
    assert load("folder", tmp_path).sha256 == before != darker.sha256


def stack(path, count, form="tiff", size=(64, 64), **options):
    pages = [picture(seed, size, "L") for seed in range(count)]
    save(pages[0], path, form, save_all=True, append_images=pages[1:], **options)
    return {np.asarray(page).tobytes() for page in pages}


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate"])
def test_every_page_of_a_stack_is_a_picture(tmp_path, compression):
    pages = stack(tmp_path / "stack.tif", 10, compression=compression)
    train, test = load("folder", tmp_path), load("folder", tmp_path, "test")
    assert (len(train), len(test)) == (9, 1)
    assert rows(train) | rows(test) == pages
    assert "10 pages of 1 stack among them" in train.notes[0]
    assert np.array_equal(load("folder", tmp_path, size=4).images, train.images[:4])


def test_stacks_and_single_pictures_go_together(tmp_path):
    pages = stack(tmp_path / "train" / "stack.tif", 5) | stack(tmp_path / "train" / "other.tif", 4)
    save(picture(77, (64, 64), "L"), tmp_path / "train" / "single.png")
    stack(tmp_path / "test" / "stack.tif", 3)
    assert sizes("folder", tmp_path) == (10, 3)
    assert pages < rows(load("folder", tmp_path))


def test_a_smaller_copy_in_a_picture_is_no_page(tmp_path):
    for number in range(3):
        image, copy = picture(number, (64, 64), "L"), picture(number, (16, 16), "L")
        copy.encoderinfo = {"tiffinfo": {254: 1}}
        save(image, tmp_path / f"{number}.tif", save_all=True, append_images=[copy])
    assert sizes("folder", tmp_path) == (2, 1)
    assert load("folder", tmp_path).image_shape == (1, 64, 64)


@pytest.mark.parametrize("form", ["gif", "webp", "png"])
def test_of_what_moves_the_first_picture_is_taken_and_that_is_said(tmp_path, form):
    fill(tmp_path, ("", 4))
    stack(tmp_path / f"moving.{form}", 3, form)
    assert sizes("folder", tmp_path) == (4, 1)
    assert "; the first picture only of 1 animation" in notes("folder", tmp_path)


def remark(kind):
    """What is to be saved with a picture: a colour profile or texts that Pillow does not read."""
    if kind == "profile":
        return {"icc_profile": bytes(2 << 20)}
    info = PngInfo()
    if kind == "texts":
        for number in range(70):
            info.add_text(f"text {number}", "x" * (1 << 20))
    else:
        info.add_text("comment", "x" * (2 << 20), zip=kind == "packed text")
    return {"pnginfo": info}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["profile", "packed text", "text", "texts"])
def test_a_picture_is_taken_whatever_is_written_beside_its_pixels(tmp_path, kind):
    fill(tmp_path, ("", 19))
    save(picture(99, (32, 32), "L"), tmp_path / "large.png", **remark(kind))
    assert sizes("folder", tmp_path) == (18, 2)
    images = rows(load("folder", tmp_path)) | rows(load("folder", tmp_path, "test"))
    assert np.asarray(picture(99, (32, 32), "L")).tobytes() in images


def test_odd_metadata_say_nothing_on_standard_error(tmp_path, capfd):
    """Neither Pillow's warnings nor what libtiff writes by itself."""
    fill(tmp_path, ("", 4))
    content = bytearray(save(picture(5), tmp_path / "x.tif", compression="tiff_adobe_deflate").read_bytes())
    content[20:60] = bytes(40)
    (tmp_path / "x.tif").write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert error_of("folder", tmp_path).startswith(f"{tmp_path / 'x.tif'} cannot be read (")
    assert capfd.readouterr() == ("", "")


def test_names_cannot_write_to_the_terminal(tmp_path):
    (tmp_path / "a\x1b[2J.png").write_bytes(b"x")
    (tmp_path / "b\udce9.png").write_bytes(b"x")
    error = error_of("folder", tmp_path)
    assert error.isprintable() and "a\\x1b[2J.png" in error and "b\\xe9.png" in error


def test_pictures_are_read_without_a_standard_error(tmp_path, monkeypatch):
    fill(tmp_path, ("", 4))
    monkeypatch.setattr("sys.stderr", None)
    monkeypatch.setattr("sys.__stderr__", None)
    assert sizes("folder", tmp_path) == (3, 1)
