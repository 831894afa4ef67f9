"""Grids of images."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath

from utils.figures.style import DPI, LABEL_SIZE

IMAGE_PIXELS = 64  # side of an image in a grid, at least


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
