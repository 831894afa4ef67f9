import pytest
import torch
from torch.distributions import Bernoulli, Laplace, Normal

from vae.likelihoods import LIKELIHOODS

SHAPE = (5, 2, 4, 4)


@pytest.fixture
def output():
    return torch.randn(SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def images():
    return torch.rand(SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_bernoulli_is_the_cross_entropy(output, images):
    binary = images.round()
    expected = -Bernoulli(logits=output).log_prob(binary).sum((1, 2, 3))
    assert LIKELIHOODS["bernoulli"]().reconstruction_error(output, binary).allclose(expected)


def test_gaussian_is_the_squared_error_of_variance_one_half(output, images):
    density = Normal(output.sigmoid(), 0.5**0.5)
    expected = -density.log_prob(images) + density.log_prob(output.sigmoid())  # the constant left out
    assert LIKELIHOODS["gaussian"]().reconstruction_error(output, images).allclose(expected.sum((1, 2, 3)))


def test_laplace_is_three_times_the_absolute_error(output, images):
    density = Laplace(output.sigmoid(), 1 / 3)
    expected = -density.log_prob(images) + density.log_prob(output.sigmoid())
    assert LIKELIHOODS["laplace"]().reconstruction_error(output, images).allclose(expected.sum((1, 2, 3)))


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_mean_image_lies_in_the_unit_interval_and_extreme_logits_stay_finite(name, images):
    likelihood = LIKELIHOODS[name]()
    for extreme in (-1e4, 1e4):
        output = torch.full(SHAPE, extreme, requires_grad=True)
        assert ((likelihood.mean(output) >= 0) & (likelihood.mean(output) <= 1)).all()
        error = likelihood.reconstruction_error(output, images.float()).sum()
        error.backward()
        assert torch.isfinite(error)
        assert torch.isfinite(output.grad).all()
