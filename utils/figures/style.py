"""The look of every figure: fonts, sizes, lines, and the colours of losses, splits and classes.

Importing it sets matplotlib's defaults, so that figures of runs, of notebooks and of reports look alike.
"""

import io
import warnings
from functools import cache
from typing import NamedTuple
from zlib import crc32

import matplotlib
import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from utils.results.groups import Family
from vae.losses import LOSSES

DPI = 150  # of every figure, so that sizes in pixels can be meant
TITLE_SIZE, LABEL_SIZE, SMALL_SIZE = 11, 9, 8  # of text, in points
MARKER_SIZE = 4.5
LINES = {"train": "--", "test": "-"}
SPLIT_COLORS = {"train": "#7a8699", "test": "#d55e00"}  # of a single run, where no colour is a loss's
INK, SOFT = "#1c2430", "#5b6675"  # of text, and of what is said besides
GRID, PAPER = "#e4e8ee", "#ffffff"  # lines behind curves, and the ground
BETWEEN = "#9db8de"  # images: no grey, so that a grey image ends where it ends
PUBLISHED = "published"
SQUARED_ERROR = "squared error per image"

# Colours of losses that have chosen none. To normal and to colour-blind eyes they differ from each other and from the
# chosen ones by 0.06 or more in Oklab; the nearest two that the paper's losses have differ by 0.076.
FREE_COLORS = ("#b4c3a5", "#3c2d00", "#2d0f78", "#005a87", "#875a5a")

# Of ten classes without an order, see class_colors.
CLASS_COLORS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#8c6d31", "#6a3d9a")
CLASS_COLORS += ("#4d4d4d", "#b5cf6b")
ORDERED = "viridis"

SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")

warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)  # boxes stand for it
matplotlib.rcParams.update(
    {
        "figure.dpi": DPI,
        "savefig.dpi": "figure",
        "figure.facecolor": PAPER,
        "font.size": LABEL_SIZE,
        "figure.titlesize": TITLE_SIZE,
        "axes.titlesize": 10,
        "axes.labelsize": LABEL_SIZE,
        "xtick.labelsize": SMALL_SIZE,
        "ytick.labelsize": SMALL_SIZE,
        "legend.fontsize": SMALL_SIZE,
        "legend.frameon": False,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": SOFT,
        "axes.linewidth": 0.7,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "grid.color": GRID,
        "xtick.color": SOFT,
        "ytick.color": SOFT,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
    }
)


@cache  # runs of a grid have the same texts
def latent_name(dimension: int) -> str:
    """What figures call a dimension of z: z₁ is the first, 0. Plain text, since a formula takes far longer to draw."""
    return f"z{dimension + 1}".translate(SUBSCRIPTS)


def text_width(text: str, size: float = LABEL_SIZE, weight: str = "normal") -> float:
    """The width of a text in pixels, as it is drawn: that of its outlines is less by some per cent."""
    return Figure(dpi=DPI).text(0, 0, text, fontsize=size, weight=weight).get_window_extent().width


class Look(NamedTuple):
    """What a legend calls some runs, and their colour."""

    label: str
    color: str


def look_of(loss: str) -> Look:
    """What every figure calls a loss, and its colour."""
    return Look(LOSSES[loss].display.label, colors()[loss])


def family_look(family: Family) -> Look:
    """That of its loss, with the flags that tell the family from others."""
    label, color = look_of(family.loss)
    return Look(", ".join(filter(None, [label, family.told_label])), color)


def colors() -> dict[str, str]:
    """The colour of each loss: the one it has chosen, or by its name one that no other has, while there are any.

    Which losses there are decides, not which are drawn: a loss has its colour everywhere.
    """
    found = {name: to_hex(loss.display.color) for name, loss in LOSSES.items() if loss.display.color}
    free = [color for color in FREE_COLORS if color not in found.values()]
    for name in sorted(LOSSES.keys() - found.keys()):
        start = crc32(name.encode()) % len(free)
        own = free[start:] + free[:start]
        found[name] = next((color for color in own if color not in found.values()), own[0])
    return found


def class_colors(count: int) -> list[str]:
    """The colours of so many classes: of up to ten, such as differ most; of more, a scale from dark to light."""
    if count <= len(CLASS_COLORS):
        return list(CLASS_COLORS[:count])
    return [to_hex(color) for color in colormaps[ORDERED](np.linspace(0, 1, count))]


def shades(color: str, count: int) -> list[str]:
    """A colour, and lighter ones of it."""
    share = np.linspace(0, 0.65, count)[:, np.newaxis]
    return [to_hex(mixed) for mixed in (1 - share) * to_rgb(color) + share]


def colors_by_label(losses: dict[str, str]) -> dict[str, str]:
    """A colour for each label: its loss's, in shades where several labels are of one loss."""
    found, own = {}, colors()
    for loss in dict.fromkeys(losses.values()):
        labels = [label for label, of in losses.items() if of == loss]
        found |= dict(zip(labels, shades(own[loss], len(labels))))
    return found


def png(figure: Figure) -> bytes:
    """A figure as a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
