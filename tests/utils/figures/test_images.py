import numpy as np
import pytest
from matplotlib.colors import to_rgb

from pictures import pixels
from utils.figures.images import GAP, Tiles, image_grid, image_panels, tile
from utils.figures.style import BETWEEN


@pytest.mark.parametrize("channels", [1, 3])
def test_a_grid_shows_every_image_in_its_place(channels):
    images = np.random.default_rng(0).random((2, 3, channels, 4, 4), dtype=np.float32)
    canvas = tile(images, zoom=2)
    assert canvas.shape == (2 * 8 + GAP, 3 * 8 + 2 * GAP, 3)
    for row in range(2):
        for column in range(3):
            top, left = (8 + GAP) * row, (8 + GAP) * column
            part = canvas[top : top + 8 : 2, left : left + 8 : 2]
            assert np.array_equal(part, np.broadcast_to(images[row, column].transpose(1, 2, 0), part.shape))
            assert np.array_equal(part, canvas[top + 1 : top + 8 : 2, left + 1 : left + 8 : 2])


def test_what_is_between_images_is_no_grey():
    canvas = tile(np.zeros((2, 1, 1, 4, 4), dtype=np.float32))
    assert canvas[4 : 4 + GAP] == pytest.approx(np.broadcast_to(to_rgb(BETWEEN), (GAP, 4, 3)))
    assert len(set(to_rgb(BETWEEN))) == 3


def find(picture, part):
    """Where in a picture a part of it begins: rows and columns from its upper left corner."""
    height, width = part.shape[:2]
    windows = np.lib.stride_tricks.sliding_window_view(picture, (height, width, 3))[:, :, 0]
    corners = np.argwhere((np.abs(windows[:, :, 0, 0] - part[0, 0]) < 0.01).all(-1))
    return np.array([corner for corner in corners if (np.abs(windows[tuple(corner)] - part) < 0.01).all()])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_keeps_every_pixel(channels):
    """Images of 32x32 are three times as large, below titles and right of labels, the uppermost row first."""
    images = np.random.default_rng(0).random((1, 2, channels, 32, 32), dtype=np.float32)
    picture = pixels(image_grid(images, title="t", subtitle="s", row_labels=["row"], column_labels=["a", "b"]))
    canvas = tile(images, zoom=3)
    ((top, left),) = find(picture, canvas[:20, :20])
    shown = picture[top : top + len(canvas), left : left + canvas.shape[1]]
    assert np.abs(shown - canvas).max() < 0.01
    for beside in (picture[:top], picture[top : top + 96, :left], picture[top + 96 :]):
        assert beside.min() < 0.5, "titles are above, labels at the left and below"


def test_panels_stand_beside_each_other_with_their_names_and_labels():
    rng = np.random.default_rng(0)
    first, second = (rng.random(shape).astype(np.float32) for shape in ((3, 4, 1, 64, 64), (2, 2, 3, 64, 64)))
    panels = [Tiles(first, "KL", ["a", "z₁₀", "a longer label"]), Tiles(second, "MMD")]
    figure = image_panels(panels, title="latents", subtitle="mnist, bernoulli")
    picture = pixels(figure)
    places = [find(picture, tile(panel.images, zoom=2)[:16, :16])[0] for panel in panels]
    assert places[0][0] == places[1][0] and places[0][1] + 4 * (128 + GAP) < places[1][1]
    texts = {text.get_text(): text.get_window_extent() for text in figure.texts}
    height = picture.shape[0]
    assert all(min(box.x0, box.y0) >= 0 and box.x1 <= picture.shape[1] for box in texts.values())
    assert texts["a longer label"].x1 <= places[0][1] and texts["MMD"].x0 == pytest.approx(places[1][1], abs=2)
    assert height - texts["MMD"].y0 <= places[1][0]
    assert texts["latents"].y0 >= texts["mnist, bernoulli"].y1 >= texts["KL"].y1


def test_a_picture_is_wide_enough_for_its_title():
    figure = image_grid(np.zeros((1, 1, 1, 32, 32), np.float32), title="a title that is wider than one small image")
    figure.draw_without_rendering()
    assert figure.texts[0].get_window_extent().x1 <= figure.bbox.x1
