"""Figures of what runs came to, over an option of their loss or a setting: a column for each group."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from utils.figures.panels import (
    baselines,
    bounds,
    curve,
    finish,
    learners,
    level_families,
    option_axis,
    panels,
    plain_ticks,
    published_baselines,
    published_curve,
    stars,
)
from utils.figures.style import DPI, LINES, MARKER_SIZE, SQUARED_ERROR, family_look, look_of
from utils.grids.saved import SavedRun
from utils.results.groups import RunGroup, estimate, evaluated
from utils.results.labels import learnt_option, swept_option, symbol_of, term_name
from vae.evaluation.statistics import FEWEST_SEEDS, Estimate
from vae.losses import LOSSES

LIMITS = ("KL", "rKL")  # what JS^G and its dual are at the ends of their skew
INSET_FROM = 10  # nats between estimates of the evidence; what is near KL(q‖p) is then drawn again, larger
INSET_NATS = (4, 2)  # below and above it


# Errors


def option_figure(groups: Sequence[RunGroup], loss: str) -> Figure:
    """The squared error of a loss against its swept option, such as β in Appendix F.

    There is a line for each value of its other options, such as the weight λ in Appendix E. Horizontal lines are of
    other losses.
    """
    figure, (row,) = panels(groups, rows=1)
    for axes, group in zip(row, groups):
        errors(axes, group, loss)
    row[0].set_ylabel(SQUARED_ERROR)
    finish(figure, row)
    return figure


def skew_figure(groups: Sequence[RunGroup], loss: str) -> Figure:
    """Figure 3: above, the squared error of GJS or dGJS against alpha; below, the divergence and its two terms (test).

    Horizontal lines are of other losses, below of those alone that the divergence comes to; stars are of runs whose
    alpha was learnt, at what it has become.
    """
    figure, (above, below) = panels(groups, rows=2)
    for axes, group in zip(above, groups):
        errors(axes, group, loss)
        axes.set_xlabel("")
        for learner in learners(group, loss):
            runs, name = group.of(learner), LOSSES[learner].learnt_as
            stars(axes, evaluated(runs, name), evaluated(runs, "squared_error"), *look_of(learner))
    for axes, group in zip(below, groups):
        series = group.series(loss)
        limits = [family for family in level_families(group) if family.loss in LIMITS]
        baselines(axes, limits, "divergence", "test")
        curve(axes, series, "kl_to_posterior", "test", term_name("kl_to_posterior"), "#882255", marker="v")
        curve(axes, series, "kl_to_prior", "test", term_name("kl_to_prior"), "#999933", marker="^")
        curve(axes, series, "divergence", "test", *look_of(loss))
        option_axis(axes, swept_option(loss))
        axes.set_title("")
    above[0].set_ylabel(SQUARED_ERROR)
    below[0].set_ylabel("divergence (nats)")
    finish(figure, [*above, *below])
    return figure


def errors(axes: Axes, group: RunGroup, loss: str) -> None:
    """The squared error of both splits of a loss over its swept option, and that of other losses as lines."""
    families = group.families(loss)
    others = [family for family in level_families(group) if family.loss != loss]
    for split in LINES:
        baselines(axes, others, "squared_error", split)
    several = colormaps["plasma"](np.linspace(0, 0.85, len(families)))
    colors = several if len(families) > 1 else [look_of(loss).color]
    for family, color in zip(families, colors):
        for split in LINES:
            curve(axes, family.series, "squared_error", split, family_look(family).label, color)
    published_baselines(axes, others)
    for family, color in zip(families, colors):
        published_curve(axes, family.series, color)
    option_axis(axes, swept_option(loss), [value for family in families for value in family.series])


def estimates_figure(
    curves: dict[str, dict[str, dict[float, Estimate]]],
    lines: dict[str, dict[str, Estimate]],
    colors: dict[str, str],
    *,
    option: str,
    title: str,
    quantity: str = SQUARED_ERROR,
    together: bool = False,
) -> Figure:
    """A quantity against an option, a panel for each of `curves` or one for all of them `together`, with a horizontal
    line for each of `lines`.

    Both by label and split, curves by value of the option too, and colours by label: train is dashed, test full, as in
    Figure 3. Bars are 95 % intervals.
    """
    count = 1 if together else len(curves)
    figure = Figure(figsize=(4.0 * count + 1.6, 3.8), dpi=DPI, layout="constrained")
    row = figure.subplots(1, count, sharey=True, squeeze=False)[0]
    for axes, (name, by_split) in zip(list(row) * (len(curves) // count), curves.items()):
        for label, values in lines.items():
            for split, value in values.items():
                axes.axhline(value.mean, color=colors[label], linestyle=LINES[split], linewidth=1.2)
        for split, points in by_split.items():
            means = [point.mean for point in points.values()]
            bars = [point.half_width or np.nan for point in points.values()]
            look = {"color": colors[name], "linestyle": LINES[split], "marker": "o", "markersize": 4, "capsize": 2}
            axes.errorbar(list(points), means, bars, **look)
        option_axis(axes, option, [value for shown in curves.values() for value in next(iter(shown.values()))])
        axes.set_title("" if together else name, fontsize=11)
    row[0].set_ylabel(quantity)
    handles = [Line2D([], [], color=colors[label], marker="o", markersize=4) for label in curves]
    handles += [Line2D([], [], color=colors[label]) for label in lines]
    splits = [split for split in LINES if all(split in by_split for by_split in curves.values())]
    handles += [Line2D([], [], color="grey", linestyle=LINES[split]) for split in splits]
    figure.legend(handles, [*curves, *lines, *splits], loc="outside right center", fontsize=8, frameon=False)
    figure.suptitle(title, fontsize=10)
    return figure


def noise_figure(groups: Sequence[RunGroup]) -> Figure:
    """Denoising: above, the squared error against the noise's standard deviation, by loss; below, what is learnt."""
    figure, (above, below) = panels(groups, rows=2)
    for axes, learnt, group in zip(above, below, groups):
        for loss in group.losses:
            for family in group.families(loss, over="noise"):
                for split in LINES:
                    curve(axes, family.series, "squared_error", split, *family_look(family))
        for loss in learners(group):
            for family in group.families(loss, over="noise"):
                curve(learnt, family.series, LOSSES[loss].learnt_as, "test", *family_look(family))
            learnt.set(ylim=bounds(learnt_option(loss)))
        learnt.set(xlabel="standard deviation of the noise", title="")
    above[0].set_ylabel(SQUARED_ERROR)
    below[0].set_ylabel(f"learnt {learnt_symbols(groups)}")
    finish(figure, above)
    return figure


