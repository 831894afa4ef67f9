"""Parts of figures of the numbers that runs have left in evaluation.json and metrics.jsonl: a column for each group.

Full lines are of the test split and dashed ones of the training split, both at z = posterior mean; dotted ones with the
same colour are the paper's. Where there are several seeds, a line goes through their means and each has its own dot;
where there are enough for an interval of use, a band has it.
What is not there is not drawn.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from utils.figures.style import DPI, LINES, MARKER_SIZE, PUBLISHED, family_look
from utils.grids.saved import SavedRun
from utils.results.groups import Family, RunGroup, Series, estimate, evaluated
from utils.results.labels import symbol_of
from utils.results.paper_numbers import PaperNumber, published
from vae.evaluation.statistics import FEWEST_SEEDS, Estimate
from vae.losses import LOSSES
from vae.options import Option


def panels(
    groups: Sequence[RunGroup], *, rows: int, size: tuple[float, float] = (4.3, 3.1), sharex: str = "col"
) -> tuple[Figure, np.ndarray]:
    """A figure with axes (rows, groups), whose columns have the groups' titles."""
    width, height = size
    figure = Figure(figsize=(width * len(groups) + 2.4, height * rows), dpi=DPI, layout="constrained")
    grid = figure.subplots(rows, len(groups), sharex=sharex, squeeze=False)
    for axes, group in zip(grid[0], groups):
        axes.set_title(group.title, fontsize=10)
    for axes in grid.flat:
        axes.grid(color="0.92")
        axes.set_axisbelow(True)
    return figure, grid


# What a group has


def level_families(group: RunGroup) -> list[Family]:
    """The families that are a line at one height: no value of theirs varies, and none is learnt."""
    found = [family for loss in group.losses for family in group.families(loss)]
    return [family for family in found if not family.is_curve and not LOSSES[family.loss].learns]


def learners(group: RunGroup, loss: str | None = None) -> list[str]:
    """The losses that learn the swept option of `loss`, or of any."""
    return [name for name in group.losses if LOSSES[name].learns and loss in (None, LOSSES[name].learns)]


# Lines and marks


def curve(axes: Axes, series: Series, quantity: str, split: str, label: str, color: Any, *, marker: str = "o") -> None:
    """A quantity of the evaluation over the values of a series: the mean over seeds, and a dot for each of several."""
    found = {value: estimate(runs, quantity, split) for value, runs in series.items()}
    filling, label = (color, label) if split == "test" else ("white", None)
    means = [one.mean for one in found.values()]
    axes.plot(list(series), means, LINES[split] + marker, color=color, mfc=filling, ms=MARKER_SIZE, label=label)
    if split == "test":
        seeds_band(axes, found, color)
    for value, runs in series.items():
        if len(runs) > 1:
            axes.plot([value] * len(runs), evaluated(runs, quantity, split), ".", color=color, markersize=3)


def seeds_band(axes: Axes, found: Mapping[float, Estimate], color: Any) -> None:
    """The 95 % intervals over seeds of those that have FEWEST_SEEDS: a bar for each, and a band between neighbours."""
    enough = [one.count >= FEWEST_SEEDS for one in found.values()]
    if not any(enough):
        return
    lows, highs = zip(*(one.interval if told else (one.mean, one.mean) for told, one in zip(enough, found.values())))
    axes.fill_between(list(found), lows, highs, where=enough, color=color, alpha=0.2, linewidth=0)
    for value, one, told in zip(found, found.values(), enough):
        if told:
            axes.vlines(value, *one.interval, color=color, linewidth=1.2)


def published_curve(axes: Axes, series: Series, color: Any) -> None:
    """The paper's numbers for such runs, where there are any of the same likelihood as far as can be told."""
    if numbers := {value: found for value, runs in series.items() if (found := comparable(runs[0]))}:
        heights = [number.value for number in numbers.values()]
        axes.plot(list(numbers), heights, "x:", color=color, label=published_label(numbers.values()), markersize=5)


