import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, ContinuousBernoulli, Laplace, Normal

from vae.models.likelihoods import LIKELIHOODS, build_likelihood
from vae.models.likelihoods.normal import FIRST_SIGMA
from vae.options import OptionError

SHAPE = (5, 2, 4, 4)
FOR_IMAGES = [name for name, likelihood in LIKELIHOODS.items() if likelihood.data == "images"]


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
def test_every_likelihood_offers_what_is_asked_of_it_in_these_shapes(name, output, images):
    if name not in FOR_IMAGES:
        output, images = output[:, 0, 0], images[:, 0, 0]
    likelihood = build_likelihood(name, output.shape[1:]).double()
    with torch.no_grad():
        assert likelihood.mean(output).shape == output.shape
        assert likelihood.reconstruction_error(output, images).shape == (5,)
        assert likelihood.log_prob(output, images.round()).shape == (5,)
        assert likelihood.information(output).shape == output.shape
        assert (likelihood.information(output) >= 0).all()
        assert likelihood.sample(output).shape == output.shape


@pytest.mark.parametrize("name", ["bernoulli", "gaussian", "gaussian-sigma", "laplace", "continuous-bernoulli"])
def test_samples_of_images_have_the_moments_of_the_density(name):
    torch.manual_seed(0)
    likelihood, output = build_likelihood(name, (1, 4, 4)), torch.tensor([-2.0, 0.5, 0.0, 1e-4]).repeat(50_000, 1)
    with torch.no_grad():
        mean, samples = likelihood.mean(output[:1]).squeeze(0), likelihood.sample(output)
        variance = {
            "bernoulli": mean * (1 - mean),
            "gaussian": torch.full_like(mean, 0.5),
            "gaussian-sigma": torch.full_like(mean, FIRST_SIGMA**2),
            "laplace": torch.full_like(mean, 2 / 9),
            "continuous-bernoulli": LIKELIHOODS["continuous-bernoulli"]().information(output[0]),
        }[name]
    torch.testing.assert_close(samples.mean(0), mean, atol=4 * (variance.max().item() / 50_000) ** 0.5, rtol=0)
    torch.testing.assert_close(samples.var(0), variance, atol=0, rtol=0.04)
    if name == "laplace":
        assert (samples - mean).abs().mean().item() == pytest.approx(1 / 3, rel=0.02)


def test_an_unknown_likelihood_is_refused_in_one_line():
    with pytest.raises(OptionError, match="^--rec-dist bernouli: no such likelihood; did you mean bernoulli. choose "):
        build_likelihood("bernouli", SHAPE[1:])


@pytest.mark.parametrize(("name", "shape", "kind"), [("bernoulli", (3,), "vectors"), ("normal", (1, 4, 4), "images")])
def test_a_likelihood_is_of_images_or_of_vectors(name, shape, kind):
    with pytest.raises(OptionError, match=f"^--rec-dist {name}: the data are {kind}: choose from "):
        build_likelihood(name, shape)


DENSITIES = {
    "bernoulli": lambda output: Bernoulli(logits=output),
    "gaussian": lambda output: Normal(output.sigmoid(), 0.5**0.5),
    "laplace": lambda output: Laplace(output.sigmoid(), 1 / 3),
    "continuous-bernoulli": lambda output: ContinuousBernoulli(logits=output, lims=(0.5, 0.5)),
    "gaussian-sigma": lambda output: Normal(output.sigmoid(), 0.1),
    "normal": lambda output: Normal(output, 0.1),
    "normal-diagonal": lambda output: Normal(output, 0.1),
}


@pytest.mark.parametrize("name", DENSITIES)
def test_log_prob_is_the_normalised_density(name, output, images):
    if name == "bernoulli":
        images = images.round()
    output, images = (output, images) if name in FOR_IMAGES else (output[:, 0, 0], images[:, 0, 0])
    likelihood = LIKELIHOODS[name](output.shape[1:]).double()
    expected = DENSITIES[name](output).log_prob(images).flatten(1).sum(-1)
    assert likelihood.log_prob(output, images).allclose(expected, rtol=1e-6)


@pytest.mark.parametrize("name", DENSITIES)
def test_information_is_the_mean_square_of_the_score(name):
    output = torch.tensor([[-3.0, 0.2, 1.5]], dtype=torch.float64)
    many = output.expand(200_000, 3).clone().requires_grad_()
    torch.manual_seed(0)
    samples = DENSITIES[name](output).sample((200_000,)).squeeze(1)
    likelihood = LIKELIHOODS[name]((3,)).double()
    (score,) = torch.autograd.grad(likelihood.log_prob(many, samples).sum(), many)
    assert likelihood.information(output).allclose(score.square().mean(0), rtol=0.03)


@pytest.mark.parametrize("name", FOR_IMAGES)
def test_mean_image_lies_in_the_unit_interval_and_extreme_logits_stay_finite(name, images):
    likelihood = LIKELIHOODS[name]()
    for extreme in (-1e4, 1e4):
        output = torch.full(SHAPE, extreme, requires_grad=True)
        assert ((likelihood.mean(output) >= 0) & (likelihood.mean(output) <= 1)).all()
        error = likelihood.reconstruction_error(output, images.float()).sum()
        error.backward()
        assert torch.isfinite(error)
        assert torch.isfinite(output.grad).all()


