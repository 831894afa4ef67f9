"""Figures of what runs came to, over an option of their loss or a setting: a column for each protocol."""

from collections.abc import Sequence
from statistics import fmean

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from utils.figures.panels import (
    baselines,
    columns,
    curve,
    finish,
    plain_ticks,
    published_baselines,
    published_curve,
    stars,
)
from utils.figures.style import LEARNT, LINES, MARKER_SIZE, SQUARED_ERROR, STYLES
from utils.grids.protocols import Protocol, evaluated
from utils.grids.saved import SavedRun

INSET_FROM = 10  # nats between estimates of the evidence; what is near KL(q‖p) is then drawn again, larger
INSET_NATS = (4, 2)  # below and above it


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


def history(run: SavedRun, *names: str) -> list[list[float]]:
    """What its lines of metrics.jsonl of the training split have under each name."""
    records = [record for record in run.folder.read_metrics() if record["split"] == "train"]
    return [[record[name] for record in records] for name in names]
