"""Figures of the numbers that runs have left in evaluation.json and metrics.jsonl: a column for each protocol.

Full lines are of the test split and dashed ones of the training split, both at z = posterior mean; dotted ones with the
same colour are the paper's. Where there are several seeds, a line goes through their means and each has its own dot.
What is not there is not drawn.
"""

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from utils.plots import DPI
from utils.protocols import Protocol, evaluated
from utils.report.paper_numbers import PaperNumber, published
from utils.sweeps import Member


class Style(NamedTuple):
    """What a loss is called, and its colour, in every figure."""

    label: str
    color: str


STYLES = {
    "KL": Style("KL(q‖p)", "#0072B2"),
    "rKL": Style("KL(p‖q)", "#56B4E9"),
    "betaH": Style("β-VAE", "#CC79A7"),
    "MMD": Style("MMD", "#009E73"),
    "GJS": Style(r"JS$^G$", "#E69F00"),
    "dGJS": Style(r"JS$_*^G$", "#D55E00"),
    "tGJS": Style(r"JS$^G$, α learnt", "#E69F00"),
    "tdGJS": Style(r"JS$_*^G$, α learnt", "#D55E00"),
}
LEARNT = {"GJS": "tGJS", "dGJS": "tdGJS"}
LINES = {"train": "--", "test": "-"}
PUBLISHED = "published"
SQUARED_ERROR = "squared error per image"
INSET_FROM = 10  # nats between estimates of the evidence; what is near KL(q‖p) is then drawn again, larger
INSET_NATS = (4, 2)  # below and above it
MARKER_SIZE = 4.5

Series = dict[float, list[Member]]  # runs by a value that differs, ascending


def skew_figure(protocols: Sequence[Protocol], loss: str) -> Figure:
    """Figure 3: above, the squared error of GJS or dGJS against alpha; below, the divergence and its two terms (test).

    Horizontal lines are of KL(q‖p) and KL(p‖q), stars of runs whose alpha was learnt, at what it has become.
    """
    figure, (above, below) = columns(protocols, rows=2)
    for axes, protocol in zip(above, protocols):
        for split in LINES:
            baselines(axes, protocol, ("KL", "rKL"), "squared_error", split)
            curve(axes, protocol.over("GJS_A", loss), "squared_error", split, *STYLES[loss])
        published_baselines(axes, protocol, ("KL", "rKL"))
        published_curve(axes, protocol.over("GJS_A", loss), STYLES[loss].color)
        learnt = protocol.of(LEARNT[loss], over="GJS_A")
        stars(axes, evaluated(learnt, "alpha"), evaluated(learnt, "squared_error"), *STYLES[LEARNT[loss]])
    for axes, protocol in zip(below, protocols):
        series = protocol.over("GJS_A", loss)
        baselines(axes, protocol, ("KL", "rKL"), "divergence", "test")
        curve(axes, series, "kl_to_posterior", "test", "between q and N, weight 1 − α", "#882255", marker="v")
        curve(axes, series, "kl_to_prior", "test", "between p and N, weight α", "#999933", marker="^")
        curve(axes, series, "divergence", "test", *STYLES[loss])
        axes.set(xlim=(0, 1), xlabel="α", title="")
    above[0].set_ylabel(SQUARED_ERROR)
    below[0].set_ylabel("divergence (nats)")
    finish(figure, [*above, *below])
    return figure


def skew_paths(protocols: Sequence[Protocol], loss: str) -> Figure:
    """What runs of tGJS or tdGJS went through: the training reconstruction against alpha, each a mean over an epoch.

    A line is a run, a dot one of its epochs, the star its last. The reconstruction is that of a sampled z.
    """
    figure, (row,) = columns(protocols, rows=1)
    epochs = max((protocol.settings["epochs"] for protocol in protocols), default=1)
    colors = ScalarMappable(Normalize(1, max(2, epochs)), colormaps["viridis"])
    for axes, protocol in zip(row, protocols):
        for run in protocol.of(loss, over="GJS_A"):
            epoch, alpha, reconstruction = history(run, "epoch", "alpha", "reconstruction")
            axes.plot(alpha, reconstruction, color="lightgrey", linewidth=1, zorder=1)
            axes.scatter(alpha, reconstruction, s=14, color=colors.to_rgba(epoch), zorder=2)
            stars(axes, alpha[-1:], reconstruction[-1:], *STYLES[loss])
        axes.set(xlabel="α", yscale="log")
        plain_ticks(axes.yaxis)
    row[0].set_ylabel("training reconstruction, z sampled")
    figure.colorbar(colors, ax=row, label="epoch")
    finish(figure, row)
    return figure


def learnt_skew(protocols: Sequence[Protocol]) -> Figure:
    """The alpha of tGJS and tdGJS against the epoch, a line for each run, from where it started."""
    figure, (row,) = columns(protocols, rows=1)
    for axes, protocol in zip(row, protocols):
        for loss in LEARNT.values():
            label, color = STYLES[loss]
            for run in protocol.of(loss, over="GJS_A"):
                epoch, alpha = history(run, "epoch", "alpha")
                start = run.config.loss_options["GJS_A"]
                axes.plot([0, *epoch], [start, *alpha], ".-", color=color, linewidth=1.2, label=label)
        axes.set(xlabel="epoch", ylim=(0, 1))
        axes.set_xlim(left=0)
    row[0].set_ylabel("α, mean over an epoch")
    finish(figure, row)
    return figure


