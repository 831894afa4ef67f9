"""Charts of arrays: curves of training, clouds of points, histograms. Nothing here knows of models."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from utils.figures.style import DPI
from utils.runs.folder import BOOKKEEPING


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
    return {f"class {label}" if label >= 0 else "no label": labels == label for label in np.unique(labels)}
