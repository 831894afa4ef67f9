import numpy as np
import pytest
from matplotlib.colors import to_hex

from utils.figures.charts import (
    HOW_EVALUATED,
    Plane,
    View,
    density_panels,
    histograms,
    overlaid_curves,
    scatter_views,
    training_curves,
)
from utils.figures.style import CLASS_COLORS, DPI, SOFT, SPLIT_COLORS, class_colors


def records(split, epochs=3, **values):
    """Lines of metrics, with these values at the first epoch and ever smaller ones."""
    return [
        {"split": split, "epoch": epoch, "step": epoch, "seconds": 1.0, **{k: v / epoch for k, v in values.items()}}
        for epoch in range(1, epochs + 1)
    ]


def test_curves_have_a_panel_per_term_with_the_names_that_people_use():
    metrics = records("train", loss=1.0, kl_to_prior=0.5) + records("test", loss=2.0, kl_to_prior=0.5)
    figure = training_curves(metrics, about="a")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["loss", "KL of p and N, weight α"]
    assert [len(axes.lines) for axes in figure.axes] == [2, 2]
    assert figure.axes[0].lines[0].get_ydata().tolist() == [1, 1 / 2, 1 / 3]
    assert figure.dpi == DPI
    assert "a" in [text.get_text() for text in figure.texts]


def test_the_colour_of_a_curve_tells_its_split_also_where_there_is_test_only():
    figure = training_curves(records("train", loss=1.0) + records("test", loss=2.0, elbo=-1.0), about="a")
    loss, elbo = figure.axes[:2]
    assert [line.get_color() for line in loss.lines] == [SPLIT_COLORS["train"], SPLIT_COLORS["test"]]
    assert [line.get_color() for line in elbo.lines] == [SPLIT_COLORS["test"]]


def test_whole_numbers_and_epochs_have_whole_ticks():
    metrics = [{"split": "test", "epoch": epoch, "active_units": 8 + epoch} for epoch in (1, 2)]
    (axes,) = training_curves(metrics, about="a").axes
    for axis in (axes.xaxis, axes.yaxis):
        low, high = axis.get_view_interval()
        ticks = [tick for tick in axis.get_majorticklocs() if low <= tick <= high]
        assert ticks and all(tick == int(tick) for tick in ticks)


def points_of(axes):
    """The points of each class in a cloud, by what the legend calls it."""
    return {cloud.get_label(): np.asarray(cloud.get_offsets()) for cloud in axes.collections}


def test_a_cloud_shows_every_point_of_its_class_before_those_of_the_prior():
    rng = np.random.default_rng(0)
    points, prior, labels = rng.random((20, 2)), rng.random((7, 2)), np.arange(20) % 2
    views = [
        View(points, prior, ("x", "y")),
        View(points, np.empty((0, 2)), ("x", "y"), "samples", "q(z)", classless=True),
    ]
    figure = scatter_views(views, {"class": labels}, title="t")
    by_class, all_of_them = map(points_of, figure.axes)
    assert list(by_class) == ["prior p(z)", "class 0", "class 1"]
    assert np.array_equal(by_class["prior p(z)"], prior)
    for label in range(2):
        assert np.array_equal(by_class[f"class {label}"], points[labels == label])
    assert np.array_equal(all_of_them["q(z)"], points)


def test_several_factors_have_a_column_each_and_those_of_many_values_a_scale():
    rng = np.random.default_rng(0)
    views = [View(rng.random((40, 2)), rng.random((5, 2)), ("x", "y")) for _ in range(2)]
    classes = {"shape": np.arange(40) % 3, "orientation": np.arange(40)}
    axes = np.reshape(scatter_views(views, classes, title="t").axes, (2, 2))
    assert [panel.get_title(loc="left") for panel in axes[0]] == ["shape", "orientation"]
    for panel in axes[:, 1]:
        assert np.array_equal(panel.collections[-1].get_array(), np.arange(40))
    assert [text.get_text() for text in axes[0, 0].get_legend().get_texts()] == ["0", "1", "2"]


def test_more_than_ten_classes_are_on_a_scale_that_is_told_and_those_without_a_label_are_not_on_it():
    rng = np.random.default_rng(0)
    points, labels = rng.random((24, 2)), np.arange(24) % 12
    view = View(points, np.empty((0, 2)), ("x", "y"))
    figure = scatter_views([view], {"class": np.r_[labels[:22], -1, -1]}, title="")
    (axes,) = figure.axes
    without, scale = axes.collections
    assert np.array_equal(scale.get_array(), labels[:22]) and np.array_equal(scale.get_offsets(), points[:22])
    assert np.array_equal(without.get_offsets(), points[22:]) and to_hex(without.get_facecolor()[0]) == SOFT.lower()
    assert [text.get_text() for text in axes.texts] == ["least dark, most light"]
    ten = scatter_views([view], {"class": np.arange(24) % 11 - 1}, title="")
    assert [text.get_text() for text in ten.legends[0].get_texts()] == ["no label", *(f"class {n}" for n in range(10))]


def test_no_two_classes_have_a_colour():
    for count in (0, 1, 10, 11, 26, 100):
        assert len(class_colors(count)) == len(set(class_colors(count))) == count
    assert class_colors(10) == list(CLASS_COLORS)