@pytest.mark.parametrize(("name", "log_sigma"), [("normal", -0.7), ("normal-diagonal", [-0.7, 0.4, 1.1])])
def test_normals_are_normalised_densities_with_their_learnt_noise(name, log_sigma):
    generator = torch.Generator().manual_seed(0)
    output, x = (torch.randn(5, 3, dtype=torch.float64, generator=generator) for _ in range(2))
    likelihood = LIKELIHOODS[name]((3,)).double()
    with torch.no_grad():
        likelihood.log_sigma.copy_(torch.tensor(log_sigma))
    expected = -Normal(output, likelihood.log_sigma.exp()).log_prob(x).sum(1)
    error = likelihood.reconstruction_error(output, x)
    assert error.allclose(expected, rtol=1e-12)
    assert likelihood.mean(output) is output
    learnt, theirs = (torch.autograd.grad(value.sum(), likelihood.log_sigma)[0] for value in (error, expected))
    assert learnt.allclose(theirs, rtol=1e-10)


def test_samples_of_a_normal_have_its_mean_and_its_noise():
    torch.manual_seed(0)
    likelihood = LIKELIHOODS["normal-diagonal"]((2,))
    with torch.no_grad():
        likelihood.log_sigma.copy_(torch.tensor([0.5, 3.0]).log())
    samples = likelihood.sample(torch.tensor([1.0, -2.0]).expand(10_000, 2))
    sigma = torch.tensor([0.5, 3.0])
    assert ((samples.mean(0) - torch.tensor([1.0, -2.0])).abs() < 4 * sigma / 100).all()
    assert ((samples.std(0) - sigma).abs() < 4 * sigma / (2 * 10_000) ** 0.5).all()


# Logits around the seam of series and closed form, next to 0 and far from it.
ETAS = [-60.0, -5.0, -1.0001, -1.0, -0.9999, -0.3, -1e-5, 0.0, 1e-9, 0.01, 0.7, 1.0, 2.0, 30.0]
ETAS = torch.tensor(ETAS, dtype=torch.float64)


def quadrature(low, high, pieces=400):
    """Points and weights of Gauss-Legendre quadrature in pieces."""
    nodes, weights = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(10))
    edges = torch.linspace(low, high, pieces + 1, dtype=torch.float64)
    half = (high - low) / pieces / 2
    return (edges[:-1, None] + half * (nodes + 1)).flatten(), (half * weights).repeat(pieces)


@pytest.mark.parametrize(("name", "low", "high"), [("continuous-bernoulli", 0, 1), ("gaussian-sigma", -2, 3)])
def test_the_density_is_one_in_all_and_has_its_mean_and_information(name, low, high):
    """The information about the output is the variance of the score, of an exponential family that of x too."""
    likelihood = LIKELIHOODS[name]((1,)).double()
    x, weights = quadrature(low, high)
    for eta in ETAS:
        output = eta.expand(len(x), 1).clone().requires_grad_()
        log_density = likelihood.log_prob(output, x.unsqueeze(1))
        (score,) = torch.autograd.grad(log_density.sum(), output)
        density = (log_density.exp() * weights).detach()
        assert density.sum().item() == pytest.approx(1, abs=1e-10), eta
        assert likelihood.mean(eta.view(1, 1)).item() == pytest.approx((density * x).sum().item(), abs=1e-10), eta
        expected = (density * score.squeeze(1).square()).sum().item()
        assert likelihood.information(eta.view(1, 1)).item() == pytest.approx(expected, rel=1e-8, abs=1e-12), eta


def test_the_continuous_bernoulli_is_as_exact_in_float32():
    likelihood, x = LIKELIHOODS["continuous-bernoulli"](), torch.tensor(0.3, dtype=torch.float64)
    output = ETAS.clone().requires_grad_()
    single = ETAS.float().requires_grad_()
    exact, found = likelihood.pixel_error(output, x), likelihood.pixel_error(single, x.float())
    torch.testing.assert_close(found.double(), exact, rtol=1e-6, atol=1e-6)
    gradients = [torch.autograd.grad(value.sum(), of)[0].double() for value, of in ((found, single), (exact, output))]
    torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-6)
    for quantity in (likelihood.mean, likelihood.information):
        torch.testing.assert_close(quantity(ETAS.float()).double(), quantity(ETAS), rtol=2e-6, atol=0)


def test_a_learnt_sigma_of_images_is_that_of_least_error():
    """At the sigma that is the root of the mean squared error the gradient is zero."""
    generator = torch.Generator().manual_seed(0)
    output, images = torch.randn(SHAPE, generator=generator), torch.rand(SHAPE, generator=generator)
    likelihood = LIKELIHOODS["gaussian-sigma"]()
    with torch.no_grad():
        likelihood.log_sigma.copy_((output.sigmoid() - images).square().mean().sqrt().log())
    likelihood.reconstruction_error(output, images).sum().backward()
    assert abs(likelihood.log_sigma.grad) < 1e-3
