"""Figures of the numbers that runs have left in evaluation.json and metrics.jsonl: a column for each protocol.

Full lines are of the test split and dashed ones of the training split, both at z = posterior mean; dotted ones with the
same colour are the paper's. Where there are several seeds, a line goes through their means and each has its own dot.
What is not there is not drawn.
"""

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from utils.figures.style import DPI, LINES, MARKER_SIZE, PUBLISHED, STYLES
from utils.grids.paper_numbers import PaperNumber, published
from utils.grids.protocols import Protocol, evaluated
from utils.grids.saved import SavedRun

Series = dict[float, list[SavedRun]]  # runs by a value that differs, ascending


# Parts of a figure


def columns(
    protocols: Sequence[Protocol], *, rows: int, size: tuple[float, float] = (4.3, 3.1), sharex: str = "col"
) -> tuple[Figure, np.ndarray]:
    """A figure with axes (rows, protocols), whose columns have the protocols' titles."""
    width, height = size
    figure = Figure(figsize=(width * len(protocols) + 2.4, height * rows), dpi=DPI, layout="constrained")
    grid = figure.subplots(rows, len(protocols), sharex=sharex, squeeze=False)
    for axes, protocol in zip(grid[0], protocols):
        axes.set_title(protocol.title, fontsize=10)
    for axes in grid.flat:
        axes.grid(color="0.92")
        axes.set_axisbelow(True)
    return figure, grid


def curve(axes: Axes, series: Series, quantity: str, split: str, label: str, color: Any, *, marker: str = "o") -> None:
    """A quantity of the evaluation over the values of a series: the mean over seeds, and a dot for each of several."""
    measured = {value: evaluated(runs, quantity, split) for value, runs in series.items()}
    filling, label = (color, label) if split == "test" else ("white", None)
    means = [fmean(numbers) for numbers in measured.values()]
    axes.plot(list(measured), means, LINES[split] + marker, color=color, mfc=filling, ms=MARKER_SIZE, label=label)
    for value, numbers in measured.items():
        if len(numbers) > 1:
            axes.plot([value] * len(numbers), numbers, ".", color=color, markersize=3)


def published_curve(axes: Axes, series: Series, color: Any) -> None:
    """The paper's numbers for such runs, where there are any of the same likelihood as far as can be told."""
    if numbers := {value: found for value, runs in series.items() if (found := comparable(runs[0]))}:
        heights = [number.value for number in numbers.values()]
        axes.plot(list(numbers), heights, "x:", color=color, label=published_label(numbers.values()), markersize=5)


def published_baselines(axes: Axes, protocol: Protocol, losses: Sequence[str]) -> None:
    """The same as horizontal lines."""
    for loss in losses:
        if (runs := protocol.of(loss)) and (number := comparable(runs[0])):
            axes.axhline(number.value, color=STYLES[loss].color, linestyle=":", label=published_label([number]))


def comparable(run: SavedRun) -> PaperNumber | None:
    """The paper's number for a run, if it has one that was most likely trained with the same likelihood; else None."""
    number = published(run.config)
    return number if number and number.likelihood == run.config.rec_dist else None


def published_label(numbers: Iterable[PaperNumber]) -> str:
    """What the legend calls them, whatever their colour."""
    return f"{PUBLISHED}, on training images" if any(number.test is None for number in numbers) else PUBLISHED


def baselines(axes: Axes, protocol: Protocol, losses: Sequence[str], quantity: str, split: str) -> None:
    """A horizontal line for each loss, at the mean over seeds of a quantity of the evaluation."""
    for loss in losses:
        if runs := protocol.of(loss):
            label, color = STYLES[loss]
            height = fmean(evaluated(runs, quantity, split))
            axes.axhline(height, color=color, linestyle=LINES[split], label=label if split == "test" else None)


def stars(axes: Axes, x: Sequence[float], y: Sequence[float], label: str, color: str) -> None:
    """Where runs with a learnt alpha have ended."""
    if x:
        axes.plot(x, y, "*", color=color, markersize=13, markeredgecolor="black", markeredgewidth=0.6, label=label)


def plain_ticks(axis: Axis) -> None:
    """Numbers such as 20 and 50 on a logarithmic axis, where a power of ten would be too little."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def finish(figure: Figure, panels: Sequence[Axes]) -> None:
    """One legend at the right of a figure, of what its panels have, each label once; empty panels say that they are."""
    handles: dict[str, Any] = {}
    for axes in panels:
        if not any(len(line.get_xdata()) for line in axes.lines):
            axes.text(0.5, 0.5, "no runs yet", transform=axes.transAxes, ha="center", color="grey")
        for handle, label in zip(*axes.get_legend_handles_labels()):
            if len(handle.get_xdata()):
                handles.setdefault(label, handle)
    handles |= {name: Line2D([], [], color="grey", linestyle=":") for name in handles if name.startswith(PUBLISHED)}
    if any(line.get_linestyle() == LINES["train"] for axes in panels for line in axes.lines):
        handles |= {name: Line2D([], [], color="grey", linestyle=line) for name, line in LINES.items()}
    figure.legend(handles.values(), handles.keys(), loc="outside right upper", fontsize=9, frameon=False)
