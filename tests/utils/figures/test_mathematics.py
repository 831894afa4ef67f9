import numpy as np
import pytest

from utils.figures.mathematics import (
    LEVELS,
    divergences_over_alpha,
    fits_over_alpha,
    fitted_gaussians,
    gaussian_example,
    intermediate_gaussians,
    level_set,
)

SAMPLES = np.random.default_rng(0).standard_normal((50, 2))
Z = np.linspace(-3, 3, 7)
PAIR = tuple(np.full(7, value) for value in (0.1, 0.2, 0.3, -0.4))


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


@pytest.mark.parametrize("share", LEVELS)
def test_a_level_set_encloses_its_share(share):
    mean, std = np.array([1.0, -2.0]), np.array([0.5, 3.0])
    x, y = level_set(mean, std, share)
    squared = ((np.stack([x, y], -1) - mean) / std) ** 2
    radius = squared.sum(-1)
    assert np.allclose(radius, radius[0])
    draws = np.random.default_rng(1).standard_normal((200_000, 2))
    assert np.mean((draws**2).sum(-1) < radius[0]) == pytest.approx(share, abs=4 * 0.5 / np.sqrt(200_000))


def test_figure_1_has_a_panel_of_means_and_one_of_integrands_for_each_pair():
    figure = gaussian_example(Z, PAIR, [PAIR, PAIR], limit=2)
    assert [axes.get_title() for axes in figure.axes] == ["(a)", "(b)", "(c)"]
    for axes in figure.axes:
        assert axes.get_xlim() == (-2, 2)
        for line, curve in zip(axes.lines, PAIR):
            assert np.array_equal(line.get_ydata(), curve)
        low, high = axes.get_ylim()
        assert low < -0.4 < 0.3 < high
    assert legend(figure.axes[0])[:2] == ["$p$", "$q$"]
    assert "integrand of JS" in legend(figure.axes[1])


def test_figure_2_has_a_panel_with_five_level_sets_for_each_fit():
    fits = {name: (np.array([k, 0.0]), np.array([1.0, 2.0])) for k, name in enumerate(("KL", "JS", "JS^G"))}
    figure = fitted_gaussians(SAMPLES, fits)
    assert [axes.get_title() for axes in figure.axes] == ["(a) KL", "(b) JS", "(c) JS^G"]
    for axes, (mean, std) in zip(figure.axes, fits.values()):
        dots, *contours = axes.lines
        assert np.array_equal(dots.get_xydata(), SAMPLES)
        assert axes.get_xlim() == axes.get_ylim() == (-5, 7)
        for contour, share in zip(contours, LEVELS, strict=True):
            assert np.array_equal(contour.get_xydata().T, level_set(mean, std, share))


def test_fits_over_alpha_have_a_line_of_its_colour_for_each_alpha():
    alpha = np.array([0.0, 0.5, 1.0])
    means, stds = np.arange(6.0).reshape(3, 2), np.ones((3, 2))
    figure = fits_over_alpha(SAMPLES, alpha, {"primal": (means, stds), "dual": (stds, stds)})
    for axes in figure.axes[:2]:
        lines = axes.lines[1:]
        assert len({line.get_color() for line in lines}) == len(lines) == 3
    assert np.array_equal(figure.axes[0].lines[2].get_xydata().T, level_set(means[1], stds[1], 0.7))


def test_intermediate_gaussians_lie_between_the_two():
    figure = intermediate_gaussians(Z, PAIR[0], PAIR[1], np.array([0.2, 0.8]), np.stack(PAIR[1:3]))
    curves = [line.get_ydata() for line in figure.axes[0].lines]
    assert np.array_equal(curves, [PAIR[0], PAIR[1], PAIR[1], PAIR[2]])


def test_divergences_over_alpha_have_their_limits_as_lines():
    alpha = np.array([0.0, 0.5, 1.0])
    panels = {"JS^G": {"paper": alpha, "Nielsen": alpha**2}, "dual": {"paper": 1 - alpha}}
    figure = divergences_over_alpha(alpha, panels, {"KL": 1.0, "reverse": 2.0})
    primal, dual = figure.axes
    assert legend(primal) == ["KL", "reverse", "paper", "Nielsen"]
    assert [line.get_ydata()[0] for line in primal.lines[:2]] == [1, 2]
    assert np.array_equal(primal.lines[3].get_ydata(), alpha**2)
    assert np.array_equal(dual.lines[2].get_ydata(), 1 - alpha)
    assert primal.get_ylim() == dual.get_ylim()
