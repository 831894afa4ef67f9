"""Bounds of the evidence, of linear Gaussian models, whose evidence and posterior are known."""

import pytest
import torch
from torch.distributions import MultivariateNormal

from linear_gaussian import evidence_of, linear_model, precision_and_gain, small_decoder
from vae.evaluation.annealing import Energy, Schedule, anneal, sandwich, simulate, transition, tune
from vae.models import build_model

pytestmark = pytest.mark.slow

SIGMA = 0.3


@pytest.fixture
def model():
    """Its posteriors are narrow in one direction and wide in another."""
    torch.manual_seed(0)
    return linear_model(small_decoder(), SIGMA).eval()


def log_evidence_of(model, data):
    return evidence_of(model.decoder, SIGMA).log_prob(data)


def posterior_of(model, data):
    precision, gain = precision_and_gain(model.decoder, SIGMA)
    return MultivariateNormal(data @ gain, precision_matrix=precision)


def test_the_truth_lies_between_bounds_that_meet(model):
    z, data = simulate(model, 300)
    schedule = tune(model, data[:50], 400)
    bounds, exact = sandwich(model, z, data, schedule, chains=2), log_evidence_of(model, data)
    for difference in (exact - bounds.lower, bounds.upper - exact):
        error = difference.std() / 300**0.5
        assert -4 * error < difference.mean() < 0.07
    assert (bounds.upper - bounds.lower).abs().mean() < 0.5


def test_few_steps_leave_a_gap_on_both_sides(model):
    z, data = simulate(model, 300)
    bounds, exact = sandwich(model, z, data, tune(model, data, 4)), log_evidence_of(model, data)
    assert bounds.lower.mean() < exact.mean() - 0.1
    assert bounds.upper.mean() > exact.mean() + 0.1


def test_weights_have_the_mean_that_they_are_to_have(model):
    """Of 4,000 chains for one example: p(x) from the prior, 1/p(x) from exact draws of the posterior."""
    _, data = simulate(model, 1)
    schedule, data = tune(model, data.expand(200, -1), 20), data.expand(4000, -1)
    energy, exact = Energy(model, data), log_evidence_of(model, data[:1])
    back = Schedule(schedule.betas.flip(0), schedule.step_sizes.flip(0))
    ratios = [(anneal(energy, model.prior.sample(4000), schedule) - exact).exp()]
    ratios.append((anneal(energy, posterior_of(model, data).sample(), back) + exact).exp())
    for ratio in ratios:
        error = ratio.std() / 4000**0.5
        assert error < 0.1
        assert (ratio.mean() - 1).abs() < 4 * error


def test_a_transition_leaves_the_posterior_as_it_is(model):
    _, data = simulate(model, 1)
    data = data.expand(20_000, -1)
    posterior = posterior_of(model, data[:1])
    z = posterior.sample((20_000,)).squeeze(1)
    moved, accepted = transition(Energy(model, data), z, torch.tensor(1.0), 0.2)
    assert 0.3 < accepted.float().mean() < 1
    assert (moved - z).norm(dim=-1)[accepted].min() > 0
    standardised = torch.linalg.solve_triangular(posterior.scale_tril, (moved - posterior.mean).mT, upper=False)[0]
    torch.testing.assert_close(standardised.mean(1), torch.zeros(2), atol=4 / 20_000**0.5, rtol=0)
    torch.testing.assert_close(standardised.cov(), torch.eye(2), atol=6 / 20_000**0.5, rtol=0)


def test_a_pilot_run_finds_the_acceptance_that_it_is_tuned_to(model):
    _, data = simulate(model, 200)
    schedule = tune(model, data, 200)
    assert schedule.betas[0] == 0 and schedule.betas[-1] == 1
    assert (schedule.betas.diff() > 0).all()
    z = posterior_of(model, data).sample()
    _, accepted = transition(Energy(model, data), z, torch.tensor(1.0), schedule.step_sizes[-1])
    assert 0.45 < accepted.float().mean() < 0.85


@pytest.mark.parametrize("rec_dist", ["bernoulli", "gaussian", "laplace"])
def test_bounds_of_a_network_of_images_are_finite_and_in_order(rec_dist):
    torch.manual_seed(0)
    model = build_model((1, 32, 32), 2, rec_dist).eval()
    z, data = simulate(model, 4)
    bounds = sandwich(model, z, data, tune(model, data, 30), chains=2)
    assert bounds.lower.shape == bounds.upper.shape == (4,)
    assert bounds.lower.isfinite().all() and bounds.upper.isfinite().all()
    assert -1 < (bounds.upper - bounds.lower).mean() < 5
