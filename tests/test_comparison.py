"""The fits of Figure 2: the published target, and that each fit is the best there is, by other means than its own."""

import itertools
import math
from functools import partial

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal

from notebooks.comparison import CELL, DIVERGENCES, GRID, fit_gaussian, gaussian_log_density, paper_mixture
from vae.divergences.quadrature import grid_geometric_js_divergence

COMPONENTS = [  # weight, variance, mean: the published script's, to the digits recorded
    (0.2811, 0.270, (-0.352, -1.662)),
    (0.2269, 0.253, (-0.146, 3.159)),
    (0.2224, 0.310, (-0.205, -0.720)),
    (0.1638, 0.355, (-1.330, -0.851)),
    (0.0503, 0.383, (0.834, -0.376)),
    (0.0208, 0.398, (0.036, -1.628)),
    (0.0138, 0.345, (3.749, 0.892)),
    (0.0124, 0.520, (0.545, 0.153)),
    (0.0083, 0.491, (-1.633, -0.118)),
]
pytestmark = pytest.mark.slow
every_divergence = pytest.mark.parametrize("name", DIVERGENCES)


@pytest.fixture(scope="module")
def p():
    return paper_mixture()


@pytest.fixture(scope="module")
def fits(p):
    return {name: fit_gaussian(divergence, p) for name, divergence in DIVERGENCES.items()}


@pytest.fixture(scope="module")
def value(p):
    """A divergence, by name, of N(mean, diag std^2) and the target."""
    log_p = p.log_prob(GRID)
    return lambda name, mean, std: DIVERGENCES[name](gaussian_log_density(mean, std), log_p, cell=CELL)


def test_the_target_is_the_papers(p):
    weight, gaussians = p.mixture_distribution.probs, p.component_distribution
    order = weight.argsort(descending=True)
    assert weight[order[-1]] < 1e-4
    for k, (expected_weight, variance, mean) in zip(order, COMPONENTS):
        assert weight[k].item() == pytest.approx(expected_weight, abs=6e-5)
        assert gaussians.variance[k].tolist() == pytest.approx([variance, variance], abs=6e-4)
        assert gaussians.mean[k].tolist() == pytest.approx(mean, abs=6e-4)


def test_the_grid_holds_the_target_and_the_fits(p, fits):
    for log_density in (p.log_prob(GRID), *(gaussian_log_density(*fit) for fit in fits.values())):
        assert (log_density.exp() * CELL).sum().item() == pytest.approx(1, abs=1e-9)


def test_the_fit_of_maximum_likelihood_has_the_moments_of_the_target(p, fits):
    mean, std = fits["KL(p‖q)"]
    torch.testing.assert_close(mean, p.mean, rtol=0, atol=1e-6)
    torch.testing.assert_close(std, p.variance.sqrt(), rtol=0, atol=1e-6)


@every_divergence
def test_no_other_gaussian_is_better(name, p, fits, value):
    """Neither one of a lattice over all means and standard deviations in question, nor one close by."""
    axes = np.arange(-1.5, 4.1, 0.5), np.arange(-2.5, 4.1, 0.5), (0.3, 0.6, 1.0, 1.5), (0.3, 0.6, 1.0, 1.5, 2.0, 2.6)
    lattice = torch.tensor(list(itertools.product(*axes)), dtype=torch.float64)
    axis = torch.linspace(-12, 12, 61, dtype=torch.float64)
    coarse = torch.cartesian_prod(axis, axis)
    log_p = p.log_prob(coarse)
    lowest = math.inf
    for part in lattice.split(500):
        log_q = Independent(Normal(part[:, None, :2], part[:, None, 2:]), 1).log_prob(coarse)
        lowest = min(lowest, DIVERGENCES[name](log_q, log_p, cell=0.16).min().item())
    mean, std = fits[name]
    best = value(name, mean, std)
    assert best < lowest
    for step in torch.cat([torch.eye(4), -torch.eye(4)]).double() * 1e-3:
        assert value(name, mean + step[:2], std + step[2:]) > best


def test_divergences_by_sampling(p, fits, value):
    """At the fit by JS^G, from samples of p and q; 4 standard errors of each."""
    torch.manual_seed(0)
    mean, std = fits["JS^G"]
    q = Independent(Normal(mean, std), 1)
    count = 400_000
    x, z = p.sample((count,)), q.sample((count,))
    ratio_p, ratio_q = p.log_prob(x) - q.log_prob(x), q.log_prob(z) - p.log_prob(z)
    root = torch.exp(-ratio_q / 2)  # sqrt(p / q), whose mean over q is the normaliser of the geometric mean
    of_log = root / root.mean()  # has the spread of the logarithm of that mean

    def check(name, estimate, *errors):
        error = math.hypot(*(term.std().item() / math.sqrt(count) for term in errors))
        assert value(name, mean, std).item() == pytest.approx(estimate.item(), abs=4 * error)

    check("KL(p‖q)", ratio_p.mean(), ratio_p)
    check("KL(q‖p)", ratio_q.mean(), ratio_q)
    halves = [torch.nn.functional.logsigmoid(ratio) / 2 for ratio in (ratio_p, ratio_q)]
    check("JS", math.log(2) + halves[0].mean() + halves[1].mean(), *halves)
    check("JS^G", (ratio_p.mean() + ratio_q.mean()) / 4 + root.mean().log(), ratio_p / 4, ratio_q / 4 + of_log)
    check("JS*^G", -root.mean().log(), of_log)


def test_starts_do_not_matter(p, fits):
    for name in ("JS", "JS^G"):
        for found, expected in zip(fit_gaussian(DIVERGENCES[name], p, seed=1), fits[name], strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dual", [False, True])
def test_fits_over_alpha_end_at_the_two_kl(dual, p, fits):
    alpha = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    divergence = partial(grid_geometric_js_divergence, alpha=alpha, dual=dual)
    found = fit_gaussian(divergence, p, shape=(3,))
    names = ["KL(q‖p)", "JS^G", "KL(p‖q)"] if not dual else ["KL(p‖q)", "JS*^G", "KL(q‖p)"]
    for i, name in enumerate(names):
        for values, expected in zip(found, fits[name], strict=True):
            torch.testing.assert_close(values[i], expected, rtol=0, atol=1e-5)
