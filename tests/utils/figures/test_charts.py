import numpy as np

from utils.figures.charts import latent_histogram, scatter_panels, training_curves
from utils.figures.style import DPI


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
