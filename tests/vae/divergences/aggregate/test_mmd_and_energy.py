"""MMD and the energy distance: samples against population forms, and both against what they should be."""

import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vae.divergences import (
    aggregate_mmd,
    energy_distance,
    gaussian_energy_distance,
    gaussian_imq_mmd,
    gaussian_mmd,
    imq_mmd,
    maximum_mean_discrepancy,
)

PROPERTY = settings(max_examples=30, deadline=None, derandomize=True)
POPULATION = {"mmd": gaussian_mmd, "imq": gaussian_imq_mmd, "energy": gaussian_energy_distance}
SAMPLES = {"mmd": maximum_mean_discrepancy, "imq": imq_mmd, "energy": energy_distance}
each = pytest.mark.parametrize("name", SAMPLES)
close = partial(torch.testing.assert_close, rtol=1e-10, atol=1e-13)


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def imq_kernel(difference):
    """Of Tolstikhin et al. 2018, summed over its seven scales."""
    base, square = 2 * difference.shape[-1], difference.square().sum(-1)
    return sum(base * scale / (base * scale + square) for scale in (0.1, 0.2, 0.5, 1, 2, 5, 10))


def vectors(low, high, size=3):
    numbers = st.floats(low, high, allow_subnormal=False)
    return st.lists(numbers, min_size=size, max_size=size).map(lambda x: torch.tensor(x, dtype=torch.float64))


@each
@PROPERTY
@given(vectors(-5, 5), vectors(-4, 4))
def test_population_is_non_negative(name, mean, logvar):
    assert POPULATION[name](mean, logvar) >= 0
    zeros = torch.zeros(3, dtype=torch.float64)
    assert POPULATION[name](zeros, zeros) == 0


@each
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_population_is_never_negative_near_the_prior(name, dtype):
    directions = normal(100, 6, dtype=dtype)
    for size in 10.0 ** torch.arange(-12, 0):
        mean, logvar = (size * directions).split(3, -1)
        assert POPULATION[name](mean, logvar).min() >= 0


@each
@pytest.mark.parametrize("change", [(0.01, 0.0), (0.0, 0.01)])
def test_population_is_zero_only_at_the_prior(name, change):
    mean, logvar = torch.zeros(2, 3, dtype=torch.float64)
    mean[1], logvar[1] = change
    assert POPULATION[name](mean, logvar) > 1e-7


@PROPERTY
@given(vectors(-5, 5), vectors(-4, 4), st.floats(0.1, 20))
def test_gaussian_mmd_is_the_textbook_formula(mean, logvar, scale):
    variance = logvar.exp()
    within = (1 + 4 * variance / scale).rsqrt().prod()
    total = 1 + variance
    across = ((1 + 2 * total / scale).rsqrt() * torch.exp(-mean.square() / (scale + 2 * total))).prod()
    close(gaussian_mmd(mean, logvar, scale), within + (1 + 4 / scale) ** -1.5 - 2 * across, rtol=1e-9)
    close(aggregate_mmd(mean[None], logvar[None], scale), gaussian_mmd(mean, logvar, scale), rtol=1e-9)


@pytest.mark.parametrize("mean", [0.0, 1e-3, 1.0, 50.0, 1e3])
@pytest.mark.parametrize("logvar", [-30.0, -10.0, -1.0, 0.0, 2.0, 10.0, 30.0])
def test_energy_distance_in_one_dimension(mean, logvar):
    def expected_distance(mean, variance):
        gauss = math.sqrt(2 * variance / math.pi) * math.exp(-(mean**2) / (2 * variance))
        return gauss + mean * math.erf(mean / math.sqrt(2 * variance))

    deviation = math.exp(logvar / 2)
    expected = 2 * expected_distance(mean, 1 + deviation**2) - 2 * (1 + deviation) / math.sqrt(math.pi)
    arguments = torch.tensor([mean], dtype=torch.float64), torch.tensor([logvar], dtype=torch.float64)
    rounding = 1e-15 * (abs(mean) + deviation + 1)  # of the textbook formula above
    assert abs(gaussian_energy_distance(*arguments) - expected) < 1e-11 * expected + 4 * rounding
    single = gaussian_energy_distance(*(x.float() for x in arguments)).double()
    assert abs(single - expected) < 1e-5 * expected + 1e-6


