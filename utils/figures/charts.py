"""Charts of arrays: curves of training, clouds of points, histograms. Nothing here knows of models."""

from collections.abc import Iterable, Sequence
from textwrap import fill
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from utils.figures.style import (
    CLASS_COLORS,
    DPI,
    INK,
    LINES,
    ORDERED,
    SOFT,
    SPLIT_COLORS,
    TITLE_SIZE,
    class_colors,
    latent_name,
    text_width,
)
from utils.results.labels import term_name, without_mathematics
from utils.runs.folder import BOOKKEEPING

OVERLAID = ("squared_error", "reconstruction", "divergence")  # terms in which runs are compared
PRIOR_COLOR = "#d3d9e2"
LETTERS, LEGEND_LINE = 13, 0.17  # of legends: how many an inch has at least, and how many inches a line has
MARGIN = 10  # at the left of a heading, in points
FEW_CLASSES = 4  # of a factor, that a small panel has room to name
NO_LABEL = "no label"
AGGREGATE_COLOR = "#0072b2"
HOW_EVALUATED = {"train": "train, z sampled", "test": "test, z = posterior mean"}
HOW_EVALUATED["validation"] = "validation, z = posterior mean"
CURVES = {**LINES, "validation": ":"}


class View(NamedTuple):
    """A cloud of points before another."""

    points: np.ndarray  # (N, 2)
    behind: np.ndarray  # (M, 2), draws of the prior
    axes: tuple[str, str]  # what they are called
    name: str = ""
    what: str | None = None  # what a legend calls points that have no class; None: nothing
    classless: bool = False  # True: the points have no class, whatever the others have


class Plane(NamedTuple):
    """Images decoded from the points of a plane."""

    canvas: np.ndarray  # (height, width, 3)
    x: np.ndarray  # z_1 of each column
    y: np.ndarray  # z_2 of each row, the uppermost first


def heading(figure: Figure, title: str, about: str = "") -> None:
    """Write the title of a figure at its upper left, and below it in grey what it is about; all else is below them.

    A figure that has no room for them is made wider.
    """
    needed = max(text_width(title, TITLE_SIZE, "bold"), text_width(about)) / DPI + 2 * MARGIN / 72
    figure.set_figwidth(max(figure.get_figwidth(), needed))
    width, height = 72 * figure.get_size_inches()
    left, first, second, below = MARGIN / width, 8, 8 + 1.6 * TITLE_SIZE, (3.6 if about else 2.2) * TITLE_SIZE
    figure.text(left, 1 - first / height, title, fontsize=TITLE_SIZE, weight="bold", va="top")
    figure.text(left, 1 - second / height, about, color=SOFT, va="top")
    figure.get_layout_engine().set(rect=(0, 0, 1, 1 - below / height))


# Training


def training_curves(metrics: Sequence[dict[str, float]], *, about: str) -> Figure:
    """Every term in the lines of metrics.jsonl against the epoch: train dashed, test in full, validation dotted."""
    records = {split: [record for record in metrics if record["split"] == split] for split in CURVES}
    names = list(dict.fromkeys(name for record in metrics for name in record if name not in BOOKKEEPING))
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(2.9 * columns + 0.2, 2.1 * rows + 0.9), dpi=DPI, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).flat
    for name, axes in zip(names, grid):
        for split in CURVES:
            points = [(record["epoch"], record[name]) for record in records[split] if name in record]
            if points:
                marker = "." if len(points) <= 50 else None
                style = {"color": SPLIT_COLORS.get(split, SOFT), "label": HOW_EVALUATED[split], "marker": marker}
                axes.plot(*zip(*points), CURVES[split], **style)
        axes.set_title(term_name(name), loc="left")
        axes.grid()
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
        axes.yaxis.set_major_locator(
            MaxNLocator(5, integer=all(whole(r[name]) for r in metrics if name in r), min_n_ticks=1)
        )
    for axes in grid:  # what is left of it
        axes.set_axis_off()
    for axes in figure.axes[max(0, len(names) - columns) : len(names)]:
        axes.set_xlabel("epoch")
    handles = {label: handle for axes in figure.axes for handle, label in zip(*axes.get_legend_handles_labels())}
    figure.legend(handles.values(), handles.keys(), loc="outside lower left", ncols=2)
    heading(figure, "Training", about)
    return figure


