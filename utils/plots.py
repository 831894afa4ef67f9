"""Every picture. Each function takes arrays and returns a matplotlib figure; nothing here knows of models."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath
from matplotlib.ticker import MaxNLocator

from utils.results import BOOKKEEPING

DPI = 100  # of every figure, so that sizes in pixels can be meant
IMAGE_PIXELS = 64  # side of an image in a grid, at least
LABEL_SIZE = 9


def image_grid(
    images: np.ndarray,
    *,
    title: str,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
) -> Figure:
    """A grid of images, each pixel a whole number of pixels wide, with labels at its left and below it.

    images: (rows, columns, C, H, W) in [0, 1], C of 1 (grey) or 3 (colour).
    """
    height, width = images.shape[-2:]
    zoom = max(1, -(-IMAGE_PIXELS // height))
    canvas = tile(images, gap=2).repeat(zoom, axis=0).repeat(zoom, axis=1)
    left, right, bottom, top = 110 if row_labels else 10, 10, 30 if column_labels else 10, 35
    full_width, full_height = left + canvas.shape[1] + right, bottom + canvas.shape[0] + top
    figure = Figure(figsize=(full_width / DPI, full_height / DPI), dpi=DPI)
    figure.figimage(canvas, xo=left, yo=bottom, origin="upper", cmap="gray", vmin=0, vmax=1)

    def write(x: float, y: float, text: str, size: int, **alignment: str) -> None:
        figure.text(x / full_width, y / full_height, text, fontsize=size, **alignment)

    pitch_y, pitch_x = (height + 2) * zoom, (width + 2) * zoom
    write(left + canvas.shape[1] / 2, full_height - top / 2, title, 10, ha="center", va="center")
    for row, label in enumerate(row_labels):
        write(left - 8, full_height - top - (row + 0.5) * pitch_y + zoom, label, 9, ha="right", va="center")
    for column, label in enumerate(column_labels):
        write(left + (column + 0.5) * pitch_x - zoom, bottom / 2, label, 8, ha="center", va="center")
    return figure


def image_panels(panels: dict[str, tuple[np.ndarray, Sequence[str]]], *, title: str) -> Figure:
    """Grids of images side by side, under their names, each with a label for each of its rows or without.

    images: (rows, columns, C, H, W) in [0, 1].
    """
    zoom = max(1, -(-IMAGE_PIXELS // max(images.shape[-2] for images, _ in panels.values())))
    canvases = [tile(images, gap=2).repeat(zoom, axis=0).repeat(zoom, axis=1) for images, _ in panels.values()]
    margins = [15 + max(map(text_width, labels), default=0) for _, labels in panels.values()]
    height = max(canvas.shape[0] for canvas in canvases) + 70
    width = sum(margins) + sum(canvas.shape[1] for canvas in canvases) + 10
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    figure.suptitle(title, fontsize=10, y=1 - 15 / height)
    left = 0
    for (name, (images, labels)), canvas, margin in zip(panels.items(), canvases, margins):
        left += margin
        bottom = height - 60 - canvas.shape[0]
        place = (left / width, bottom / height, canvas.shape[1] / width, canvas.shape[0] / height)
        axes = figure.add_axes(place, xticks=[])
        axes.imshow(canvas, cmap="gray", vmin=0, vmax=1, interpolation="none")
        axes.set_title(name, fontsize=10)
        axes.set_yticks((np.arange(len(labels)) + 0.5) * canvas.shape[0] / len(images), labels, fontsize=LABEL_SIZE)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        left += canvas.shape[1]
    return figure


def text_width(text: str) -> float:
    """The width of a label in pixels."""
    return TextPath((0, 0), text, size=LABEL_SIZE).get_extents().width * DPI / 72


def tile(images: np.ndarray, gap: int) -> np.ndarray:
    """One picture, (height, width) or (height, width, 3), of images (rows, columns, C, H, W), `gap` pixels apart."""
    margins = [(0, 0), (0, 0), (0, 0), (0, gap), (0, gap)]
    rows, columns, channels, height, width = images.shape
    padded = np.pad(images, margins, constant_values=0.5).transpose(0, 3, 1, 4, 2)
    canvas = padded.reshape(rows * (height + gap), columns * (width + gap), channels)[: -gap or None, : -gap or None]
    return canvas[..., 0] if channels == 1 else canvas


def training_curves(metrics: Sequence[dict[str, float]], *, title: str) -> Figure:
    """Every term in the lines of metrics.jsonl against the epoch: train in full lines, test, where recorded, dashed."""
    splits = {"train": ("-", "train (z sampled)"), "test": ("--", "test (z = posterior mean)")}
    records = {split: [record for record in metrics if record["split"] == split] for split in splits}
    names = list(dict.fromkeys(name for record in metrics for name in record if name not in BOOKKEEPING))
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    width, height = 320 * columns, 240 * rows + 40
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    for position, name in enumerate(names):
        row, column = divmod(position, columns)
        corner = (column * 320 + 55, height - 40 - (row + 1) * 240 + 45)
        axes = figure.add_axes((corner[0] / width, corner[1] / height, 255 / width, 170 / height))
        for split, (style, label) in splits.items():
            points = [(record["epoch"], record[name]) for record in records[split] if name in record]
            if points:
                axes.plot(*zip(*points), style, marker=".", label=label)
        axes.set_title(name.replace("_", " "), fontsize=9)
        axes.set_xlabel("epoch", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if position == 0:
            axes.legend(fontsize=7)
    figure.suptitle(title, fontsize=10, y=1 - 15 / height)
    return figure


def scatter_panels(panels: dict[str, tuple[np.ndarray, np.ndarray | None]], *, axis: str, title: str) -> Figure:
    """Clouds of points side by side on the same axes, by name: points (N, D), of which the first two dimensions are
    drawn, and labels (N,) that colour them, or None. The axes are called `axis` with the dimension's number.
    """
    figure = Figure(figsize=(4.2 * len(panels), 4.4), dpi=DPI, layout="constrained")
    row = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (name, (points, labels)) in zip(row, panels.items()):
        size = max(3, 3000 / len(points))
        for label, members in by_class(labels, len(points)).items():
            axes.scatter(*points[members, :2].T, s=size, alpha=0.5, linewidths=0, label=label)
        axes.set_title(name, fontsize=9)
        axes.set_xlabel(f"${axis}_1$")
        if labels is not None:
            axes.legend(fontsize=7, markerscale=3)
    row[0].set_ylabel(f"${axis}_2$")
    figure.suptitle(title, fontsize=10)
    return figure


def latent_histogram(z: np.ndarray, labels: np.ndarray | None, prior: np.ndarray, *, title: str) -> Figure:
    """Stacked histograms by class of latents z (N,), and in outline that of draws of the prior (N,)."""
    figure = Figure(figsize=(5.6, 4.0), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    edges = np.histogram_bin_edges(np.concatenate([z, prior]), bins=60)
    classes = by_class(labels, len(z))
    axes.hist([z[members] for members in classes.values()], edges, stacked=True, label=list(classes))
    axes.hist(prior, edges, histtype="step", color="black", label="prior p(z)")
    axes.set_xlabel("$z$")
    axes.set_ylabel("draws")
    axes.legend(fontsize=7)
    figure.suptitle(title, fontsize=10)
    return figure


def by_class(labels: np.ndarray | None, count: int) -> dict[str, np.ndarray]:
    """Which of `count` points belong to each class, by its name; all of them to one if there are no labels."""
    if labels is None:
        return {"q(z)": np.ones(count, dtype=bool)}
    return {f"class {label}": labels == label for label in np.unique(labels)}