@pytest.mark.slow
@each
@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("closed", [False, True])
def test_samples_against_population(name, unbiased, closed):
    """The mean over many data sets is the population value, plus the known bias of the V-statistic."""
    sets, count, latent_dim = 2000, 16, 3
    mean, logvar = 0.3 * normal(latent_dim, seed=1), 0.5 * normal(latent_dim, seed=2)
    z = mean + torch.exp(logvar / 2) * normal(sets, count, latent_dim, seed=3)
    prior_samples = None if closed else normal(sets, count, latent_dim, seed=4)
    values = SAMPLES[name](z, prior_samples, unbiased=unbiased)
    assert values.shape == (sets,)
    expected = POPULATION[name](mean, logvar)
    if not unbiased:
        if name == "mmd":
            self_q = (1 + 4 * logvar.exp() / latent_dim).rsqrt().prod()
            self_p = (1 + 4 / latent_dim) ** (-latent_dim / 2)
            bias_q, bias_p = (1 - self_q) / count, (1 - self_p) / count
        elif name == "imq":
            pairs = math.sqrt(2) * normal(200_000, latent_dim, seed=5)
            self_q = imq_kernel(torch.exp(logvar / 2) * pairs).mean()
            bias_q, bias_p = (7 - self_q) / count, (7 - imq_kernel(pairs).mean()) / count
        else:
            pairs = torch.exp(logvar / 2) * math.sqrt(2) * normal(200_000, latent_dim, seed=5)
            bias_q = pairs.norm(dim=-1).mean() / count
            bias_p = 2 * math.gamma(2) / math.gamma(1.5) / count
        expected = expected + bias_q + (0 if closed else bias_p)
        assert values.min() >= 0
    assert abs(values.mean() - expected) < 4 * values.std() / math.sqrt(sets)


def test_aggregate_mmd_against_samples():
    mean, logvar = normal(6, 2, seed=1), normal(6, 2, seed=2)
    posterior = torch.randint(6, (2000, 16), generator=torch.Generator().manual_seed(3))
    z = mean[posterior] + torch.exp(logvar[posterior] / 2) * normal(2000, 16, 2, seed=4)
    values = maximum_mean_discrepancy(z, unbiased=True)
    assert abs(values.mean() - aggregate_mmd(mean, logvar)) < 4 * values.std() / math.sqrt(len(values))
    close(aggregate_mmd(mean, logvar[0]), aggregate_mmd(mean, logvar[0].expand(6, 2)))
    with pytest.raises(ValueError, match=r"mean must have shape \(..., N, latent_dim\), got \(2,\)"):
        aggregate_mmd(mean[0], logvar[0])


@each
@pytest.mark.parametrize("unbiased", [False, True])
def test_samples_are_the_textbook_sums(name, unbiased):
    z, prior_samples = normal(5, 3, seed=1), normal(7, 3, seed=2)

    def mean_over_pairs(a, b, same):
        difference = a[:, None] - b[None]
        kernels = {
            "mmd": lambda d: torch.exp(-d.square().sum(-1) / 3),
            "imq": imq_kernel,
            "energy": lambda d: -d.square().sum(-1).sqrt(),
        }
        values = kernels[name](difference)
        keep = ~torch.eye(len(a), dtype=bool) if same and unbiased else torch.ones_like(values, dtype=bool)
        return values[keep].mean()

    expected = mean_over_pairs(z, z, True) + mean_over_pairs(prior_samples, prior_samples, True)
    expected = expected - 2 * mean_over_pairs(z, prior_samples, False)
    close(SAMPLES[name](z, prior_samples, unbiased=unbiased), expected)


@each
def test_closed_prior_terms_are_the_mean_over_prior_samples(name):
    z = 2 * normal(8, 4, seed=1)
    values = SAMPLES[name](z, normal(300, 100, 4, seed=2), unbiased=True)
    closed = SAMPLES[name](z, unbiased=True)
    assert abs(values.mean() - closed) < 4 * values.std() / math.sqrt(len(values))


@pytest.mark.parametrize("size", [1e-6, 1e-2, 1.0, 30.0, 1e4])
def test_expected_distance_from_the_prior_in_three_dimensions(size):
    """E||z - p|| = (r + 1/r) erf(r / sqrt 2) + sqrt(2/pi) exp(-r^2/2), r = ||z||, from a single sample."""
    z = torch.tensor([[size / 3, -2 * size / 3, 2 * size / 3]], dtype=torch.float64)
    expected = (size + 1 / size) * math.erf(size / math.sqrt(2))
    expected += math.sqrt(2 / math.pi) * math.exp(-(size**2) / 2)
    distance = (energy_distance(z) + 4 / math.sqrt(math.pi)) / 2
    assert abs(distance - expected) < 1e-11 * expected


