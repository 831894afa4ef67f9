import io

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from utils.figures import one_run as pictures
from utils.figures.charts import latent_histogram, scatter_panels, training_curves
from utils.figures.images import image_grid, image_panels, tile
from utils.figures.style import DPI
from vae.models import build_model
from vae.models.categorical import build_categorical_model
from vae.models.priors import SubspaceMixture


def pixels(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    buffer.seek(0)
    return imread(buffer)[..., :3]


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


def test_traversals_move_one_dimension_at_a_time():
    torch.manual_seed(0)
    model = build_model((1, 32, 32), latent_dim=2).eval()
    picture = pixels(pictures.traversals(model, 2, title="t"))
    z = torch.zeros(1, 2)
    z[0, 1] = -1.96  # second row, first column
    expected = model.decode(z)[0, 0].detach().numpy()
    top = 35 + 68
    assert np.abs(picture[top : top + 64 : 2, 110 : 110 + 64 : 2, 0] - expected).max() < 0.01


def test_traversals_of_a_model_with_classes_start_at_the_class_of_the_dimension():
    torch.manual_seed(0)
    model = build_categorical_model((1, 32, 32), SubspaceMixture(2, 1, 3.0)).eval()
    picture = pixels(pictures.traversals(model, 2, title="t"))
    with torch.inference_mode():
        expected = model.decode(torch.tensor([[0, 3 - 1.96]]))[0, 0].numpy()  # second row, first column
    top = 35 + 68
    assert np.abs(picture[top : top + 64 : 2, 110 : 110 + 64 : 2, 0] - expected).max() < 0.01


def test_a_model_with_classes_has_a_row_for_each(monkeypatch):
    torch.manual_seed(0)
    model = build_categorical_model((1, 32, 32), SubspaceMixture(3, 2, 3.0)).eval()
    shown = []
    monkeypatch.setattr(pictures, "image_grid", lambda images, **_: shown.append(torch.from_numpy(images)))
    torch.manual_seed(1)
    pictures.class_samples(model, title="t")
    pictures.interpolations(model, title="t")
    samples, interpolations = shown
    assert samples.shape == interpolations.shape == (3, 10, 1, 32, 32)
    torch.manual_seed(1)
    with torch.inference_mode():
        torch.testing.assert_close(samples[1], model.decode(model.prior.sample_each(10)[1]), rtol=1e-4, atol=1e-5)
        centroids = model.decode(model.prior.mean)
    for row in range(3):
        torch.testing.assert_close(interpolations[row, 0], centroids[row], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(interpolations[row, -1], centroids[(row + 1) % 3], rtol=1e-4, atol=1e-5)


def test_curves_have_a_panel_for_each_term_and_a_line_for_each_split():
    metrics = [
        {"epoch": epoch, "step": epoch, "split": split, "loss": 1 / epoch, "alpha": 0.1, "seconds": 1.0}
        for epoch in (1, 2, 3)
        for split in ("train", "test")
    ]
    figure = training_curves(metrics, title="t")
    assert [axes.get_title() for axes in figure.axes] == ["loss", "alpha"]
    assert [len(axes.lines) for axes in figure.axes] == [2, 2]
    assert figure.axes[0].lines[0].get_ydata().tolist() == [1, 1 / 2, 1 / 3]
    assert figure.dpi == DPI


def test_a_scatter_shows_every_point_of_its_class():
    points, labels = np.random.default_rng(0).random((20, 3)), np.arange(20) % 2
    figure = scatter_panels({"data": (points, labels), "samples": (points[:7], None)}, axis="x", title="t")
    by_class, all_of_them = figure.axes
    assert [collection.get_label() for collection in by_class.collections] == ["class 0", "class 1"]
    for label, collection in enumerate(by_class.collections):
        assert np.array_equal(collection.get_offsets(), points[labels == label, :2])
    assert np.array_equal(all_of_them.collections[0].get_offsets(), points[:7, :2])
    assert by_class.get_xlim() == all_of_them.get_xlim()


def test_a_histogram_counts_every_latent():
    z, labels = np.random.default_rng(0).standard_normal(50), np.arange(50) % 2
    axes = latent_histogram(z, labels, np.zeros(50), title="t").axes[0]
    heights = [sum(bar.get_height() for bar in container) for container in axes.containers]
    assert heights == [25, 25]
    assert {text.get_text() for text in axes.get_legend().get_texts()} == {"class 0", "class 1", "prior p(z)"}


@pytest.mark.parametrize(("latent_dim", "panels"), [(1, 1), (3, 2)])
def test_the_latent_space_is_a_histogram_of_one_dimension_and_points_of_more(latent_dim, panels):
    model = build_model((2,), latent_dim, "normal").eval()
    figure = pictures.latent_space(model, torch.randn(30, 2), np.zeros(30, dtype=int), title="t")
    assert len(figure.axes) == panels


def test_samples_of_vectors_have_the_noise_of_the_likelihood():
    model = build_model((2,), 1, "normal").eval()
    with torch.no_grad():
        model.decoder.layers[-1].weight.zero_()
        model.decoder.layers[-1].bias.copy_(torch.tensor([3.0, -1.0]))
        model.likelihood.log_sigma.fill_(-1.0)
    torch.manual_seed(0)
    drawn = pictures.vector_samples(model, torch.randn(2000, 2), title="t").axes[1].collections[0].get_offsets()
    assert np.abs(drawn.mean(0) - [3, -1]).max() < 0.05
    assert np.abs(drawn.std(0) - np.exp(-1)).max() < 0.05


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
