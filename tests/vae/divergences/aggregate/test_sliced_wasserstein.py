"""The sliced Wasserstein distance: against optimal transport by other means, and the distance of distributions."""

import math
from functools import partial
from itertools import permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import ndtri

from vae.divergences import squared_sliced_wasserstein_distance, squared_wasserstein_distance
from vae.divergences.aggregate.sliced_wasserstein import normal_quantile_means

close = partial(torch.testing.assert_close, rtol=1e-10, atol=1e-13)
PROPERTY = settings(max_examples=40, deadline=None, derandomize=True)


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_against_the_prior_in_one_dimension_it_is_an_integral_over_quantiles(count):
    z = normal(count, 1, seed=1)
    line = z.squeeze(-1).sort().values.tolist()
    pieces = (
        quad(lambda u, x=x: (x - ndtri(u)) ** 2, i / count, (i + 1) / count, epsabs=1e-12)[0]
        for i, x in enumerate(line)
    )
    value = squared_sliced_wasserstein_distance(z, torch.ones(1, 1, dtype=torch.float64))
    assert value.item() == pytest.approx(sum(pieces), rel=1e-8)


def test_between_samples_it_is_the_best_of_all_assignments_in_each_direction():
    z, prior_samples, directions = normal(5, 3, seed=1), normal(5, 3, seed=2), normal(4, 3, seed=3)
    unit = directions / directions.norm(dim=-1, keepdim=True)
    expected = 0.0
    for direction in unit:
        a, b = z @ direction, prior_samples @ direction
        expected += min((a - b[list(order)]).square().mean() for order in permutations(range(5))) / len(unit)
    close(squared_sliced_wasserstein_distance(z, directions, prior_samples), expected)


def test_prior_samples_without_number_are_the_prior_itself():
    z, directions = normal(8, 2, seed=1) + 1, normal(5, 2, seed=2)
    copies = 20_000
    repeated = squared_sliced_wasserstein_distance(
        z.repeat_interleave(copies, 0), directions, normal(8 * copies, 2, seed=3)
    )
    assert abs(repeated - squared_sliced_wasserstein_distance(z, directions)) < 0.02


def test_of_many_samples_it_is_the_distance_of_gaussians():
    """E over theta of (theta . m)^2 + (sqrt(theta S theta) - 1)^2; in two dimensions an integral over an angle."""
    mean, std = torch.tensor([0.7, -0.2]).double(), torch.tensor([0.5, 1.6]).double()
    angle = torch.linspace(0, 2 * math.pi, 1001, dtype=torch.float64)[:-1]
    circle = torch.stack([angle.cos(), angle.sin()], -1)
    expected = ((circle @ mean).square() + ((circle.square() @ std.square()).sqrt() - 1).square()).mean()
    z = mean + std * normal(200_000, 2, seed=1)
    value = squared_sliced_wasserstein_distance(z, circle[::100])
    assert abs(value - expected) < 0.01
    isotropic = squared_sliced_wasserstein_distance(mean + 0.5 * normal(200_000, 2, seed=2), circle[::100])
    zeros = torch.zeros(2, dtype=torch.float64)
    close(isotropic, squared_wasserstein_distance(mean, zeros + math.log(0.25)) / 2, rtol=0, atol=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("closed", [True, False])
def test_unbiased_over_directions_in_value_and_gradient(closed):
    """Over a million directions, within four standard errors of the integral over the circle."""
    z = normal(6, 2, seed=1).requires_grad_()
    prior_samples = None if closed else normal(6, 2, seed=2)
    angle = torch.linspace(0, 2 * math.pi, 100_001, dtype=torch.float64)[:-1]
    circle = torch.stack([angle.cos(), angle.sin()], -1)
    expected = squared_sliced_wasserstein_distance(z, circle, prior_samples)
    (gradient,) = torch.autograd.grad(expected, z)
    sums = squares = 0
    for i in range(10):
        leaves = z.detach().expand(100_000, -1, -1).clone().requires_grad_()
        value = squared_sliced_wasserstein_distance(leaves, normal(100_000, 1, 2, seed=3 + i), prior_samples)
        (slopes,) = torch.autograd.grad(value.sum(), leaves)
        columns = torch.cat([value.detach().unsqueeze(-1), slopes.flatten(1)], -1)
        sums, squares = sums + columns.sum(0), squares + columns.square().sum(0)
    mean = sums / 1e6
    error = ((squares / 1e6 - mean.square()) / 1e6).sqrt()
    wanted = torch.cat([expected.detach().unsqueeze(0), gradient.flatten()])
    assert ((mean - wanted).abs() < 4 * error + 1e-6).all()


def test_bias_of_few_samples_falls_with_their_number():
    """At q = p the distance of the distributions is 0: what is left is the bias, more of it with sampled priors."""
    directions = normal(1, 3, seed=1)
    biases = {}
    for closed in (True, False):
        for count in (8, 64):
            z = normal(2000, count, 3, seed=2)
            prior_samples = None if closed else normal(2000, count, 3, seed=3)
            biases[closed, count] = squared_sliced_wasserstein_distance(z, directions, prior_samples).mean()
    assert biases[True, 8] > 4 * biases[True, 64] > 0
    assert biases[False, 64] > 1.5 * biases[True, 64]


@PROPERTY
@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 1000), st.floats(-3, 3), st.floats(0.01, 3))
def test_non_negative_symmetric_and_zero_for_the_same_samples(count, latent_dim, seed, shift, size):
    z = size * normal(count, latent_dim, seed=seed) + shift
    prior_samples, directions = normal(count, latent_dim, seed=seed + 1), normal(3, latent_dim, seed=seed + 2)
    assert squared_sliced_wasserstein_distance(z, directions) > 0
    value = squared_sliced_wasserstein_distance(z, directions, prior_samples)
    assert value >= 0
    close(squared_sliced_wasserstein_distance(prior_samples, directions, z), value)
    assert squared_sliced_wasserstein_distance(z, directions, z.flip(0)) == 0
    close(squared_sliced_wasserstein_distance(z, -7 * directions, prior_samples), value)
    moved = squared_sliced_wasserstein_distance(z + 2, directions, prior_samples + 2)
    close(moved, value, rtol=1e-8, atol=1e-9)