def evidence_figure(protocols: Sequence[Protocol]) -> Figure:
    """Figure 5: log p(x) of test images against alpha for GJS and dGJS, with 95 % intervals; bands for other losses.

    Above is the importance-weighted estimate, below that of prior sampling, which the paper describes. Where estimates
    differ by more than INSET_FROM nats, an inset has those near KL(q‖p).
    """
    figure, (above, below) = columns(protocols, rows=2)
    for axes, under, protocol in zip(above, below, protocols):
        evidence_over_alpha(axes, protocol, "mean", "interval")
        heights = [evidence["mean"] for evidence in evaluated(protocol.runs, "evidence")]
        if (kl := protocol.of("KL")) and max(heights) - min(heights) > INSET_FROM:
            level, (less, more) = fmean(evidence["mean"] for evidence in evaluated(kl, "evidence")), INSET_NATS
            inset = axes.inset_axes((0.11, 0.07, 0.5, 0.42), xlim=(0, 1), ylim=(level - less, level + more))
            evidence_over_alpha(inset, protocol, "mean", "interval")
            inset.set_title("the same near KL(q‖p)", fontsize=7, pad=3)
            inset.tick_params(labelsize=6)
            inset.set_xticks([])
        evidence_over_alpha(under, protocol, "prior_sampling", "prior_sampling_interval")
        under.set(xlim=(0, 1), xlabel="α", title="")
    samples = evaluated(protocols[0].runs, "evidence")[0]["importance_samples"]  # see with_evidence
    above[0].set_ylabel(f"log p(x), K = {samples} (nats)")
    below[0].set_ylabel(f"prior sampling, {samples} draws (nats)")
    finish(figure, above)
    return figure


def evidence_over_alpha(axes: Axes, protocol: Protocol, mean: str, interval: str) -> None:
    """An estimate of the evidence with its interval, each by its name in evaluation.json."""
    for loss in ("KL", "rKL", "MMD"):
        for evidence in evaluated(protocol.of(loss), "evidence"):
            axes.axhspan(*evidence[interval], color=STYLES[loss].color, alpha=0.25, linewidth=0)
            axes.axhline(evidence[mean], color=STYLES[loss].color, label=STYLES[loss].label)
    for loss in ("GJS", "dGJS"):
        label, color = STYLES[loss]
        series = protocol.over("GJS_A", loss)
        means = [fmean(evidence[mean] for evidence in evaluated(runs, "evidence")) for runs in series.values()]
        axes.plot(list(series), means, "o-", color=color, label=label, markersize=MARKER_SIZE)
        for alpha, runs in series.items():
            for evidence in evaluated(runs, "evidence"):
                low, high = evidence[interval]
                errors = [[evidence[mean] - low], [high - evidence[mean]]]
                axes.errorbar(alpha, evidence[mean], errors, fmt=".", color=color, markersize=3, capsize=3)


def beta_figure(protocols: Sequence[Protocol]) -> Figure:
    """Appendix F: the squared error of betaH against beta, and KL(q‖p), which is beta = 1, as a line."""
    figure, (row,) = columns(protocols, rows=1)
    for axes, protocol in zip(row, protocols):
        series = protocol.over("betaH_B", "betaH")
        for split in LINES:
            baselines(axes, protocol, ("KL",), "squared_error", split)
            curve(axes, series, "squared_error", split, *STYLES["betaH"])
        published_curve(axes, series, STYLES["betaH"].color)
        axes.set(xlabel="β", xscale="log")
        axes.set_xticks(list(series), [f"{beta:g}" for beta in series])
        axes.set_xticks([], minor=True)
    row[0].set_ylabel(SQUARED_ERROR)
    finish(figure, row)
    return figure


def weight_figure(protocols: Sequence[Protocol]) -> Figure:
    """Appendix E: the squared error of GJS against alpha, a line for each weight lambda; KL(q‖p) as a line."""
    figure, (row,) = columns(protocols, rows=1)
    for axes, protocol in zip(row, protocols):
        weights = protocol.values("GJS_B", "GJS")
        published_baselines(axes, protocol, ("KL",))
        for split in LINES:
            baselines(axes, protocol, ("KL",), "squared_error", split)
        for weight, color in zip(weights, colormaps["plasma"](np.linspace(0, 0.85, len(weights)))):
            series = protocol.over("GJS_A", "GJS", GJS_B=weight)
            for split in LINES:
                curve(axes, series, "squared_error", split, f"{STYLES['GJS'].label}, λ = {weight:g}", color)
            published_curve(axes, series, color)
        axes.set(xlim=(0, 1), xlabel="α")
    row[0].set_ylabel(SQUARED_ERROR)
    finish(figure, row)
    return figure


def noise_figure(protocols: Sequence[Protocol]) -> Figure:
    """Denoising: above, the squared error against the noise's standard deviation, by loss; below, the learnt alpha."""
    figure, (above, below) = columns(protocols, rows=2)
    for axes, learnt, protocol in zip(above, below, protocols):
        for loss, (label, color) in STYLES.items():
            for split in LINES:
                curve(axes, protocol.over("noise", loss), "squared_error", split, label, color)
        for loss in LEARNT.values():
            curve(learnt, protocol.over("noise", loss), "alpha", "test", *STYLES[loss])
        learnt.set(xlabel="standard deviation of the noise", ylim=(0, 1), title="")
    above[0].set_ylabel(SQUARED_ERROR)
    below[0].set_ylabel("learnt α")
    finish(figure, above)
    return figure


def history(run: Member, *names: str) -> list[list[float]]:
    """What its lines of metrics.jsonl of the training split have under each name."""
    records = [record for record in run.folder.read_metrics() if record["split"] == "train"]
    return [[record[name] for record in records] for name in names]


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


def comparable(run: Member) -> PaperNumber | None:
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
