"""The evidence against closed forms of a linear-Gaussian model, and against quadrature for networks."""

import math

import pytest
import torch
from torch import nn

from linear_gaussian import evidence_of, linear_model, precision_and_gain
from vae.divergences import kl_divergence
from vae.evaluation import evidence
from vae.evaluation.evidence import (
    ADAPTED,
    POSTERIOR,
    bootstrap_interval,
    decode_prior,
    effective_sample_size,
    estimate_evidence,
    importance_log_weights,
    log_evidence,
    prior_sampling,
)
from vae.losses import LOSSES
from vae.means import NonFiniteError

LATENT_DIM, DATA_DIM, SIGMA = 4, 30, 0.5


class LinearEncoder(nn.Module):
    """The exact posterior's mean shifted by so many of its standard deviations, and these times a factor."""

    def __init__(self, decoder: nn.Linear, shift: float, factor: float):
        super().__init__()
        precision, self.gain = precision_and_gain(decoder, SIGMA)
        self.sd = precision.diagonal().rsqrt()
        self.bias, self.shift, self.factor = decoder.bias.detach(), shift, factor

    def forward(self, vectors):
        mean = (vectors - self.bias) @ self.gain + self.shift * self.sd
        return mean, (2 * (self.factor * self.sd).log()).expand_as(mean)


def linear_case(*, orthogonal, shift=0.0, factor=1.0):
    """x = W z + b + sigma e, 8 of its vectors and their log p(x); q can be p(z|x) if W's columns are orthogonal."""
    torch.manual_seed(0)
    decoder = nn.Linear(LATENT_DIM, DATA_DIM)
    nn.init.normal_(decoder.weight)
    if orthogonal:
        with torch.no_grad():
            decoder.weight.copy_(torch.linalg.qr(decoder.weight).Q * torch.tensor([0.1, 1.0, 3.0, 10.0]))
    density = evidence_of(decoder, SIGMA)
    vectors = density.sample((8,)).float()
    model = linear_model(decoder, SIGMA, LinearEncoder(decoder, shift, factor))
    return model, vectors, density.log_prob(vectors.double())


def test_from_the_exact_posterior_every_weight_is_the_evidence():
    model, vectors, exact = linear_case(orthogonal=True)
    log_weights = importance_log_weights(model, vectors, 150, proposal=POSTERIOR)
    assert log_weights.shape == (8, 150)
    assert log_weights.allclose(exact.unsqueeze(1).expand(8, 150), atol=1e-3)
    assert effective_sample_size(log_weights).allclose(torch.full((8,), 150.0).double(), rtol=1e-5)


@pytest.mark.parametrize(("shift", "factor"), [(0, 0.03), (6, 1), (3, 0.1), (0, 8), (0, 1e-30)])
def test_a_posterior_far_from_the_true_one_does_not_bias_the_estimate(shift, factor):
    model, vectors, exact = linear_case(orthogonal=False, shift=shift, factor=factor)
    log_weights = importance_log_weights(model, vectors, 1000)
    assert (log_evidence(log_weights) - exact).abs().max() < 0.1
    assert effective_sample_size(log_weights).min() > 300
    from_posterior = log_evidence(importance_log_weights(model, vectors, 1000, proposal=POSTERIOR))
    assert (exact - from_posterior).mean() > 0.5


def test_the_laplace_approximation_of_a_gaussian_is_the_gaussian(monkeypatch):
    monkeypatch.setattr(evidence, "WIDENING", 1.0)
    model, vectors, exact = linear_case(orthogonal=False, shift=3, factor=0.1)
    log_weights = importance_log_weights(model, vectors, 50, proposal={"laplace": 1.0})
    assert log_weights.allclose(exact.unsqueeze(1).expand(8, 50), atol=0.05)
    assert effective_sample_size(log_weights).min() > 49.9