# What is learnt


def learning_paths(groups: Sequence[RunGroup], loss: str) -> Figure:
    """What runs went through that learn an option: the training reconstruction against it, each a mean over an epoch.

    A line is a run, a dot one of its epochs, the star its last. The reconstruction is that of a sampled z.
    """
    figure, (row,) = panels(groups, rows=1)
    epochs = max(group.settings["epochs"] for group in groups)
    colors = ScalarMappable(Normalize(1, max(2, epochs)), colormaps["viridis"])
    for axes, group in zip(row, groups):
        for run in group.of(loss):
            epoch, learnt, reconstruction = history(run, "epoch", LOSSES[loss].learnt_as, "reconstruction")
            axes.plot(learnt, reconstruction, color="lightgrey", linewidth=1, zorder=1)
            axes.scatter(learnt, reconstruction, s=14, color=colors.to_rgba(epoch), zorder=2)
            stars(axes, learnt[-1:], reconstruction[-1:], *look_of(loss))
        axes.set(xlabel=symbol_of(learnt_option(loss)), yscale="log")
        plain_ticks(axes.yaxis)
    row[0].set_ylabel("training reconstruction, z sampled")
    figure.colorbar(colors, ax=row, label="epoch")
    finish(figure, row)
    return figure


def learnt_figure(groups: Sequence[RunGroup]) -> Figure:
    """What losses learn, such as the alpha of tGJS, against the epoch: a line for each run, from where it started."""
    figure, (row,) = panels(groups, rows=1)
    for axes, group in zip(row, groups):
        for loss in learners(group):
            label, color = look_of(loss)
            for run in group.of(loss):
                epoch, learnt = history(run, "epoch", LOSSES[loss].learnt_as)
                start = run.config.loss_options[learnt_option(loss)]
                axes.plot([0, *epoch], [start, *learnt], ".-", color=color, linewidth=1.2, label=label)
            axes.set(ylim=bounds(learnt_option(loss)))
        axes.set_xlabel("epoch")
        axes.set_xlim(left=0)
    row[0].set_ylabel(f"{learnt_symbols(groups)}, mean over an epoch")
    finish(figure, row)
    return figure


