"""The mutual information gap against known answers, closed forms and brute force."""

import math

import pytest
import torch

from vae.disentanglement import entropy, gap, mean_information, mutual_information_gaps, sample_information


def grid(*sizes):
    """Every combination of factors of these sizes, (N, K)."""
    return torch.cartesian_prod(*[torch.arange(size) for size in sizes]).view(-1, len(sizes))


NARROW = math.log(1e-4)  # standard deviation 0.01


@pytest.fixture
def factors():
    return grid(3, 6, 10, 8)


def test_aligned_latents_have_a_gap_of_one(factors):
    mean = torch.cat([factors.flip(1), torch.zeros(len(factors), 2)], dim=1).double()
    logvar = torch.full_like(mean, NARROW)
    logvar[:, 4:] = 0  # what is not used is as the prior has it
    gaps = mutual_information_gaps(mean, logvar, factors)
    assert gaps == pytest.approx({"sample": 1, "mean": 1}, abs=1e-6)


def test_duplicated_latents_have_none(factors):
    mean = torch.cat([factors, -3.0 * factors], dim=1).double()
    gaps = mutual_information_gaps(mean, torch.full_like(mean, NARROW), factors)
    assert gaps == pytest.approx({"sample": 0, "mean": 0}, abs=1e-6)


def test_latents_that_know_nothing_have_none(factors):
    mean = torch.zeros(len(factors), 3)
    gaps = mutual_information_gaps(mean, torch.zeros_like(mean), factors)
    assert gaps == pytest.approx({"sample": 0, "mean": 0}, abs=1e-6)


def test_rotated_latents_have_less_and_order_sign_and_scale_do_not_matter(factors):
    mean = (factors - factors.double().mean(0)) / factors.double().std(0)
    logvar = torch.full_like(mean, math.log(0.01))
    aligned = mutual_information_gaps(mean, logvar, factors)
    other = mutual_information_gaps(-5 * mean.flip(1), logvar + 2 * math.log(5), factors)
    assert other == pytest.approx(aligned, abs=2e-3)
    turned = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)).Q
    rotated = mutual_information_gaps(mean @ turned, logvar, factors)
    assert rotated["sample"] < 0.5 * aligned["sample"]
    assert rotated["mean"] < 0.5 * aligned["mean"]


def test_a_single_latent_and_a_factor_of_one_value_are_allowed():
    factors = grid(1, 5)
    gaps = mutual_information_gaps(factors[:, 1:].double(), torch.full((5, 1), NARROW), factors)
    assert gaps == pytest.approx({"sample": 1, "mean": 1}, abs=1e-6)


def test_wrong_shapes_and_constant_factors_are_refused():
    mean = torch.zeros(5, 2)
    with pytest.raises(ValueError, match="expected .N, latent_dim. twice and .N, K."):
        mutual_information_gaps(mean, mean, torch.zeros(4, 1, dtype=torch.int64))
    with pytest.raises(ValueError, match="no factor has two values"):
        mutual_information_gaps(mean, mean, torch.zeros(5, 1, dtype=torch.int64))


def test_two_overlapping_gaussians_have_their_mutual_information():
    """I(z; v) of z ~ N(+-d, 1), by quadrature: d = 1 and d = 3."""
    for d in (1.0, 3.0):
        factor = grid(2)
        z = torch.linspace(-12, 12, 20_001, dtype=torch.float64)
        densities = torch.stack([torch.exp(-0.5 * (z - s * d) ** 2) / math.sqrt(2 * math.pi) for s in (-1, 1)])
        step = 24 / 20_000
        differential = torch.special.entr(densities.mean(0)).sum() * step
        expected = differential.item() - 0.5 * math.log(2 * math.pi * math.e)
        found = sample_information(d * (2 * factor - 1).double(), torch.zeros(2, 1), factor)
        assert found.item() == pytest.approx(expected, abs=1e-5)


def test_density_information_is_monte_carlos_over_all_pairs():
    """Chen et al.'s estimate without short cuts, on posteriors of all widths."""
    torch.manual_seed(0)
    factors = grid(4, 5).repeat(60, 1)
    mean = torch.stack([factors[:, 0] + 0.3 * torch.randn(1200), torch.randn(1200)], dim=1).double()
    logvar = (torch.randn(1200, 2) - 2).double()
    draws, found = 10, sample_information(mean, logvar, factors)
    for j in range(2):
        normal = torch.distributions.Normal(mean[:, j], (0.5 * logvar[:, j]).exp())
        z = normal.sample((draws,)).flatten()
        log_density = normal.log_prob(z.unsqueeze(-1))  # (draws * N, N)
        for k in range(2):
            value = factors[:, k].repeat(draws)
            same = value.unsqueeze(-1) == factors[:, k]
            given = log_density.masked_fill(~same, -math.inf).logsumexp(-1) - same.sum(-1).log()
            ratio = given - (log_density.logsumexp(-1) - math.log(1200))
            error = 4 * ratio.std().item() / len(z) ** 0.5
            assert found[j, k].item() == pytest.approx(ratio.mean().item(), abs=error + 2e-3)


def test_mean_information_is_that_of_the_table_of_bins():
    factors = grid(2, 10)
    mean = torch.stack([factors[:, 1], factors[:, 0] * 7], dim=1).double()
    expected = torch.tensor([[0, math.log(10)], [math.log(2), 0]], dtype=torch.float64)
    torch.testing.assert_close(mean_information(mean, factors), expected, rtol=0, atol=1e-12)


def test_gap_is_relative_to_the_factors_entropy():
    information = torch.tensor([[0.9, 0.1], [0.4, 0.3], [0.1, 0.2]])
    assert gap(information, torch.tensor([1.0, 0.5])) == pytest.approx((0.5 / 1 + 0.1 / 0.5) / 2)
    assert entropy(torch.tensor([0.5, 0.5, 0.0])).item() == pytest.approx(math.log(2))