def test_a_single_draw_from_the_posterior_is_the_elbo_on_average():
    model, vectors, _ = linear_case(orthogonal=False, shift=0.5, factor=0.8)
    mean, logvar = model.encode(vectors)
    with torch.no_grad():
        spread = (model.decoder.weight.square() @ logvar.exp().mT).sum(0) / (2 * SIGMA**2)
        expected = model.likelihood.log_prob(model.decoder(mean), vectors) - spread - kl_divergence(mean, logvar)
    repeated = vectors.repeat_interleave(4000, 0)
    single = log_evidence(importance_log_weights(model, repeated, 1, proposal=POSTERIOR)).view(8, 4000)
    assert ((single.mean(1) - expected).abs() < 4 * single.std(1) / 4000**0.5).all()


def test_more_draws_near_the_evidence_from_below():
    model, vectors, exact = linear_case(orthogonal=False, factor=0.8)
    found = [
        log_evidence(importance_log_weights(model, vectors, samples, proposal=POSTERIOR)).mean()
        for samples in (1, 10, 100, 10_000)
    ]
    assert found == sorted(found)
    assert found[-1].item() == pytest.approx(exact.mean().item(), abs=0.3)


def test_draws_from_the_prior_fall_far_short():
    model, vectors, exact = linear_case(orthogonal=False)
    assert (exact - prior_sampling(model, vectors, decode_prior(model, 1000))).mean() > 3


def test_draws_from_the_prior_do_where_an_image_says_little_of_its_latent():
    model, vectors, _ = linear_case(orthogonal=False)
    with torch.no_grad():
        model.likelihood.log_sigma.fill_(1.0)
        vectors = model.likelihood.sample(model.decoder(model.prior.sample(10)))
    estimate = prior_sampling(model, vectors, decode_prior(model, 20_000))
    assert estimate.allclose(log_evidence(importance_log_weights(model, vectors, 2000)), atol=0.1)


def test_how_many_latents_are_decoded_at_once_does_not_matter(monkeypatch):
    model, vectors, _ = linear_case(orthogonal=False)
    found = []
    for decoded in (250, 7, 1):
        monkeypatch.setattr(evidence, "DECODED", decoded)
        torch.manual_seed(0)
        found.append(importance_log_weights(model, vectors, 130))
    assert found[1].allclose(found[0], rtol=1e-4)
    assert found[2].allclose(found[0], rtol=1e-4)


@pytest.mark.parametrize("samples", [1, 2, 3, 4, 7, 101, 250])
def test_any_number_of_draws_is_dealt_out_to_the_parts_of_the_proposal(samples):
    model, vectors, _ = linear_case(orthogonal=False)
    log_weights = importance_log_weights(model, vectors, samples)
    assert log_weights.shape == (8, samples)
    assert log_weights.isfinite().all()


class Constant:
    """A part of a proposal whose draws are all of one value, for so many images."""

    def __init__(self, value, images):
        self.value, self.images = value, images

    def sample(self, shape):
        return torch.full((*shape, self.images, 2), float(self.value))


def drawn(draws, images=1):
    """How often the parts were drawn from, as shares of all draws of all images, and the shares of the mixture."""
    z, shares = evidence.draw([Constant(value, images) for value in range(3)], draws, list(ADAPTED.values()))
    assert z.shape == (draws, images, 2) and (z[..., 0] == z[..., 1]).all()
    return z[..., 0].flatten().long().bincount(minlength=3) / (draws * images), shares


def test_draws_are_dealt_out_in_rounds_of_about_the_same_size(monkeypatch):
    rounds, draw = [], evidence.draw
    monkeypatch.setattr(evidence, "draw", lambda *given: rounds.append(given[1]) or draw(*given))
    model, vectors, _ = linear_case(orthogonal=False)
    for samples, expected in ((100, [100]), (101, [50, 51]), (201, [67, 67, 67]), (300, [100] * 3), (7, [7])):
        rounds.clear()
        importance_log_weights(model, vectors, samples)
        assert rounds == expected


def test_each_part_of_the_proposal_has_draws_in_every_round():
    for draws in range(5, 101):
        found, shares = drawn(draws)
        assert found.min() > 0 and found.tolist() == pytest.approx(shares)
        assert shares == pytest.approx(list(ADAPTED.values()), abs=0.5 / draws * 2)


