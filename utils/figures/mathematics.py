"""Figures of the mathematics: Gaussians, their means and divergences, after Deasy et al. 2020. Of arrays alone."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from utils.figures.style import DPI

P_COLOR, Q_COLOR, MEAN_COLOR = "tab:blue", "tab:red", "tab:green"
LEVEL = 0.7  # share of a fitted Gaussian that its line encloses, where it has one
LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)  # the same, where it has several
PLANE = (-5, 7)  # both axes of Figure 2

Pair = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # p, q, an arithmetic and a geometric curve: each (nodes,)
Fits = tuple[np.ndarray, np.ndarray]  # means and standard deviations of diagonal Gaussians, (..., 2)


def gaussian_example(z: np.ndarray, means: Pair, integrands: Sequence[Pair], *, limit: float) -> Figure:
    """Figure 1: densities p and q over z (nodes,), (a) with two means of them, (b, c, ...) with integrands of JS.

    means: p, q, their arithmetic mean and their normalised geometric mean. integrands: for each pair, p and q with the
    integrands of the arithmetic and of the geometric Jensen-Shannon divergence, alpha = 0.5. Shown is |z| <= limit.
    """
    count = 1 + len(integrands)
    figure = Figure(figsize=(3.9 * count, 3.4), dpi=DPI, layout="constrained")
    panels = figure.subplots(1, count, sharex=True)
    draw_pair(
        panels[0], z, means, MEAN_COLOR, (r"$\frac{1}{2}(p + q)$", r"$\mathcal{N}_{0.5} \propto p^{1/2} q^{1/2}$")
    )
    for axes, pair in zip(panels[1:], integrands):
        draw_pair(axes, z, pair, "black", ("integrand of JS", r"integrand of JS$^G$, $\alpha = 0.5$"))
    for letter, axes in zip("abcdefgh", panels):
        axes.set_title(f"({letter})", fontsize=10)
        axes.set_xlim(-limit, limit)
    return figure


def fitted_gaussians(samples: np.ndarray, fits: dict[str, Fits]) -> Figure:
    """Figure 2: level sets of Gaussians over samples (N, 2) of what they were fitted to, a panel for each, by title.

    The level sets enclose 10, 30, 50, 70 and 90 % of the Gaussian.
    """
    figure = Figure(figsize=(2.7 * len(fits), 3.0), dpi=DPI, layout="constrained")
    panels = figure.subplots(1, len(fits))
    for letter, axes, (title, (mean, std)) in zip("abcdefgh", panels, fits.items()):
        draw_samples(axes, samples)
        for level in LEVELS:
            axes.plot(*level_set(mean, std, level), color="tab:red", linewidth=1.2)
        axes.set_title(f"({letter}) {title}", fontsize=11)
    return figure


def fits_over_alpha(samples: np.ndarray, alpha: np.ndarray, fits: dict[str, Fits]) -> Figure:
    """Gaussians fitted to samples (N, 2) by a divergence of each alpha (A,), a panel for each family of fits, by title.

    Means and standard deviations (A, 2). The line that encloses 70 % of a Gaussian has its alpha's colour.
    """
    figure = Figure(figsize=(3.6 * len(fits) + 0.8, 3.9), dpi=DPI, layout="constrained")
    panels = figure.subplots(1, len(fits))
    for axes, (title, (means, stds)) in zip(panels, fits.items()):
        draw_samples(axes, samples)
        for value, mean, std in zip(alpha, means, stds):
            axes.plot(*level_set(mean, std, LEVEL), color=alpha_color(value), linewidth=1.8)
        axes.set_title(title, fontsize=11)
    alpha_bar(figure, panels)
    return figure


def intermediate_gaussians(
    z: np.ndarray, p: np.ndarray, q: np.ndarray, alpha: np.ndarray, densities: np.ndarray
) -> Figure:
    """Densities p and q over z (nodes,), and between them geometric means (A, nodes), coloured by alpha (A,)."""
    figure = Figure(figsize=(6.4, 3.4), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    draw_densities(axes, z, p, q)
    for value, density in zip(alpha, densities):
        axes.plot(z, density, color=alpha_color(value), linewidth=1.2)
    axes.set_xlim(z[0], z[-1])
    axes.set_ylim(0)
    axes.set_xlabel("$z$")
    axes.legend(fontsize=8, frameon=False)
    alpha_bar(figure, [axes])
    return figure


def divergences_over_alpha(
    alpha: np.ndarray, panels: dict[str, dict[str, np.ndarray]], limits: dict[str, float]
) -> Figure:
    """Divergences against alpha (A,): for each panel, by title, curves (A,) by name; `limits` are horizontal lines."""
    figure = Figure(figsize=(4.2 * len(panels), 3.6), dpi=DPI, layout="constrained")
    row = figure.subplots(1, len(panels), sharey=True)
    for axes, (title, curves) in zip(row, panels.items()):
        for (name, value), color in zip(limits.items(), (Q_COLOR, P_COLOR)):
            axes.axhline(value, color=color, linewidth=1, linestyle="--", label=name)
        for (name, values), style in zip(curves.items(), ("-", "-.", ":")):
            axes.plot(alpha, values, style, color="black", label=name)
        axes.set_title(title, fontsize=11)
        axes.set_xlabel(r"$\alpha$")
        axes.set_xlim(0, 1)
        axes.set_ylim(0)
        axes.legend(fontsize=8)
    row[0].set_ylabel("nats")
    return figure


def level_set(mean: np.ndarray, std: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """The ellipse, x and y, that encloses a share of the Gaussian N(mean, diag std^2) of the plane.

    Its Mahalanobis radius is r with 1 - exp(-r^2 / 2) = share.
    """
    radius = np.sqrt(-2 * np.log1p(-share))
    angle = np.linspace(0, 2 * np.pi, 181)
    return mean[0] + radius * std[0] * np.cos(angle), mean[1] + radius * std[1] * np.sin(angle)


def draw_pair(axes: Axes, z: np.ndarray, pair: Pair, color: str, labels: tuple[str, str]) -> None:
    """Two densities over z, and below or above them an arithmetic and, dotted, a geometric curve."""
    p, q, arithmetic, geometric = pair
    draw_densities(axes, z, p, q)
    axes.plot(z, arithmetic, color=color, label=labels[0])
    axes.plot(z, geometric, color=color, linestyle=":", linewidth=2, label=labels[1])
    axes.axhline(0, color="grey", linewidth=0.5)
    low, high = min(curve.min() for curve in pair), max(curve.max() for curve in pair)
    axes.set_ylim(low - 0.05 * (high - low), high + 0.3 * (high - low))  # room for the legend
    axes.set_xlabel("$z$")
    axes.legend(fontsize=8, ncols=2, loc="upper center", frameon=False)


def draw_densities(axes: Axes, z: np.ndarray, p: np.ndarray, q: np.ndarray) -> None:
    """The densities p and q over z (nodes,)."""
    for density, color, label in ((p, P_COLOR, "$p$"), (q, Q_COLOR, "$q$")):
        axes.plot(z, density, color=color, label=label)
        axes.fill_between(z, density, color=color, alpha=0.12, linewidth=0)


def draw_samples(axes: Axes, samples: np.ndarray) -> None:
    """Samples (N, 2) as faint dots, in the plane of Figure 2."""
    axes.plot(*samples.T, ".", color="black", markersize=1.6, markeredgewidth=0, alpha=0.05, rasterized=True)
    axes.set(xlim=PLANE, ylim=PLANE, xticks=[], yticks=[], aspect="equal")


def alpha_color(alpha: float) -> tuple[float, ...]:
    """The colour of an alpha."""
    return colormaps["viridis"](float(alpha))


def alpha_bar(figure: Figure, panels: Sequence[Axes]) -> None:
    """The bar that tells the colours of alpha."""
    figure.colorbar(ScalarMappable(cmap="viridis"), ax=panels, label=r"$\alpha$")