def overlaid_curves(metrics: dict[str, Sequence[dict[str, float]]], colors: dict[str, str]) -> Figure:
    """The terms that several runs have in common against the epoch, a line for each run by its name: of test, or of
    train unless test was recorded for all.
    """
    recorded = all(any(record["split"] == "test" for record in records) for records in metrics.values())
    split = "test" if recorded else "train"
    lines = {name: [r for r in records if r["split"] == split] for name, records in metrics.items()}
    terms = [set().union(*map(set, records)) - set(BOOKKEEPING) for records in lines.values() if records]
    names = [name for name in OVERLAID if terms and all(name in own for own in terms)]
    width = 3.1 * max(1, len(names))
    called = {name: fill(without_mathematics(name), round(LETTERS * width)) for name in lines}
    height = 2.7 + LEGEND_LINE * sum(1 + name.count("\n") for name in called.values())
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    for axes, name in zip(figure.subplots(1, max(1, len(names)), squeeze=False)[0], names):
        for label, records in lines.items():
            points = [(record["epoch"], record[name]) for record in records if name in record]
            axes.plot(*zip(*points), ".-", color=colors[label], label=called[label])
        axes.set_title(term_name(name), loc="left")
        axes.set_xlabel("epoch")
        axes.grid()
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", title=HOW_EVALUATED[split], alignment="left")
    return figure


def whole(value: float) -> bool:
    """Whether it is a whole number."""
    return float(value).is_integer()


# Clouds