def baselines(axes: Axes, families: Iterable[Family], quantity: str, split: str) -> None:
    """A horizontal line for each family, at the mean over seeds of a quantity of the evaluation."""
    for family in families:
        label, color = family_look(family)
        found = estimate(family.runs, quantity, split)
        axes.axhline(found.mean, color=color, linestyle=LINES[split], label=label if split == "test" else None)
        if split == "test" and found.count >= FEWEST_SEEDS:
            axes.axhspan(*found.interval, color=color, alpha=0.15, linewidth=0)


def published_baselines(axes: Axes, families: Iterable[Family]) -> None:
    """A dotted line at the paper's number of each family that has one."""
    for family in families:
        if number := comparable(family.runs[0]):
            color = family_look(family).color
            axes.axhline(number.value, color=color, linestyle=":", label=published_label([number]))


def comparable(run: SavedRun) -> PaperNumber | None:
    """The paper's number for a run, if it has one that was most likely trained with the same likelihood; else None."""
    number = published(run.config)
    return number if number and number.likelihood == run.config.rec_dist else None


def published_label(numbers: Iterable[PaperNumber]) -> str:
    """What the legend calls them, whatever their colour."""
    return f"{PUBLISHED}, on training images" if any(number.test is None for number in numbers) else PUBLISHED


def stars(axes: Axes, x: Sequence[float], y: Sequence[float], label: str, color: str) -> None:
    """Where runs that learn an option have ended."""
    if x:
        axes.plot(x, y, "*", color=color, markersize=13, markeredgecolor="black", markeredgewidth=0.6, label=label)


# Axes and legends


def option_axis(axes: Axes, flag: str, values: Iterable[float] = ()) -> None:
    """An x axis for an option: from bound to bound if it has both, else logarithmic with a tick at each value."""
    axes.set_xlabel(symbol_of(flag))
    if limits := bounds(flag):
        axes.set_xlim(*limits)
    elif (ticks := sorted(set(values))) and ticks[0] > 0:
        axes.set_xscale("log")
        axes.set_xticks(ticks, [f"{value:g}" for value in ticks])
        axes.set_xticks([], minor=True)


def bounds(flag: str) -> tuple[float, float] | None:
    """From where to where an option of a loss goes; None if it has no bound on a side, or is none."""
    options: dict[str, Option] = {option.name: option for loss in LOSSES.values() for option in loss.options}
    option = options.get(flag)
    if option is None or option.minimum is None or option.maximum is None:
        return None
    return option.minimum, option.maximum


def plain_ticks(axis: Axis) -> None:
    """Numbers such as 20 and 50 on a logarithmic axis with its limits, where a power of ten would be too little."""
    low, high = axis.get_view_interval()
    decades = np.log10(high / low)
    axis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7) if decades < 2.2 else (1, 3) if decades < 5 else (1,)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def finish(figure: Figure, every: Sequence[Axes]) -> None:
    """One legend at the right of a figure, of what its axes have, each label once; empty ones say that they are."""
    handles: dict[str, Any] = {}
    for axes in every:
        if not any(len(line.get_xdata()) for line in axes.lines):
            axes.text(0.5, 0.5, "no runs yet", transform=axes.transAxes, ha="center", color="grey")
        for handle, label in zip(*axes.get_legend_handles_labels()):
            if len(handle.get_xdata()):
                handles.setdefault(label, handle)
    handles |= {name: Line2D([], [], color="grey", linestyle=":") for name in handles if name.startswith(PUBLISHED)}
    if any(line.get_linestyle() == LINES["train"] for axes in every for line in axes.lines):
        handles |= {name: Line2D([], [], color="grey", linestyle=line) for name, line in LINES.items()}
    figure.legend(handles.values(), handles.keys(), loc="outside right upper", fontsize=9, frameon=False)
