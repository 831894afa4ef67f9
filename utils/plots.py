"""Every picture. Each function takes arrays and returns a matplotlib figure; nothing here knows of models."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

INCHES_PER_IMAGE = 0.6


def image_grid(
    images: np.ndarray,
    *,
    title: str,
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
) -> Figure:
    """A grid of images with labels at its left and below it.

    images: (rows, columns, C, H, W) in [0, 1], C of 1 (grey) or 3 (colour).
    """
    rows, columns = images.shape[:2]
    figure = Figure(
        figsize=(INCHES_PER_IMAGE * columns + (1.3 if row_labels else 0.3), INCHES_PER_IMAGE * rows + 0.8),
        layout="constrained",
    )
    axes = figure.add_subplot()
    canvas, centres_y, centres_x = tile(images)
    axes.imshow(canvas, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_title(title, fontsize=9)
    axes.set_xticks(centres_x if column_labels else [], column_labels or [], fontsize=7)
    axes.set_yticks(centres_y if row_labels else [], row_labels or [], fontsize=7)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


def tile(images: np.ndarray, gap: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One picture of images (rows, columns, C, H, W), `gap` pixels of mid-grey apart; and its rows' and columns' centres."""
    rows, columns, channels, height, width = images.shape
    canvas = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, channels), 0.5, dtype=np.float32)
    for row in range(rows):
        for column in range(columns):
            top, left = row * (height + gap), column * (width + gap)
            canvas[top : top + height, left : left + width] = images[row, column].transpose(1, 2, 0)
    centres_y = np.arange(rows) * (height + gap) + (height - 1) / 2
    centres_x = np.arange(columns) * (width + gap) + (width - 1) / 2
    return (canvas[..., 0] if channels == 1 else canvas), centres_y, centres_x


def training_curves(metrics: Sequence[dict[str, float]], *, title: str) -> Figure:
    """Every recorded term against the epoch: training as a full line, test (where recorded) as a dashed one.

    metrics: the lines of metrics.jsonl.
    """
    outside = {"epoch", "step", "split", "seconds", "images_per_second"}
    train = [record for record in metrics if record["split"] == "train"]
    test = [record for record in metrics if record["split"] == "test"]
    names = [name for name in train[0] if name not in outside] if train else []
    names += [name for name in (test[0] if test else {}) if name not in outside and name not in names]
    columns = min(3, max(1, len(names)))
    rows = max(1, -(-len(names) // columns))
    figure = Figure(figsize=(3.2 * columns, 2.4 * rows + 0.4), layout="constrained")
    grid = GridSpec(rows, columns, figure=figure)
    for position, name in enumerate(names):
        axes = figure.add_subplot(grid[position // columns, position % columns])
        for records, style, label in ((train, "-", "train (z sampled)"), (test, "--", "test (z = posterior mean)")):
            points = [(record["epoch"], record[name]) for record in records if name in record]
            if points:
                axes.plot(*zip(*points), style, marker=".", label=label)
        axes.set_title(name.replace("_", " "), fontsize=9)
        axes.set_xlabel("epoch", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.xaxis.get_major_locator().set_params(integer=True)
        if position == 0:
            axes.legend(fontsize=7)
    figure.suptitle(title, fontsize=10)
    return figure
