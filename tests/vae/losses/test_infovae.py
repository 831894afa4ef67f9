"""The objectives on the aggregate posterior, against population values, golden values and the formula."""

import json
from pathlib import Path

import pytest
import torch

from vae.divergences import energy_distance, kl_divergence, maximum_mean_discrepancy
from vae.losses import build_loss
from vae.models import VAEOutput, build_model, sample_posterior

ESTIMATORS = {"mmd": maximum_mean_discrepancy, "energy": energy_distance}


def output_of(mean, logvar):
    """A pass through a model with these posteriors and one draw from each."""
    return VAEOutput(mean, logvar, sample_posterior(mean, logvar), torch.empty(0))


def penalty_of(loss, output):
    """What it adds for a model with the prior N(0, I)."""
    model = build_model((2,), latent_dim=output.mean.shape[1], rec_dist="normal")
    return loss.penalty(model, output).value


CASES = json.loads((Path(__file__).parents[2] / "golden" / "golden.json").read_text())
GOLDEN = {"mmd_aggregate": "MMD", "energy_distance_nd": "energy"}


@pytest.mark.parametrize("case", [case for case in CASES if case["divergence"] in GOLDEN], ids=lambda case: case["id"])
def test_batches_average_to_the_golden_value(case):
    """A batch holds draws of the aggregate posterior; the unbiased estimates average to its discrepancy."""
    torch.manual_seed(0)
    mean, logvar = (
        torch.tensor(case.get("agg_mu") or [case["mu"]]),
        torch.tensor(case.get("agg_logvar") or [case["logvar"]]),
    )
    loss = build_loss(GOLDEN[case["divergence"]], dataset_size=1, latent_dim=mean.shape[1])
    model = build_model((2,), latent_dim=mean.shape[1], rec_dist="normal")
    values = []
    for _ in range(600):
        index = torch.randint(len(mean), (64,))
        values.append(loss.penalty(model, output_of(mean[index], logvar[index])).divergence.double())
    values = torch.stack(values)
    assert (values.mean() - float(case["value"])).abs() < 4 * values.std() / 600**0.5
    assert values.std() / 600**0.5 < 0.02 * float(case["value"])


@pytest.mark.parametrize("name", ["mmd", "energy"])
@pytest.mark.parametrize(("alpha", "lambda_"), [(0.0, 500.0), (0.5, 10.0), (-3.0, 2.0), (1.0, 3.0)])
def test_infovae_is_its_formula(name, alpha, lambda_):
    torch.manual_seed(0)
    output = output_of(torch.randn(32, 3), torch.randn(32, 3))
    loss = build_loss(
        "InfoVAE", dataset_size=1, latent_dim=3, info_alpha=alpha, info_lambda=lambda_, info_divergence=name
    )
    kl = kl_divergence(output.mean, output.logvar).mean()
    discrepancy = ESTIMATORS[name](output.z, unbiased=True)
    expected = (1 - alpha) * kl + (alpha + lambda_ - 1) * discrepancy
    assert penalty_of(loss, output).item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_sign_rewards_an_aggregate_posterior_like_the_prior():
    torch.manual_seed(0)
    loss = build_loss("InfoVAE", dataset_size=1, latent_dim=2, info_alpha=1.0)
    prior, narrow = torch.full((2000, 2), 0.5).log(), torch.full((2000, 2), -4.0)
    spread = torch.randn(2000, 2)
    matched = penalty_of(loss, output_of(spread * 0.5**0.5, prior))
    assert matched < penalty_of(loss, output_of(spread * 0.5**0.5, narrow))
    assert matched < penalty_of(loss, output_of(spread * 0.5**0.5 + 2, prior))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mmd", "energy"])
def test_closed_prior_terms_have_less_variance_than_sampled_ones(name):
    """Of batches of 64 from q(z) = p(z), with as many prior samples where these are drawn; both have the mean 0."""
    torch.manual_seed(0)
    z, prior = torch.randn(2, 2000, 64, 4)
    closed, sampled = ESTIMATORS[name](z, unbiased=True), ESTIMATORS[name](z, prior, unbiased=True)
    for values in (closed, sampled):
        assert values.mean().abs() < 4 * values.std() / 2000**0.5
    assert closed.var() < 0.3 * sampled.var()  # a quarter in theory