@each
def test_translation_and_rotation_of_samples(name):
    z, prior_samples = normal(6, 3, seed=1), normal(7, 3, seed=2)
    rotation, shift = torch.linalg.qr(normal(3, 3, seed=3)).Q, normal(3, seed=4)
    value = SAMPLES[name](z, prior_samples)
    close(SAMPLES[name](z @ rotation + shift, prior_samples @ rotation + shift), value)
    close(SAMPLES[name](z @ rotation), SAMPLES[name](z))
    assert (SAMPLES[name](2 * z, 2 * prior_samples) - value).abs() > 1e-3


@each
def test_exchanging_the_samples(name):
    z, prior_samples = normal(6, 3, seed=1), normal(7, 3, seed=2)
    close(SAMPLES[name](z, prior_samples), SAMPLES[name](prior_samples, z))
    close(SAMPLES[name](z, z), torch.zeros((), dtype=torch.float64))


@each
@pytest.mark.parametrize("unbiased", [False, True])
def test_gradcheck_of_samples(name, unbiased):
    z, prior_samples = normal(4, 3, seed=1).requires_grad_(), normal(5, 3, seed=2).requires_grad_()
    function = partial(SAMPLES[name], unbiased=unbiased)
    assert torch.autograd.gradcheck(function, (z, prior_samples))
    assert torch.autograd.gradcheck(function, (z,))


@pytest.mark.parametrize("function", [gaussian_mmd, gaussian_imq_mmd, aggregate_mmd, gaussian_energy_distance])
def test_gradcheck_of_populations(function):
    mean, logvar = normal(4, 3, seed=1).requires_grad_(), normal(4, 3, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(function, (mean, logvar))


@each
def test_gradient_of_coinciding_samples_is_finite(name):
    z = torch.zeros(4, 3, requires_grad=True)
    SAMPLES[name](z).backward()
    assert z.grad.isfinite().all()


@each
def test_populations_are_finite_in_float32(name):
    logvar = torch.cartesian_prod(*[torch.tensor([-30.0, -10.0, -1e-4, 0.0, 1e-4, 10.0, 30.0])] * 2)
    for size in (0.0, 1e-4, 1.0, 50.0):
        mean, leaf = torch.full_like(logvar, size).requires_grad_(), logvar.clone().requires_grad_()
        value = POPULATION[name](mean, leaf)
        value.sum().backward()
        assert value.isfinite().all() and (value >= 0).all()
        assert mean.grad.isfinite().all() and leaf.grad.isfinite().all()


@each
def test_shapes(name):
    z, prior_samples = normal(2, 4, 5, 3, seed=1), normal(4, 6, 3, seed=2)
    value = SAMPLES[name](z, prior_samples)
    assert value.shape == (2, 4)
    close(value[1, 2], SAMPLES[name](z[1, 2], prior_samples[2]))
    close(SAMPLES[name](z)[1, 2], SAMPLES[name](z[1, 2]))
    mean, logvar = normal(2, 4, 5, 3)
    value = POPULATION[name](mean, logvar[:, :1])
    assert value.shape == (4, 5)
    close(value[3, 2], POPULATION[name](mean[3, 2], logvar[3, 0]))
    if name == "mmd":
        close(aggregate_mmd(mean, logvar)[1], aggregate_mmd(mean[1], logvar[1]))


@each
def test_autocast_changes_nothing(name):
    z = normal(16, 3, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value, half = SAMPLES[name](z), SAMPLES[name](z.bfloat16())
    close(value, SAMPLES[name](z), rtol=0, atol=0)
    assert half.dtype == torch.float32


@each
def test_errors(name):
    z = normal(5, 3)
    with pytest.raises(ValueError, match=r"z must have shape \(..., samples, 3\), got \(3,\)"):
        SAMPLES[name](z[0])
    with pytest.raises(ValueError, match=r"prior_samples must have shape \(..., samples, 3\), got \(5, 2\)"):
        SAMPLES[name](z, z[:, :2])
    with pytest.raises(ValueError, match="z must hold at least 2 samples if unbiased, got 1"):
        SAMPLES[name](z[:1], unbiased=True)
    with pytest.raises(ValueError, match="z must hold at least 1 sample, got 0"):
        SAMPLES[name](z[:0])
    with pytest.raises(ValueError, match=r"mean \(5, 3\), logvar \(5, 2\)"):
        POPULATION[name](z, z[:, :2])


@pytest.mark.parametrize("scale", [0.0, -1.0, math.inf, math.nan])
def test_scale_errors(scale):
    z = normal(5, 3)
    for call in (
        partial(gaussian_mmd, z, z),
        partial(aggregate_mmd, z, z),
        partial(maximum_mean_discrepancy, z),
    ):
        with pytest.raises(ValueError, match="scale must be positive and finite"):
            call(scale=scale)
