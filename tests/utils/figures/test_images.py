import numpy as np
import pytest

from pictures import pixels
from utils.figures.images import image_grid, image_panels, tile
from utils.figures.style import DPI


@pytest.mark.parametrize("channels", [1, 3])
def test_a_grid_shows_every_image_in_its_place(channels):
    images = np.random.default_rng(0).random((2, 3, channels, 4, 4), dtype=np.float32)
    canvas = tile(images, gap=2).reshape(10, 16, -1)
    for row in range(2):
        for column in range(3):
            part = canvas[6 * row : 6 * row + 4, 6 * column : 6 * column + 4]
            assert np.array_equal(part, images[row, column].transpose(1, 2, 0))
    assert (canvas[4:6] == 0.5).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_keeps_every_pixel(channels):
    """The first image, 32x32, is drawn at twice its size, below the title and right of the labels, top row up."""
    images = np.random.default_rng(0).random((1, 2, channels, 32, 32), dtype=np.float32)
    picture = pixels(image_grid(images, title="title", row_labels=["row"], column_labels=["a", "b"]))
    shown = picture[35 : 35 + 64 : 2, 110 : 110 + 64 : 2]
    expected = np.broadcast_to(images[0, 0].transpose(1, 2, 0), (32, 32, 3))
    assert np.abs(shown - expected).max() < 0.01
    assert picture.shape[:2] == (35 + 64 + 30, 110 + 132 + 10)
    assert picture[:35].min() < 0.5, "the title is there"
    assert picture[35:99, :110].min() < 0.5, "the row's label is there"


def test_panels_of_images_keep_their_pixels_and_labels():
    rng = np.random.default_rng(0)
    first, second = rng.random((3, 4, 1, 64, 64)), rng.random((2, 2, 3, 64, 64))
    panels = {"KL": (first, ["a", "$z_{10}$", "a longer label"]), "MMD": (second, [])}
    figure = image_panels(panels, title="mnist, bernoulli")
    for axes, title, images in zip(figure.axes, ("KL", "MMD"), (first, second)):
        assert axes.get_title() == title
        assert np.array_equal(axes.images[0].get_array(), tile(images, gap=2))
        width, height = (axes.get_position().size * figure.get_size_inches() * DPI).round(6)
        rows, columns = images.shape[:2]
        assert (width, height) == (66 * columns - 2, 66 * rows - 2), "a pixel is a pixel"
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["a", "$z_{10}$", "a longer label"]
    figure.draw_without_rendering()
    places = [axes.get_tightbbox() for axes in figure.axes]
    assert places[0].x0 >= 0 and places[0].x1 < places[1].x0
    (title,) = figure.texts
    assert title.get_text() == "mnist, bernoulli"
    assert max(place.y1 for place in places) <= title.get_window_extent().y0 < figure.bbox.y1


def test_small_images_in_panels_are_enlarged_by_a_whole_number():
    figure = image_panels({"": (np.zeros((1, 1, 1, 24, 24)), [])}, title="")
    assert figure.axes[0].images[0].get_array().shape == (72, 72)
