"""The figure of rate and distortion: what the code of an image costs, and what is lost of the image."""

from collections.abc import Sequence
from statistics import fmean

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, SymmetricalLogLocator
from matplotlib.transforms import Bbox

from utils.figures.panels import finish, panels, plain_ticks
from utils.figures.style import MARKER_SIZE, SMALL_SIZE, Look, look_of, text_width
from utils.grids.presets import weight_of
from utils.grids.saved import SavedRun
from utils.results.groups import Family, RunGroup, evaluated
from utils.results.labels import flag_label, symbol_of
from vae.evaluation.evaluator import rate
from vae.losses import LOSSES

FAINT = {"fontsize": 6.5, "color": "0.6"}
LEAST_RATE = 0.1  # nats; of a model that uses its latents less there is nothing to be seen near it
TEXT_HEIGHT = 6  # half of that of the value at an end of a line, in pixels
SIDES = [(x, y) for y in (0, 0.6, -0.6, 1, -1) for x in (1, -1, 0) if x or abs(y) == 1]  # where it may stand
GAP = (9, 14)  # between it and the end, in pixels

Point = tuple[float, float]  # rate and distortion, both means over seeds


def rate_distortion(groups: Sequence[RunGroup]) -> Figure:
    """The test reconstruction against KL(q‖p): what is lost of an image against what its code costs, whatever the loss.

    A line joins the runs with a loss over its swept option, such as alpha or beta, with values at its ends; thin lines
    join those with the same value over its other options, such as lambda. Stars are of losses that learn an option.
    Below is the same near KL(q‖p), where there is one that uses its latents; along a dotted line there, the sum of the
    two is the number at its lower end.
    """
    figure, (above, below) = panels(groups, rows=2, size=(5.4, 4.2), sharex="none")
    for axes, near, group in zip(above, below, groups):
        draw_group(axes, group)
        axes.margins(0.1)
        plain_ticks(axes.xaxis)
        rate, distortion = point_of(kl) if (kl := group.of("KL")) else (0, 0)
        if rate > LEAST_RATE:
            draw_group(near, group)
            least = min(evaluated(group.runs, "reconstruction"))
            near.set(xlim=(0.5 * rate, 2.2 * rate), ylim=(least - 1, distortion + 0.4 * rate))
            plain_ticks(near.xaxis)
            equal_sums(near)
        else:
            near.set_axis_off()
    above[0].set_ylabel("distortion: reconstruction")
    below[0].set_ylabel("the same near KL(q‖p)")
    finish(figure, above)
    figure.draw_without_rendering()  # what is where is known from now on
    for axes, near, group in zip(above, below, groups):
        for loss in group.losses:
            name_ends(axes, near if near.axison else axes, group.families(loss)[0])
    return figure


def weighed_objectives(group: RunGroup) -> Figure:
    """Every objective in the plane of rate and distortion: its name at its default weight, a line over its weights.

    The heavier end of a line has the larger mark.
    """
    figure = Figure(figsize=(9.5, 7), layout="constrained")
    axes = figure.add_subplot(title=group.title)
    lines = {loss: weighed(group, loss) for loss in group.losses}
    for loss, points in lines.items():
        color = look_of(loss).color
        axes.plot(*zip(*points.values()), "-", color=color, linewidth=0.9, zorder=2)
        axes.scatter(*zip(*points.values()), color=color, s=[8 + 9 * place for place in range(len(points))], zorder=3)
    axes.set(xlabel="rate: KL(q‖p) (nats)", ylabel="distortion: reconstruction")
    axes.set_xscale("symlog", linthresh=1, linscale=0.5)  # linear below 1 nat: what has collapsed is at 0
    axes.xaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=1, subs=(1, 3)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid()
    axes.margins(0.08)
    figure.draw_without_rendering()  # what is where is known from now on
    for loss, points in lines.items():
        weight, look = weight_of(loss), look_of(loss)
        point = points.get(weight.default if weight else None, next(iter(points.values())))
        size = np.array([text_width(look.label, SMALL_SIZE) / 2, TEXT_HEIGHT])
        place = free_place(axes, point, size[0], gaps=(1, 2, 4, 6))
        style = {"color": look.color, "fontsize": SMALL_SIZE, "ha": "center", "va": "center"}
        axes.annotate(look.label, point, place, textcoords="offset pixels", **style)
        leader = {"arrowstyle": "-", "color": look.color, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 0}
        nearest = place - place.clip(-size, size)  # of the text's box
        axes.annotate("", point, nearest, textcoords="offset pixels", arrowprops=leader)
    return figure


def weighed(group: RunGroup, loss: str) -> dict[float | None, Point]:
    """The runs with a loss by its weight, ascending, all else as the first of them has it."""
    weight = weight_of(loss)
    return {value: point_of(runs) for value, runs in group.series(loss, weight.name if weight else None).items()}


