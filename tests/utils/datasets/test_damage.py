"""Whatever happens to a file, its data are taken or refused in one line, and nothing else is said."""

import io

import numpy as np
import pytest
from PIL import features

from own_data import picture
from utils.datasets import DatasetError, load_dataset

DAMAGES = 30  # of each form


def encoded(form, mode="RGB", **options):
    file = io.BytesIO()
    picture(0, (24, 20), mode).save(file, form, **options)
    return file.getvalue()


def archive(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


PAGES = {"save_all": True, "append_images": [picture(1, (24, 20), "L")] * 2}
PIXELS, POINTS = np.random.default_rng(0).integers(0, 256, (9, 28, 28), dtype=np.uint8), np.ones((9, 3)) / 3
FILES = {
    "a.png": encoded("png", icc_profile=bytes(2 << 20)),
    "a.jpg": encoded("jpeg"),
    "a.gif": encoded("gif", "L", **PAGES),
    "a.bmp": encoded("bmp"),
    "a.webp": encoded("webp"),
    "a.tif": encoded("tiff", "L", **PAGES),
    "packed.tif": encoded("tiff", compression="tiff_adobe_deflate"),
    "a.ppm": encoded("ppm"),
    "images.npz": archive(images=PIXELS, labels=np.arange(9), test_images=PIXELS[:2]),
    "vectors.npz": archive(x_train=POINTS, y_train=np.array(["a", "b", "c"] * 3)),
}
if features.check("avif"):
    FILES["a.avif"] = encoded("avif")


def damaged(content, random):
    """Some content cut short, with a bit turned over, or with zeros or noise in it; near its beginning as a rule."""
    content = bytearray(content)
    place = int(random.exponential(60)) if random.random() < 0.7 else random.integers(len(content))
    place = min(place, len(content) - 1)
    how = random.integers(5)
    if how == 0:
        del content[place:]
    elif how < 3:
        content[place] ^= 1 << random.integers(8)
    elif how == 3:
        content[place : place + 40] = bytes(len(content[place : place + 40]))
    else:
        content[place:place] = random.bytes(9)
    return bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_damage_is_told_in_one_line_or_does_no_harm(tmp_path, capfd, name):
    random = np.random.default_rng(list(name.encode()))
    kind = "npz" if name.endswith("npz") else "folder"
    for seed in range(3):
        picture(seed).save(tmp_path / f"{seed}.png")
    for _ in range(DAMAGES):
        (tmp_path / name).write_bytes(damaged(FILES[name], random))
        for split in ("train", "test"):
            try:
                load_dataset(f"{kind}:{tmp_path / name if kind == 'npz' else tmp_path}", split, tmp_path)
            except DatasetError as error:
                assert str(error).isprintable()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "gif", "webp", "ppm", "bin", "txt", ""])
def test_renamed_files_are_told_in_one_line_or_do_no_harm(tmp_path, capfd, ending):
    for seed in range(3):
        picture(seed).save(tmp_path / f"{seed}.png")
    for name, content in FILES.items():
        (tmp_path / f"a.{ending}".rstrip(".")).write_bytes(content)
        try:
            images = load_dataset(f"folder:{tmp_path}", "train", tmp_path).images
            assert images.shape[1:] == (3, 32, 32)
        except DatasetError as error:
            assert name.endswith("npz") and str(error).endswith("replace it or take it out of the folder")
    assert capfd.readouterr() == ("", "")
