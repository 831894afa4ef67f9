"""The squared error of runs against alpha."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from utils.plots import DPI

Point = tuple[float, float, float | None]  # alpha, a mean, and half of its interval


def alpha_curves(
    curves: dict[str, dict[str, Sequence[Point]]], lines: dict[str, dict[str, float]], *, title: str
) -> Figure:
    """Squared error against alpha, a panel for each loss of `curves`, with a horizontal line for each of `lines`.

    Both by name and split: train is dashed, test full, as in Figure 3. A point is alpha, a mean, and half of its 95 %
    interval or None.
    """
    figure = Figure(figsize=(4.0 * len(curves) + 1.6, 3.8), dpi=DPI, layout="constrained")
    row = figure.subplots(1, len(curves), sharey=True, squeeze=False)[0]
    styles = {"train": "--", "test": "-"}
    for axes, (name, by_split) in zip(row, curves.items()):
        for number, values in enumerate(lines.values(), start=1):
            for split, value in values.items():
                axes.axhline(value, color=f"C{number}", linestyle=styles[split], linewidth=1.2)
        for split, points in by_split.items():
            alpha, mean, half_width = zip(*points)
            errors = [half or np.nan for half in half_width]
            axes.errorbar(alpha, mean, errors, color="C0", linestyle=styles[split], marker="o", markersize=4, capsize=2)
        axes.set_title(name, fontsize=11)
        axes.set_xlabel(r"$\alpha$")
        axes.set_xlim(0, 1)
    row[0].set_ylabel("squared error per image")
    names = [r"by $\alpha$", *lines]
    handles = [Line2D([], [], color=f"C{number}") for number in range(len(names))]
    handles += [Line2D([], [], color="grey", linestyle=style) for style in styles.values()]
    figure.legend(handles, [*names, *styles], loc="outside right center", fontsize=8, frameon=False)
    figure.suptitle(title, fontsize=10)
    return figure