def draw_group(axes: Axes, group: RunGroup) -> None:
    """All runs in the plane of rate and distortion."""
    for loss in group.losses:
        draw_loss(axes, group.families(loss))
    axes.set(xlabel="rate: KL(q‖p) (nats)", xscale="log")


def draw_loss(axes: Axes, families: Sequence[Family]) -> None:
    """The runs with a loss: its first family as a line or a mark, and thin lines from there to the others."""
    first, *others = families
    look = look_of(first.loss)
    for value in dict.fromkeys(value for family in others for value in family.series):
        points = [point_of(family.series[value]) for family in families if value in family.series]
        axes.plot(*zip(*points), ".-", color=look.color, label=crossing_label(families, look), linewidth=0.7)
    marker, size = ("*", 12) if LOSSES[first.loss].learns else ("o-", MARKER_SIZE) if first.flag else ("s", 6)
    style = {"color": look.color, "markersize": size, "zorder": 2 if first.flag else 2.5}  # single marks are on top
    axes.plot(*zip(*map(point_of, first.series.values())), marker, label=look.label, **style)
    for runs in first.series.values():
        if len(runs) > 1:
            axes.plot(*zip(*(point_of([run]) for run in runs)), ".", color=look.color, markersize=3)


def crossing_label(families: Sequence[Family], look: Look) -> str:
    """What the legend calls the thin lines: the loss, each value of its swept option, over what differs besides."""
    flags = dict.fromkeys(flag for family in families for flag in family.told)
    over = f"over {', '.join(map(symbol_of, flags))}"
    each = f"each {symbol_of(families[0].flag)} " if any(family.is_curve for family in families) else ""
    return f"{look.label}, {each}{over}"


def name_ends(axes: Axes, near: Axes, family: Family) -> None:
    """What the swept option is at the ends of a line, in the panel of what is near KL(q‖p) where that shows them."""
    points = {value: point_of(runs) for value, runs in family.series.items()}
    for value in sorted({min(points), max(points)}) if family.flag else ():
        low, high = zip(near.get_xlim(), near.get_ylim())
        x, y = points[value]
        panel = near if low[0] < x < high[0] and low[1] < y < high[1] else axes
        style = {"color": look_of(family.loss).color, "fontsize": 8, "ha": "center", "va": "center"}
        text = flag_label(family.flag, value)
        place = free_place(panel, (x, y), text_width(text) / 2)
        panel.annotate(text, (x, y), place, textcoords="offset pixels", **style)


def free_place(axes: Axes, point: Point, half_width: float, gaps: Sequence[float] = (1,)) -> np.ndarray:
    """Where beside a point the least is in the way of a text: its centre, in pixels from the point, (2,).

    At gaps of so many times the usual one, the first that is free.
    """
    lines = [along(line) for line in axes.lines if line.get_linestyle() != ":"]
    texts = [within(text.get_window_extent()) for text in axes.texts if text.get_text()]
    taken, at = np.concatenate([*lines, *texts]), axes.transData.transform(point)
    size = np.array([half_width, TEXT_HEIGHT])

    def in_the_way(place: np.ndarray) -> tuple[bool, int]:
        outside = not axes.get_window_extent().contains(*(at + place + size * np.sign(place)))
        return outside, (np.abs(taken - at - place) < size + 3).all(1).sum()

    return min(((size + gap * np.array(GAP)) * side for gap in gaps for side in SIDES), key=in_the_way)


def within(box: Bbox) -> np.ndarray:
    """Points all over a box, in pixels: (N, 2)."""
    return np.stack(np.meshgrid(np.linspace(box.x0, box.x1, 9), np.linspace(box.y0, box.y1, 3)), -1).reshape(-1, 2)


def along(line: Line2D) -> np.ndarray:
    """Points along a line, or those of its marks, in pixels: (N, 2)."""
    points = line.get_transform().transform(line.get_xydata())
    if line.get_linestyle() == "None":
        return points
    return np.concatenate([points, *(np.linspace(*ends, 50) for ends in zip(points, points[1:]))])


def point_of(runs: Sequence[SavedRun]) -> Point:
    """KL(q‖p) and the reconstruction of the test images, both at z = posterior mean, the mean over runs."""
    return fmean(rate(run.evaluation["test"]) for run in runs), fmean(evaluated(runs, "reconstruction"))


def equal_sums(axes: Axes) -> None:
    """Dotted lines, within what the axes show, along which rate + distortion is the same, and how much that is."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    rates = np.geomspace(left, right, 200)
    first, second, *_ = MaxNLocator(9).tick_values(low + left, low + right)
    for total in np.arange(first, high + right, second - first):
        axes.plot(rates, total - rates, ":", color="0.75", linewidth=0.8, zorder=0, scalex=False, scaley=False)
        if left < total - low < right:
            axes.annotate(f"{total:g}", (total - low, low), (3, 2), textcoords="offset points", **FAINT)
