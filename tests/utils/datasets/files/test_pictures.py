import io

import numpy as np
import pytest
from PIL import Image

from utils.datasets.files import pictures
from utils.datasets.files.pictures import area_means, open_picture, square


def opened(picture, name, **options):
    """The picture, written to a file and opened."""
    file = io.BytesIO()
    picture.save(file, name, **options)
    return open_picture(file, (name,))


def test_transparent_parts_show_white_in_16_bits_too(tmp_path):
    pixels = np.full((32, 32), 2570, np.uint16)
    pixels[:, :16] = 32768
    Image.fromarray(pixels).save(tmp_path / "a.png", transparency=2570)
    with Image.open(tmp_path / "a.png") as picture:
        shown = square(picture, 32, grey=True)
    assert np.unique(shown[0, :, 16:]) == [255] and np.unique(shown[0, :, :16]) == [127]


@pytest.mark.parametrize("name", ["PNG", "TIFF", "PPM"])
def test_16_bits_become_8(name):
    pixels = (np.arange(32 * 32, dtype=np.uint16) * 64).reshape(32, 32)
    assert np.array_equal(square(opened(Image.fromarray(pixels), name), 32, grey=True)[0], pixels // 257)


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_32_bits_have_no_white_and_are_refused(kind):
    picture = opened(Image.fromarray(np.full((32, 32), 1000, dtype=kind)), "TIFF")
    with pytest.raises(ValueError, match="a pixel has 32 bits; expected 8 or 16"):
        square(picture, 32, grey=True)


@pytest.mark.parametrize(("mode", "clear"), [("RGBA", (9, 9, 9, 0)), ("LA", (9, 0)), ("P", 0), ("RGB", (0, 0, 0))])
def test_transparent_parts_are_white(mode, clear):
    options = {"transparency": clear} if mode in ("P", "RGB") else {}
    picture = opened(Image.new(mode, (32, 32), clear), "PNG", **options)
    assert np.unique(square(picture, 32, grey=False)).tolist() == [255]


@pytest.mark.parametrize("size", [(9000, 8000), (10_000, 10_000)])
def test_huge_pictures_are_refused_unread(size):
    file = io.BytesIO()
    Image.new("1", size).save(file, "png")
    with pytest.raises(ValueError, match="it has {}x{} pixels; expected at most 64,000,000 in all".format(*size)):
        open_picture(file, ("PNG",))


@pytest.mark.parametrize("rows", [1, 7, 100])
def test_means_do_not_depend_on_the_rows_summed_at_once(monkeypatch, rows):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 100, 100), dtype=np.uint8)
    expected = area_means(pixels, 64)
    monkeypatch.setattr(pictures, "BLOCK_ROWS", rows)
    assert np.array_equal(area_means(pixels, 64), expected)
