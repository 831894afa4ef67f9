"""The figure of rate and distortion: what the code of an image costs, and what is lost of the image."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from utils.figures.panels import Series, columns, finish, plain_ticks
from utils.figures.style import LEARNT, MARKER_SIZE, STYLES
from utils.grids.protocols import Protocol, evaluated
from utils.grids.saved import SavedRun

PATHS = (  # flag, loss, symbol, and how far from the ends of the line, in points, its values are
    ("GJS_A", "GJS", "α", (-34, -12)),
    ("GJS_A", "dGJS", "α", (5, 7)),
    ("betaH_B", "betaH", "β", (6, -10)),
)
FAINT = {"fontsize": 6.5, "color": "0.6"}
LEAST_RATE = 0.1  # nats; of a model that uses its latents less there is nothing to be seen near it


def rate_distortion(protocols: Sequence[Protocol]) -> Figure:
    """The test reconstruction against KL(q‖p): what is lost of an image against what its code costs, whatever the loss.

    Lines join GJS and dGJS over alpha and betaH over beta, with values at the ends; thin lines each GJS over lambda.
    Below is the same near KL(q‖p), where there is one that uses its latents; along a dotted line there, the sum of the
    two is the number at its lower end.
    """
    figure, (above, below) = columns(protocols, rows=2, size=(5.4, 4.2), sharex="none")
    for axes, near, protocol in zip(above, below, protocols):
        rate_curves(axes, protocol)
        axes.margins(0.1)
        rate, distortion = (fmean(values or [0]) for values in rate_and_distortion(protocol.of("KL")))
        if enlarged := rate > LEAST_RATE:
            rate_curves(near, protocol)
            least = min(rate_and_distortion(protocol.runs)[1])
            near.set(xlim=(0.5 * rate, 2.2 * rate), ylim=(least - 1, distortion + 0.4 * rate))
            equal_sums(near)
        else:
            near.set_axis_off()
        name_ends(axes, near if enlarged else axes, protocol)
    above[0].set_ylabel("distortion: reconstruction")
    below[0].set_ylabel("the same near KL(q‖p)")
    finish(figure, above)
    return figure


def rate_curves(axes: Axes, protocol: Protocol) -> None:
    """All runs in the plane of rate and distortion, KL(q‖p) on top."""

    def draw(runs: Sequence[SavedRun], line: str, label: str, color: str, **style: Any) -> None:
        axes.plot(*rate_and_distortion(runs), line, color=color, label=label, **style)

    for alpha in protocol.values("GJS_A", "GJS"):
        if len(over_weight := protocol.over("GJS_B", "GJS", GJS_A=alpha)) > 1:
            draw(flat(over_weight), ".-", f"{STYLES['GJS'].label}, each α over λ", STYLES["GJS"].color, linewidth=0.7)
    for flag, loss, *_ in PATHS:
        draw(flat(protocol.over(flag, loss)), "o-", *STYLES[loss], markersize=MARKER_SIZE)
    for loss in LEARNT.values():
        draw(protocol.of(loss), "*", *STYLES[loss], markersize=12)
    for loss in ("rKL", "MMD", "KL"):
        draw(protocol.of(loss), "s", *STYLES[loss])
    axes.set(xlabel="rate: KL(q‖p) (nats)", xscale="log")
    plain_ticks(axes.xaxis)


def name_ends(axes: Axes, near: Axes, protocol: Protocol) -> None:
    """What alpha or beta is at the ends of the lines, in the panel of what is near KL(q‖p) where that shows them."""
    for flag, loss, symbol, place in PATHS:
        runs = flat(protocol.over(flag, loss))
        for run in runs[:1] + runs[1:][-1:]:
            point = [value for (value,) in rate_and_distortion([run])]
            low, high = zip(near.get_xlim(), near.get_ylim())
            panel = near if low[0] < point[0] < high[0] and low[1] < point[1] < high[1] else axes
            text, style = f"{symbol} = {run.config.loss_options[flag]:g}", {"color": STYLES[loss].color, "fontsize": 8}
            panel.annotate(text, point, place, textcoords="offset points", **style)


def flat(series: Series) -> list[SavedRun]:
    """The runs of a series in its order."""
    return [run for runs in series.values() for run in runs]


def rate_and_distortion(runs: Sequence[SavedRun]) -> tuple[list[float], list[float]]:
    """KL(q‖p) and the reconstruction of the test images, both at z = posterior mean."""
    distortion = evaluated(runs, "reconstruction")
    return [-elbo - error for elbo, error in zip(evaluated(runs, "elbo"), distortion)], distortion


def equal_sums(axes: Axes) -> None:
    """Dotted lines, within what the axes show, along which rate + distortion is the same, and how much that is."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    rates = np.geomspace(left, right, 200)
    first, second, *_ = MaxNLocator(9).tick_values(low + left, low + right)
    for total in np.arange(first, high + right, second - first):
        axes.plot(rates, total - rates, ":", color="0.75", linewidth=0.8, zorder=0, scalex=False, scaley=False)
        if left < total - low < right:
            axes.annotate(f"{total:g}", (total - low, low), (3, 2), textcoords="offset points", **FAINT)
