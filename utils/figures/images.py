"""Grids of images, each pixel a whole number of pixels wide."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from utils.figures.style import BETWEEN, DPI, LABEL_SIZE, SMALL_SIZE, SOFT, TITLE_SIZE, text_width

IMAGE_PIXELS = 96  # side of an image in a grid, at least
GAP = 3  # between images, in pixels of the figure
MARGIN = 24
LINE = 2.0  # height of a line of text in a grid, in multiples of its size


@dataclass(frozen=True)
class Tiles:
    """Images in rows and columns, (rows, columns, C, H, W) in [0, 1] with C of 1 (grey) or 3 (colour), and what is
    written above them, at the left of each row, and below each column.
    """

    images: np.ndarray
    name: str = ""
    row_labels: Sequence[str] = ()
    column_labels: Sequence[str] = ()


def image_grid(
    images: np.ndarray,
    *,
    title: str,
    subtitle: str = "",
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
) -> Figure:
    """A grid of images (rows, columns, C, H, W) in [0, 1], with labels at its left and below it."""
    return image_panels([Tiles(images, "", row_labels, column_labels)], title=title, subtitle=subtitle)


def image_panels(panels: Sequence[Tiles], *, title: str, subtitle: str = "") -> Figure:
    """Grids of images side by side, under a title and a line that says more."""
    zoom = max(1, -(-IMAGE_PIXELS // max(panel.images.shape[-2] for panel in panels)))
    canvases = [tile(panel.images, zoom) for panel in panels]
    margins = [max((text_width(label) + 12 for label in panel.row_labels), default=0) for panel in panels]
    lefts, right = [], 0.0
    for canvas, margin in zip(canvases, margins):
        lefts.append(round(right + MARGIN + margin))
        right = lefts[-1] + canvas.shape[1]
    head = MARGIN // 2 + line(TITLE_SIZE) + (line(LABEL_SIZE) if subtitle else 0)
    head += line(LABEL_SIZE) if any(panel.name for panel in panels) else 0
    foot = max(line(SMALL_SIZE) if panel.column_labels else MARGIN // 2 for panel in panels)
    widest = max(text_width(title, TITLE_SIZE, "bold"), text_width(subtitle)) + 2 * MARGIN
    width = round(max(right + MARGIN, widest))
    page = Page(width, head + max(len(canvas) for canvas in canvases) + foot)
    page.write(MARGIN, MARGIN // 2 + line(TITLE_SIZE) / 2, title, size=TITLE_SIZE, weight="bold")
    page.write(MARGIN, MARGIN // 2 + line(TITLE_SIZE) + line(LABEL_SIZE) / 2, subtitle, color=SOFT)
    for panel, canvas, left in zip(panels, canvases, lefts):
        page.paste(canvas, left, head)
        page.write(left, head - line(LABEL_SIZE) / 2, panel.name)
        height, pitch = len(canvas), (canvas.shape[1] + GAP) / panel.images.shape[1]
        for row, label in enumerate(panel.row_labels):
            page.write(left - 12, head + (row + 0.5) * (height + GAP) / len(panel.images), label, ha="right")
        for column, label in enumerate(panel.column_labels):
            middle = left + (column + 0.5) * pitch - GAP / 2
            page.write(middle, head + height + foot / 2, label, size=SMALL_SIZE, color=SOFT, ha="center")
    return page.figure


class Page:
    """A figure of so many pixels, to write and to paste on by pixels from its upper left corner."""

    def __init__(self, width: int, height: int):
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)

    def write(self, x: float, y: float, text: str, *, size: float = LABEL_SIZE, **look: str) -> None:
        """A line of text, of which (x, y) is the middle of the left side, unless it is aligned otherwise."""
        if text:
            self.figure.text(x / self.width, 1 - y / self.height, text, fontsize=size, va="center", **look)

    def paste(self, canvas: np.ndarray, x: int, y: int) -> None:
        """A picture (height, width, 3), of which (x, y) is the upper left corner.

        It has axes of its size, because notebooks do not show a figure without any.
        """
        height, width = canvas.shape[:2]
        left, bottom = x / self.width, 1 - (y + height) / self.height
        axes = self.figure.add_axes((left, bottom, width / self.width, height / self.height))
        axes.imshow(canvas, interpolation="none", aspect="auto")
        axes.set_axis_off()


def line(size: float) -> int:
    """The height of a line of text of a size in points, in pixels."""
    return round(LINE * size * DPI / 72)


def as_colours(images: np.ndarray) -> np.ndarray:
    """Images (..., C, H, W) of 1 or 3 channels: of two the third is black, of more the first three are shown."""
    channels = images.shape[-3]
    if channels == 2:
        return np.concatenate([images, np.zeros_like(images[..., :1, :, :])], axis=-3)
    return images if channels == 1 else images[..., :3, :, :]


def tile(images: np.ndarray, zoom: int = 1, gap: int = GAP) -> np.ndarray:
    """One picture (height, width, 3) of images (rows, columns, C, H, W), `gap` pixels apart."""
    images = as_colours(images)
    rows, columns, _, height, width = images.shape
    large = images.repeat(zoom, axis=-2).repeat(zoom, axis=-1).transpose(0, 1, 3, 4, 2)
    pitch_y, pitch_x = height * zoom + gap, width * zoom + gap
    canvas = np.empty((rows, pitch_y, columns, pitch_x, 3), images.dtype)
    canvas[:] = to_rgb(BETWEEN)
    canvas[:, : height * zoom, :, : width * zoom] = large.transpose(0, 2, 1, 3, 4)
    return canvas.reshape(rows * pitch_y, columns * pitch_x, 3)[: rows * pitch_y - gap, : columns * pitch_x - gap]