def learnt_symbols(groups: Sequence[RunGroup]) -> str:
    """What the options that some of the runs have learnt are called."""
    options = dict.fromkeys(learnt_option(loss) for group in groups for loss in learners(group))
    return ", ".join(map(symbol_of, options))


def history(run: SavedRun, *names: str) -> list[list[float]]:
    """What its lines of metrics.jsonl of the training split have under each name."""
    records = [record for record in run.folder.read_metrics() if record["split"] == "train"]
    return [[record[name] for record in records] for name in names]


# The evidence


def evidence_figure(groups: Sequence[RunGroup], option: str = "GJS_A") -> Figure:
    """Figure 5: log p(x) of test images against an option, with 95 % intervals; bands for losses that do not sweep it.

    Intervals are over seeds where there are enough, see `evidence_over`.

    Above is the importance-weighted estimate, below that of prior sampling, which the paper describes. Where estimates
    differ by more than INSET_FROM nats, an inset has those near KL(q‖p).
    """
    figure, (above, below) = panels(groups, rows=2)
    for axes, under, group in zip(above, below, groups):
        evidence_over(axes, group, option, "mean", "interval")
        heights = [evidence["mean"] for evidence in evaluated(group.runs, "evidence")]
        if (kl := group.of("KL")) and max(heights) - min(heights) > INSET_FROM:
            level, (less, more) = np.mean([one["mean"] for one in evaluated(kl, "evidence")]), INSET_NATS
            inset = axes.inset_axes((0.11, 0.07, 0.5, 0.42))
            evidence_over(inset, group, option, "mean", "interval")
            inset.set(xlabel="", ylim=(level - less, level + more), xticks=[0.1, 0.5, 0.9])
            inset.set_title("the same near KL(q‖p)", fontsize=7, pad=3)
            inset.tick_params(labelsize=6)
        axes.set_xlabel("")
        evidence_over(under, group, option, "prior_sampling", "prior_sampling_interval")
        under.set_title("")
    samples = evaluated(groups[0].runs, "evidence")[0]["importance_samples"]  # see with_evidence
    above[0].set_ylabel(f"log p(x), K = {samples} (nats)")
    below[0].set_ylabel(f"prior sampling, {samples} draws (nats)")
    finish(figure, above)
    return figure


def evidence_over(axes: Axes, group: RunGroup, option: str, mean: str, interval: str) -> None:
    """An estimate of the evidence with its interval, each by its name in evaluation.json.

    The interval is over seeds where there are FEWEST_SEEDS, else that of each run, about the choice of images.
    """
    families = [family for loss in group.losses for family in group.families(loss)]
    curves = [family for family in families if family.flag == option]
    for family in [family for family in families if family.flag != option]:
        label, color = family_look(family)
        for height, low, high in evidence_bars(family.runs, mean, interval):
            axes.axhspan(low, high, color=color, alpha=0.25, linewidth=0)
            axes.axhline(height, color=color, label=label)
    for family in curves:
        label, color = family_look(family)
        means = [estimate(runs, f"evidence {mean}").mean for runs in family.series.values()]
        axes.plot(list(family.series), means, "o-", color=color, label=label, markersize=MARKER_SIZE)
        for value, runs in family.series.items():
            for height, low, high in evidence_bars(runs, mean, interval):
                bars = [[height - low], [high - height]]
                axes.errorbar(value, height, bars, fmt=".", color=color, markersize=3, capsize=3)
    option_axis(axes, option, [value for family in curves for value in family.series])


def evidence_bars(runs: Sequence[SavedRun], mean: str, interval: str) -> list[tuple[float, float, float]]:
    """Height, low and high: of the mean over seeds where there are enough, else of each run."""
    found = estimate(runs, f"evidence {mean}")
    if found.count >= FEWEST_SEEDS:
        return [(found.mean, *found.interval)]
    return [(one[mean], *one[interval]) for one in evaluated(runs, "evidence")]