def test_draws_too_few_for_all_parts_fall_to_any_of_them_with_the_whole_mixture_as_proposal():
    torch.manual_seed(0)
    found, shares = drawn(2, images=1000)
    assert shares == list(ADAPTED.values())
    assert found.tolist() == pytest.approx(shares, abs=4 * (0.25 / 2000) ** 0.5)


@pytest.mark.slow
@pytest.mark.parametrize("samples", [1, 3, 101])
def test_a_posterior_that_is_too_narrow_does_not_bias_the_weights_of_any_number_of_draws(samples):
    model, vectors, exact = linear_case(orthogonal=False, shift=3, factor=0.1)
    count = 6000 // samples
    relative = (importance_log_weights(model, vectors.repeat_interleave(count, 0), samples)).exp().mean(1)
    each = (relative.log() - exact.repeat_interleave(count)).exp().view(8, count)
    assert ((each.mean(1) - 1).abs() < 4 * each.std(1) / count**0.5).all()


@pytest.mark.slow
def test_weights_of_a_few_draws_are_unbiased():
    model, vectors, exact = linear_case(orthogonal=False, shift=1, factor=0.7)
    repeated = vectors.repeat_interleave(3000, 0)
    relative = (log_evidence(importance_log_weights(model, repeated, 5)) - exact.repeat_interleave(3000)).exp()
    each = relative.view(8, 3000)
    assert ((each.mean(1) - 1).abs() < 4 * each.std(1) / 3000**0.5).all()


class SmallEncoder(nn.Module):
    """Linear in the image: tensors of these shapes."""

    def __init__(self, *shapes: tuple[int, ...]):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Flatten(), nn.Linear(16, math.prod(shape)), nn.Unflatten(-1, shape)) for shape in shapes
        )

    def forward(self, images):
        return tuple(layer(images) for layer in self.layers)


def small_model(loss, rec_dist):
    """An untrained model of 4x4 images with two latent dimensions, and some images as bytes."""
    torch.manual_seed(0)
    options = LOSSES.resolve_options(loss, {})
    if loss == "CatVAE":
        options |= {"classes": 2, "subspace_dim": 1}
    model = LOSSES[loss].build_model((1, 32, 32), 2, rec_dist, options)
    model.encoder = SmallEncoder((2,), (2, 2), (2, 2)) if loss == "CatVAE" else SmallEncoder((2,), (2,))
    model.decoder = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Unflatten(-1, (1, 4, 4)))
    model.data_shape = (1, 4, 4)
    nn.init.normal_(model.decoder[0].weight)
    nn.init.normal_(model.decoder[2].weight)
    with torch.no_grad():
        images = model.sample(6)
    return model, (images.bernoulli() if rec_dist == "bernoulli" else images).mul(255).byte()


def by_quadrature(model, images):
    """log p(x) of images as bytes: the sum over a grid of z, (N,)."""
    step = 0.04
    axis = torch.arange(-8, 8, step)
    z = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        log_prior = model.prior.log_prob(z)
        assert log_prior.exp().sum().item() * step**2 == pytest.approx(1, abs=1e-3)
        decoded = model.decoder(z)
        each = [
            (model.likelihood.log_prob(decoded, image.expand_as(decoded)) + log_prior).double().logsumexp(0)
            for image in images.float() / 255
        ]
    return torch.stack(each) + 2 * math.log(step)


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.0, 0.5])
@pytest.mark.parametrize(("loss", "rec_dist"), [("KL", "bernoulli"), ("CS", "gaussian"), ("CatVAE", "laplace")])
def test_of_a_network_it_is_that_of_quadrature(loss, rec_dist, noise):
    model, images = small_model(loss, rec_dist)
    found = estimate_evidence(model, images, 500, seed=0, noise=noise)
    assert found["mean"] == pytest.approx(by_quadrature(model, images).mean().item(), abs=0.05)
    assert found["effective_sample_size"] > 50
    assert not found["binarised"]