def scatter_views(
    views: Sequence[View],
    classes: dict[str, np.ndarray],
    *,
    plane: Plane | None = None,
    title: str,
    about: str = "",
) -> Figure:
    """Clouds of points, coloured by their classes (N,), side by side; with several kinds of classes, by name, a column
    for each. Those with the same axes have the same scale. Beside them is the plane that the points lie in, decoded,
    where one is given.
    """
    kinds = classes or {"": None}
    side = 3.3 if len(kinds) == 1 else 2.3
    rows, columns = (1, len(views)) if len(kinds) == 1 else (len(views), len(kinds))
    columns += plane is not None
    width = side * columns + (0.9 if len(kinds) == 1 and classes else 0.1)
    figure = Figure(figsize=(width, side * rows + 0.75), dpi=DPI, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    clouds = grid[:, : columns - 1] if plane else grid
    places = [(view, kind) for view in views for kind in kinds]
    for axes, (view, kind) in zip(clouds.flat, places):
        labels = None if view.classless else kinds[kind]
        draw_cloud(axes, view, labels, most=FEW_CLASSES if len(kinds) > 1 else len(CLASS_COLORS))
        axes.update_datalim(np.concatenate([other.points for other in views if other.axes == view.axes]))
        axes.set_title(view.name or (kind if len(kinds) > 1 else ""), loc="left")
        if len(kinds) > 1:
            note_classes(axes)
            axes.set(xlabel=view.axes[0], ylabel=view.axes[1] if kind == next(iter(kinds)) else "")
    if plane:
        draw_plane(grid[0, -1], plane)
    if len(kinds) == 1:
        handles, labels = grid.flat[0].get_legend_handles_labels()
        if on_a_scale(grid[0, 0]):
            note_classes(grid[0, 0])
        if handles:
            legend = figure.legend(handles, labels, loc="outside right center", handletextpad=0.2)
            for handle in legend.legend_handles:
                handle.set(sizes=[24], alpha=1)
    heading(figure, title, about)
    return figure


def draw_cloud(axes: Axes, view: View, labels: np.ndarray | None, *, most: int) -> None:
    """The points of a view by their labels, before those of the prior; of more than `most` classes on a scale."""
    size = float(np.clip(6000 / max(1, len(view.points)), 2, 14))
    if len(view.behind):
        axes.scatter(*view.behind.T, s=size, color=PRIOR_COLOR, linewidths=0, label="prior p(z)", rasterized=True)
    if labels is not None and len(np.unique(labels[labels >= 0])) > most:
        known = labels >= 0
        if not known.all():
            axes.scatter(*view.points[~known].T, s=size, color=SOFT, linewidths=0, label=NO_LABEL, rasterized=True)
        axes.scatter(*view.points[known].T, s=size, c=labels[known], cmap=ORDERED, linewidths=0, rasterized=True)
    else:
        classes = by_class(labels, len(view.points), view.what)
        for (name, members), color in zip(classes.items(), colors_of(classes)):
            color = SOFT if labels is None else color
            look = {"color": color, "alpha": 0.75, "linewidths": 0, "rasterized": True}
            axes.scatter(*view.points[members].T, s=size, label=name, **look)
    axes.set(xlabel=view.axes[0], ylabel=view.axes[1])
    axes.set_aspect("equal", adjustable="datalim")


def on_a_scale(axes: Axes) -> bool:
    """Whether the points of a cloud are coloured on a scale."""
    return axes.collections[-1].get_array() is not None


def note_classes(axes: Axes) -> None:
    """In a corner, what the colours of a cloud mean: its few classes, or that they are in order."""
    if on_a_scale(axes):
        place = {"transform": axes.transAxes, "ha": "right", "va": "bottom"}
        axes.text(1, 1.02, "least dark, most light", **place, fontsize=6.5, color=SOFT)
        return
    handles, names = axes.get_legend_handles_labels()
    own = [(handle, name.removeprefix("class ")) for handle, name in zip(handles, names) if name != "prior p(z)"]
    close = {"columnspacing": 0.6, "handletextpad": 0, "borderpad": 0, "ncols": FEW_CLASSES}
    axes.legend(*zip(*own), loc="lower right", bbox_to_anchor=(1.02, 0.98), fontsize=6.5, **close)


def draw_plane(axes: Axes, plane: Plane) -> None:
    """The decoded images of a plane, with z at some of them."""
    height, width = plane.canvas.shape[:2]
    axes.imshow(plane.canvas, interpolation="none")
    some = np.linspace(0, len(plane.x) - 1, min(5, len(plane.x))).round().astype(int)  # both ends among them
    middles = (np.arange(len(plane.x)) + 0.5) / len(plane.x)
    axes.set_xticks((middles * width)[some], [f"{value:.1f}" for value in plane.x[some]])
    axes.set_yticks((middles * height)[some], [f"{value:.1f}" for value in plane.y[some]])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_title("decoded, at quantiles of the prior", loc="left")
    axes.set(xlabel=latent_name(0), ylabel=latent_name(1))


# Histograms


def histograms(
    values: np.ndarray,
    labels: np.ndarray | None,
    others: np.ndarray,
    *,
    what: str,
    title: str,
    about: str = "",
    axis: str = "z",
    beside: str = "prior p(z)",
) -> Figure:
    """Stacked histograms by class of numbers (N,), latents say, and in outline that of others (M,), draws of the prior.

    `what` is what they are called where they have no class, `beside` what the others are.
    """
    figure = Figure(figsize=(5.6, 3.8), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    edges = np.histogram_bin_edges(np.concatenate([values, others]), bins=60)
    classes = by_class(labels, len(values), what)
    colors = colors_of(classes)
    axes.hist([values[members] for members in classes.values()], edges, stacked=True, label=list(classes), color=colors)
    axes.hist(others, edges, histtype="step", color=INK, label=beside)
    axes.set_xlabel(axis)
    axes.set_ylabel("examples")
    figure.legend(loc="outside right center")
    heading(figure, title, about)
    return figure


def density_panels(panels: dict[str, tuple[np.ndarray, np.ndarray]], *, title: str, about: str) -> Figure:
    """The density of draws of q(z_j), (N,), as an area and of draws of p(z_j), (M,), as a line, for each j by name."""
    columns = min(5, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(1.75 * columns + 0.4, 1.25 * rows + 1.1), dpi=DPI, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True).flat
    limit = max(np.quantile(np.abs(values), 0.999) for pair in panels.values() for values in pair)
    bins = int(np.clip(1.3 * np.sqrt(min(len(z) for z, _ in panels.values())), 12, 60))
    edges = np.linspace(-limit, limit, bins + 1)
    for (name, (z, prior)), axes in zip(panels.items(), grid):
        area = {"histtype": "stepfilled", "color": AGGREGATE_COLOR, "alpha": 0.55}  # bars take thrice as long to draw
        axes.hist(z, edges, density=True, label="aggregate posterior q(zⱼ)", **area)
        axes.hist(prior, edges, density=True, histtype="step", color=INK, linewidth=0.9, label="prior p(zⱼ)")
        axes.set_title(name, fontsize=7.5, loc="left")
        axes.set_xlim(-limit, limit)
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10], prune="both"))  # neighbours' labels meet else
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
    for axes in grid:  # what is left of it
        axes.set_axis_off()
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=2)
    heading(figure, title, about)
    return figure


def colors_of(classes: Iterable[str | None]) -> list[str]:
    """The colours of classes by their names, of which that without a label is grey."""
    names = list(classes)
    own = iter(class_colors(len([name for name in names if name != NO_LABEL])))
    return [SOFT if name == NO_LABEL else next(own) for name in names]


def by_class(labels: np.ndarray | None, count: int, what: str | None) -> dict[str | None, np.ndarray]:
    """Which of `count` points belong to each class, by its name; all of them to `what` if there are no labels."""
    if labels is None:
        return {what: np.ones(count, dtype=bool)}
    return {f"class {label}" if label >= 0 else NO_LABEL: labels == label for label in np.unique(labels)}
