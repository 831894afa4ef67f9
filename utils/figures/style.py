"""The look of every figure: sizes, lines, and the label and colour of each loss."""

from typing import NamedTuple
from zlib import crc32

import numpy as np
from matplotlib.colors import to_hex, to_rgb

from utils.results.groups import Family
from vae.losses import LOSSES

DPI = 100  # of every figure, so that sizes in pixels can be meant
LABEL_SIZE = 9
MARKER_SIZE = 4.5
LINES = {"train": "--", "test": "-"}
PUBLISHED = "published"
SQUARED_ERROR = "squared error per image"

# Colours of losses that have chosen none. To normal and to colour-blind eyes they differ from each other and from the
# chosen ones by 0.06 or more in Oklab; the nearest two that the paper's losses have differ by 0.076.
FREE_COLORS = ("#0000b4", "#b4c3a5", "#3c2d00", "#9600ff", "#b42d00", "#2d0f78", "#005a87", "#875a5a")


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