def test_rotation_of_samples_and_directions():
    z, directions = normal(6, 3, seed=1), normal(4, 3, seed=2)
    rotation = torch.linalg.qr(normal(3, 3, seed=3)).Q
    close(
        squared_sliced_wasserstein_distance(z @ rotation, directions @ rotation),
        squared_sliced_wasserstein_distance(z, directions),
    )


def test_quantile_means():
    for count in (1, 2, 5, 1000):
        means, rest = (part.tolist() for part in normal_quantile_means(count))
        assert sum(means) == pytest.approx(0, abs=1e-12)
        assert means == sorted(means)
        assert 0 < rest <= 1
        assert sum(x * x for x in means) / count + rest == pytest.approx(1)
    assert [part.item() for part in normal_quantile_means(1)] == [0.0, 1.0]
    assert normal_quantile_means(2)[0][1] == pytest.approx(math.sqrt(2 / math.pi))


def test_gradcheck_shapes_and_vmap():
    z, directions = normal(2, 5, 3, seed=1).requires_grad_(), normal(4, 3, seed=2)
    assert torch.autograd.gradcheck(lambda x: squared_sliced_wasserstein_distance(x, directions), (z,))
    prior_samples = normal(5, 3, seed=3).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, p: squared_sliced_wasserstein_distance(x, directions, p), (z, prior_samples)
    )
    value = squared_sliced_wasserstein_distance(z, directions)
    assert value.shape == (2,)
    close(value[1], squared_sliced_wasserstein_distance(z[1], directions))
    close(torch.func.vmap(lambda x: squared_sliced_wasserstein_distance(x, directions))(z), value)


def test_autocast_changes_nothing():
    z, directions = normal(16, 3, dtype=torch.float32), normal(4, 3, seed=1, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value, half = (squared_sliced_wasserstein_distance(x, directions) for x in (z, z.bfloat16()))
    close(value, squared_sliced_wasserstein_distance(z, directions), rtol=0, atol=0)
    assert half.dtype == torch.float32


def test_errors():
    z, directions = normal(5, 3), normal(4, 3)
    with pytest.raises(ValueError, match=r"z must have shape \(..., samples, 3\), got \(3,\)"):
        squared_sliced_wasserstein_distance(z[0], directions)
    with pytest.raises(ValueError, match=r"directions must have shape \(..., directions, 3\), got \(4, 2\)"):
        squared_sliced_wasserstein_distance(z, directions[:, :2])
    with pytest.raises(ValueError, match="prior_samples must be as many as z, 5, got 4"):
        squared_sliced_wasserstein_distance(z, directions, z[:4])