def test_curves_of_several_runs_are_of_one_split_that_is_told():
    both = [*records("train", squared_error=9.0), *records("validation", squared_error=8.0)]
    tested = [*both, *records("test", squared_error=7.0)]
    for metrics, split, first in (([both, both], "train", 9), ([tested, both], "train", 9), ([tested] * 2, "test", 7)):
        figure = overlaid_curves({"a $5$ b": metrics[0], "c": metrics[1]}, {"a $5$ b": "red", "c": "blue"})
        for line in figure.axes[0].lines:
            assert list(line.get_xdata()) == [1, 2, 3] and line.get_ydata()[0] == first
        assert figure.legends[0].get_title().get_text() == HOW_EVALUATED[split]
        figure.draw_without_rendering()
        assert figure.axes[0].lines[0].get_label() == r"a \$5\$ b"


def test_a_plane_is_drawn_with_the_latents_of_its_images():
    canvas = np.random.default_rng(0).random((30, 30, 3))
    plane = Plane(canvas, np.array([-1.0, 0.0, 1.0]), np.array([2.0, 0.0, -2.0]))
    figure = scatter_views(
        [View(np.zeros((3, 2)), np.zeros((3, 2)), ("x", "y"), what="dots")], {}, plane=plane, title="t"
    )
    axes = figure.axes[-1]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["prior p(z)", "dots"]
    assert np.array_equal(axes.images[0].get_array(), canvas)
    assert list(zip(axes.get_yticks(), (text.get_text() for text in axes.get_yticklabels()))) == [
        (5, "2.0"),
        (15, "0.0"),
        (25, "-2.0"),
    ]


@pytest.mark.parametrize("count", [2, 3, 15])
def test_a_plane_tells_the_latents_at_both_of_its_ends(count):
    z = np.linspace(-1, 1, count)
    plane = Plane(np.zeros((30, 30, 3)), z, -z)
    axes = scatter_views([View(np.zeros((3, 2)), np.zeros((3, 2)), ("x", "y"))], {}, plane=plane, title="t").axes[-1]
    texts = [text.get_text() for text in axes.get_xticklabels()]
    assert (texts[0], texts[-1]) == ("-1.0", "1.0")


def test_clouds_with_the_same_axes_have_the_same_scale():
    far, near = np.array([[-3.0, -2.0], [3.0, 2.0]]), np.zeros((2, 2))
    views = [View(far, near[:0], ("x", "y"), "data"), View(near, near[:0], ("x", "y"), "samples")]
    figure = scatter_views(views, {}, title="t")
    figure.draw_without_rendering()
    first, second = figure.axes
    assert first.get_xlim() == pytest.approx(second.get_xlim()) and first.get_ylim() == pytest.approx(second.get_ylim())


def test_points_without_a_class_and_a_name_have_no_legend():
    views = [View(np.zeros((3, 2)), np.empty((0, 2)), ("x", "y"), "data")]
    assert not scatter_views(views, {}, title="t").legends


def test_a_title_fits_into_a_figure_of_one_small_panel():
    title, about = "The marginals of aggregate posterior and prior", "words about the run, " * 8
    figure = density_panels({"a": (np.arange(50.0), np.arange(50.0))}, title=title, about=about)
    figure.draw_without_rendering()
    ends = [text.get_window_extent().x1 for text in figure.texts]
    assert len(ends) == 2 and max(ends) < figure.bbox.x1


def test_a_histogram_counts_every_latent():
    z, labels = np.random.default_rng(0).standard_normal(50), np.arange(50) % 2
    figure = histograms(z, labels, np.zeros(50), what="q(z)", title="t")
    heights = [sum(bar.get_height() for bar in container) for container in figure.axes[0].containers]
    assert heights == [25, 25]
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {"class 0", "class 1", "prior p(z)"}


def test_every_class_of_a_histogram_has_a_colour_of_its_own():
    labels = np.arange(60) % 13 - 1
    figure = histograms(np.linspace(-1, 1, 60), labels, np.zeros(5), what="q(z)", title="t")
    colors = [to_hex(bars[0].get_facecolor()) for bars in figure.axes[0].containers]
    assert len(set(colors)) == 13 and colors[0] == SOFT.lower()


def test_marginals_are_densities():
    rng = np.random.default_rng(0)
    panels = {name: (rng.standard_normal(500), rng.standard_normal(900)) for name in "abcdefg"}
    figure = density_panels(panels, title="t", about="a")
    shown = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title(loc="left") for axes in shown] == list("abcdefg")
    for axes in shown:
        x, y = axes.patches[0].get_xy().T
        assert abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2 == pytest.approx(1, abs=0.02)  # the area within it


def test_curves_have_their_room_however_long_the_names_of_the_runs_are():
    names = [f"KL {', '.join(f'a-setting-{number} = default' for number in range(12))} {run}" for run in range(5)]
    figure = overlaid_curves({name: records("train", squared_error=9.0) for name in names}, dict.fromkeys(names, "red"))
    figure.draw_without_rendering()
    (axes,), (legend,) = figure.axes, figure.legends
    width, _ = figure.canvas.get_width_height()
    assert axes.get_window_extent().width > 0.7 * width and axes.get_window_extent().height > 150
    box = legend.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 < axes.get_window_extent().y0
