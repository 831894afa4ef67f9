"""The mutual information gap against known answers, quadrature and brute force."""

import math

import pytest
import torch

from vae.evaluation.disentanglement.factors import gaps
from vae.evaluation.disentanglement.mig import (
    mean_information,
    mutual_information_gaps,
    sample_information,
)
from vae.evaluation.information import entropy

NARROW = math.log(1e-4)  # standard deviation 0.01


def grid(*sizes):
    """Every combination of factors of these sizes, (N, K)."""
    return torch.cartesian_prod(*[torch.arange(size) for size in sizes]).view(-1, len(sizes))


def narrow(mean):
    return torch.full_like(mean, NARROW)


def assert_gaps(found, expected, atol=1e-6):
    expected = torch.as_tensor(expected, dtype=torch.float64).expand_as(found.sample)
    torch.testing.assert_close(found.sample, expected, rtol=0, atol=atol)
    torch.testing.assert_close(found.mean, expected, rtol=0, atol=atol)


@pytest.fixture
def factors():
    return grid(3, 6, 10, 8)


def standardised(factors):
    return (factors - factors.double().mean(0)) / factors.double().std(0)


def rotation(size):
    random = torch.randn(size, size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.linalg.qr(random).Q


def test_aligned_latents_have_gaps_of_one(factors):
    mean = torch.cat([factors.flip(1), torch.zeros(len(factors), 2)], dim=1).double()
    logvar = narrow(mean)
    logvar[:, 4:] = 0  # what is not used is as the prior has it
    assert_gaps(mutual_information_gaps(mean, logvar, factors), 1)


def test_duplicated_latents_have_none(factors):
    mean = torch.cat([factors, -3.0 * factors], dim=1).double()
    assert_gaps(mutual_information_gaps(mean, narrow(mean), factors), 0)


def test_only_the_factor_that_is_duplicated_has_none(factors):
    mean = torch.cat([factors, factors[:, 1:2]], dim=1).double()
    assert_gaps(mutual_information_gaps(mean, narrow(mean), factors), [1, 0, 1, 1])


def test_latents_that_know_nothing_have_none(factors):
    mean = torch.zeros(len(factors), 3)
    assert_gaps(mutual_information_gaps(mean, torch.zeros_like(mean), factors), 0)


def test_samples_know_less_than_means(factors):
    mean = factors.double()
    found = mutual_information_gaps(mean, torch.zeros_like(mean), factors)
    torch.testing.assert_close(found.mean, torch.ones_like(found.mean))
    assert (found.sample < 0.6).all()


def test_order_sign_scale_and_place_do_not_matter(factors):
    mean = standardised(factors) @ rotation(4)
    logvar = torch.randn(mean.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 4
    first = mutual_information_gaps(mean, logvar, factors)
    second = mutual_information_gaps(7 - 5 * mean.flip(1), logvar.flip(1) + 2 * math.log(5), factors)
    torch.testing.assert_close(second.sample, first.sample, rtol=0, atol=1e-4)
    torch.testing.assert_close(second.mean, first.mean, rtol=0, atol=2e-2)  # a bin's edge belongs to its upper side
    shuffled = torch.randperm(len(mean), generator=torch.Generator().manual_seed(2))
    third = mutual_information_gaps(mean[shuffled], logvar[shuffled], factors[shuffled])
    torch.testing.assert_close(third.sample, first.sample)
    torch.testing.assert_close(third.mean, first.mean)


def test_rotated_latents_have_less(factors):
    mean = standardised(factors)
    aligned = mutual_information_gaps(mean, narrow(mean), factors)
    rotated = mutual_information_gaps(mean @ rotation(4), narrow(mean), factors)
    assert rotated.sample.mean() < 0.5 * aligned.sample.mean()
    assert rotated.mean.mean() < 0.5 * aligned.mean.mean()


def test_a_single_latent_and_a_factor_of_one_value_are_allowed():
    factors = grid(1, 5)
    mean = factors[:, 1:].double()
    found = mutual_information_gaps(mean, narrow(mean), factors)
    assert found.sample.shape == (1,)
    assert_gaps(found, 1)


def test_wrong_shapes_and_constant_factors_are_refused():
    mean = torch.zeros(5, 2)
    with pytest.raises(ValueError, match="expected .N, latent_dim. twice and .N, K."):
        mutual_information_gaps(mean, mean, torch.zeros(4, 1, dtype=torch.int64))
    with pytest.raises(ValueError, match="no factor has two values"):
        mutual_information_gaps(mean, mean, torch.zeros(5, 1, dtype=torch.int64))


@pytest.mark.parametrize("distance", [0.1, 1, 2, 5])
@pytest.mark.parametrize("sd", [0.01, 1, 1.7])
def test_two_gaussians_have_the_mutual_information_of_quadrature(distance, sd):
    means = torch.tensor([[-distance], [distance]], dtype=torch.float64)
    sds = torch.tensor([[1.0], [sd]], dtype=torch.float64)
    z = torch.linspace(-20, 20, 200_001, dtype=torch.float64)
    joint = torch.distributions.Normal(means, sds).log_prob(z).exp() * (40 / 200_000) / 2
    expected = entropy(joint.sum(0)) + math.log(2) - entropy(joint.flatten())
    found = sample_information(means, 2 * sds.log(), grid(2))
    assert found.item() == pytest.approx(expected.item(), abs=1e-4)


@pytest.fixture(scope="module")
def posteriors():
    """Mean, logvar and factors of 600 images; the posteriors are of very different widths."""
    generator = torch.Generator().manual_seed(0)
    factors = grid(4, 5).repeat(30, 1)
    noise = torch.randn(4, 600, generator=generator, dtype=torch.float64)
    mean = torch.stack([factors[:, 0] + 0.3 * noise[0], 2 * factors[:, 1] + factors[:, 0] + 0.05 * noise[1]], dim=1)
    return mean, torch.stack([noise[2] - 2, 1.5 * noise[3] - 5], dim=1), factors


@pytest.mark.slow
def test_information_is_that_of_the_exact_densities(posteriors):
    """Every Gaussian at every point of a grid that resolves the narrowest."""
    mean, logvar, factors = posteriors
    found = sample_information(mean, logvar, factors)
    for j in range(2):
        normal = torch.distributions.Normal(mean[:, j], (0.5 * logvar[:, j]).exp())
        z = torch.linspace(-10, 20, 30_001, dtype=torch.float64)
        mass = normal.log_prob(z.unsqueeze(-1)).exp() * (30 / 30_000) / len(mean)  # (points, N)
        for k in range(2):
            values = int(factors[:, k].max()) + 1
            joint = torch.zeros(len(z), values, dtype=torch.float64).index_add_(1, factors[:, k], mass)
            expected = entropy(joint.sum(1)) + math.log(values) - entropy(joint.flatten())
            assert found[j, k].item() == pytest.approx(expected.item(), abs=1e-4)


@pytest.mark.slow
def test_information_is_the_authors_estimate(posteriors):
    """Chen et al.'s: samples of posteriors, and the log-densities of each under all posteriors."""
    mean, logvar, factors = posteriors
    found = sample_information(mean, logvar, factors)
    torch.manual_seed(0)
    draws = 20
    for j in range(2):
        normal = torch.distributions.Normal(mean[:, j], (0.5 * logvar[:, j]).exp())
        z = normal.sample((draws,)).flatten()
        log_density = normal.log_prob(z.unsqueeze(-1))  # (draws * N, N)
        for k in range(2):
            same = factors[:, k].repeat(draws).unsqueeze(-1) == factors[:, k]
            given = log_density.masked_fill(~same, -math.inf).logsumexp(-1) - same.sum(-1).log()
            ratio = given - (log_density.logsumexp(-1) - math.log(len(mean)))
            standard_error = ratio.std().item() / len(z) ** 0.5
            assert found[j, k].item() == pytest.approx(ratio.mean().item(), abs=4 * standard_error)


@pytest.mark.slow
@pytest.mark.parametrize("logvar", [-12.0, -20.0, -60.0])
def test_posteriors_much_narrower_than_their_range_are_told_apart(logvar):
    """Where a value's images lie together, however close, the values are known and nothing else is."""
    factors = grid(20, 30)
    mean = torch.stack([100.0 * factors[:, 0], factors[:, 1] - 15.0], dim=1)
    found = sample_information(mean, torch.full_like(mean, logvar), factors)
    expected = torch.tensor([[math.log(20), 0], [0, math.log(30)]], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_mean_information_is_that_of_the_table_of_bins():
    factors = grid(2, 10)
    mean = torch.stack([factors[:, 1], factors[:, 0] * 7, torch.zeros(20)], dim=1).double()
    expected = torch.tensor([[0, math.log(10)], [math.log(2), 0], [0, 0]], dtype=torch.float64)
    torch.testing.assert_close(mean_information(mean, factors), expected, rtol=0, atol=1e-12)


def test_mean_information_has_twenty_bins():
    z = torch.arange(40).double()
    found = mean_information(z.unsqueeze(1), torch.arange(40).unsqueeze(1))
    assert found.item() == pytest.approx(math.log(20), abs=1e-3)


def test_a_gap_is_between_the_two_best_relative_to_the_entropy():
    information = torch.tensor([[0.9, 0.1], [0.4, 0.3], [0.1, 0.2]])
    torch.testing.assert_close(gaps(information, torch.tensor([1.0, 0.5])), torch.tensor([0.5, 0.2]))
    torch.testing.assert_close(gaps(information[:1]), torch.tensor([0.9, 0.1]))