def test_an_estimate_says_what_it_is_of_and_leaves_the_random_stream_alone(monkeypatch):
    monkeypatch.setattr(evidence, "MOST_IMAGES", 3)
    model, images = small_model("KL", "bernoulli")
    done = []
    state = torch.random.get_rng_state()
    first = estimate_evidence(model, images, 10, seed=1, advance=done.append)
    assert torch.random.get_rng_state().equal(state)
    torch.rand(3)
    assert estimate_evidence(model, images, 10, seed=1) == first
    assert estimate_evidence(model, images, 10, seed=2) != first
    assert estimate_evidence(model, images[:3], 10, seed=1) == first
    assert first.keys() == {
        "mean",
        "interval",
        "effective_sample_size",
        "effective_sample_size_low",
        "prior_sampling",
        "prior_sampling_interval",
        "importance_samples",
        "images",
        "binarised",
    }
    assert (first["images"], first["importance_samples"], sum(done)) == (3, 10, 3)
    assert first["interval"][0] <= first["mean"] <= first["interval"][1]
    assert 1 <= first["effective_sample_size_low"] <= first["effective_sample_size"] <= 10
    low, high = first["prior_sampling_interval"]
    assert low <= first["prior_sampling"] <= high


def test_grey_images_are_binarised_for_bernoulli_alone(monkeypatch):
    model, _ = small_model("KL", "bernoulli")
    grey = torch.full((100, 1, 4, 4), 51, dtype=torch.uint8)
    seen = []
    monkeypatch.setattr(
        evidence,
        "importance_log_weights",
        lambda model, images, samples, inputs: seen.append((images, inputs)) or torch.zeros(len(images), samples),
    )
    assert estimate_evidence(model, grey, 2, seed=0)["binarised"]
    assert all(inputs is images for images, inputs in seen)
    images = torch.cat([images for images, _ in seen])
    assert set(images.unique().tolist()) == {0, 1}
    assert images.mean().item() == pytest.approx(0.2, abs=0.04)
    seen.clear()
    estimate_evidence(model, grey, 7, seed=1)
    assert torch.cat([again for again, _ in seen]).equal(images), "the same for every seed and number of draws"
    model, _ = small_model("KL", "gaussian")
    assert not estimate_evidence(model, grey, 2, seed=0)["binarised"]
    assert seen.pop()[0].unique().tolist() == pytest.approx([0.2])


@pytest.mark.slow
def test_the_interval_of_prior_sampling_holds_what_other_draws_would_give():
    model, _ = small_model("KL", "bernoulli")
    images = (torch.rand(300, 1, 4, 4, generator=torch.Generator().manual_seed(0)) < 0.3).to(torch.uint8) * 255
    found = [estimate_evidence(model, images, 30, seed=seed) for seed in range(8)]
    estimates = torch.tensor([each["prior_sampling"] for each in found])
    low, high = torch.tensor([each["prior_sampling_interval"] for each in found]).mT
    assert (high - low).mean() / 2 > 1.5 * estimates.std()


def test_what_is_not_finite_is_an_error():
    model, images = small_model("KL", "bernoulli")
    with torch.no_grad():
        model.decoder[2].bias.fill_(float("inf"))
    with pytest.raises(NonFiniteError, match="the evidence is not finite"):
        estimate_evidence(model, images, 10, seed=0)


def test_the_interval_covers_the_mean_as_often_as_it_says():
    torch.manual_seed(0)
    trials = 150
    covered = 0
    for trial in range(trials):
        values = torch.randn(60, dtype=torch.float64) * 3 + 7
        low, high = bootstrap_interval(values, seed=trial)
        covered += low <= 7 <= high
        assert high - low == pytest.approx(2 * 1.96 * values.std().item() / 60**0.5, rel=0.15)
    assert 0.89 <= covered / trials <= 0.99


def test_the_interval_is_fixed_by_its_seed_and_of_a_single_value_that_value():
    """Its digits are those of scipy's resamples: they may change with scipy, not from run to run."""
    values = torch.randn(50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert bootstrap_interval(values, seed=3) == bootstrap_interval(values, seed=3)
    assert bootstrap_interval(values, seed=3) != bootstrap_interval(values, seed=4)
    assert bootstrap_interval(values[:1], seed=3) == (values[0].item(), values[0].item())


def test_proposals_are_whole():
    assert all(sum(proposal.values()) == pytest.approx(1) for proposal in (ADAPTED, POSTERIOR))
