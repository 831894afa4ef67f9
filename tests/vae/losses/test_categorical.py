"""CatVAE and InfoCatVAE against brute force, Monte Carlo and special cases."""

import math

import pytest
import torch

from vae.divergences import kl_divergence
from vae.losses import LOSSES, build_loss
from vae.models.categorical import build_categorical_model
from vae.models.priors import SubspaceMixture

SMALL = {"classes": 3, "subspace_dim": 2, "prior_scale": 1.5}


def make(name="CatVAE", **options):
    """A loss and its model in float64, with classes that are neither certain nor equally likely."""
    options = LOSSES.resolve_options(name, {**SMALL, **options})
    latent_dim = LOSSES[name].fixed_latent_dim(options)
    torch.manual_seed(0)
    model = LOSSES[name].build_model((1, 32, 32), latent_dim, "gaussian", options).double()
    torch.nn.init.normal_(model.encoder.class_head.weight, std=0.1)
    return build_loss(name, dataset_size=8, latent_dim=latent_dim, **options), model


@pytest.fixture
def images():
    return torch.rand(8, 1, 32, 32, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def without_noise(monkeypatch):
    """Every sample of a posterior is its mean."""
    monkeypatch.setattr("vae.models.categorical.sample_posterior", lambda mean, logvar: mean)


def every_decode(model, images):
    """Probabilities (N, K) and reconstruction errors (N, K) at each class's mean, a loop over the classes."""
    logits, mean, _ = model.posterior_components(images)
    errors = [
        model.likelihood.reconstruction_error(model.decoder(mean[:, c]), images) for c in range(model.prior.classes)
    ]
    return logits.softmax(-1), torch.stack(errors, dim=1)


def test_reconstruction_is_the_expectation_over_classes(monkeypatch, images):
    loss, model = make()
    without_noise(monkeypatch)
    probabilities, errors = every_decode(model, images)
    assert 0.01 < probabilities.min() < probabilities.max() < 0.99
    expected = (probabilities * errors).sum(-1)
    output = model(images)
    assert len(output.z) == 24
    torch.testing.assert_close(model.reconstruction_error(output, images), expected, rtol=1e-12, atol=0)
    assert loss(model, images).reconstruction.item() == pytest.approx(expected.mean().item(), rel=1e-12)


def test_gradient_is_that_of_the_expectation(monkeypatch, images):
    loss, model = make()
    without_noise(monkeypatch)
    loss(model, images).reconstruction.backward()
    found = {name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None}
    model.zero_grad()
    probabilities, errors = every_decode(model, images)
    (probabilities * errors).sum(-1).mean().backward()
    assert found.keys() == {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, model.get_parameter(name).grad, rtol=1e-9, atol=1e-12, msg=name)


@pytest.mark.slow
def test_rare_classes_are_decoded_rarely_and_the_expectation_stays(monkeypatch, images):
    """Of classes of 98 %, 1.8 % and 0.2 % the first two are always decoded, and the last one time in four."""
    _, model = make()
    without_noise(monkeypatch)
    with torch.no_grad():
        model.encoder.class_head.bias.copy_(torch.tensor([4.0, 0.0, -2.0]))
        images = images[:1].expand(2000, -1, -1, -1)
        probabilities, errors = (values[0] for values in every_decode(model, images[:1]))
        assert probabilities[1] > 0.01 > 2 * probabilities[2]
        output = model(images)
        found = model.reconstruction_error(output, images)
        weights = torch.zeros(2000, dtype=torch.float64).index_add(0, output.image, output.weight)
    chance = probabilities[2] / 0.01
    assert len(output.z) == pytest.approx(2000 * (2 + chance.item()), rel=0.03)
    for values, expected in ((found, (probabilities * errors).sum()), (weights, torch.ones(()))):
        assert (values.mean() - expected).abs() < 4 * values.std() / 2000**0.5
        assert values.std() < 0.01 * expected  # a rare class counts as 1 % or not at all


def test_divergence_against_monte_carlo(images):
    """log q(c|x) q(z|x,c) - log p(c) p(z|c), averaged over samples of q."""
    loss, model = make()
    normal = torch.distributions.Normal
    with torch.no_grad():
        output = model.eval()(images)
        penalty = loss.penalty(model, output)
        kl, extras = penalty.divergence, penalty.extras
        count = 20_000
        label = torch.distributions.Categorical(logits=output.logits).sample((count,))  # (count, N)
        image = torch.arange(len(images)).expand_as(label)
        q = normal(output.class_mean[image, label], (0.5 * output.class_logvar[image, label]).exp())
        z = q.sample()
        p = normal(model.prior.mean[label], torch.ones((), dtype=z.dtype))
        log_q = output.logits.log_softmax(-1)[image, label] + q.log_prob(z).sum(-1)
        log_p = -math.log(3) + p.log_prob(z).sum(-1)
        estimates = (log_q - log_p).mean(-1)
    assert (estimates.mean() - kl).abs() < 4 * estimates.std() / count**0.5
    assert kl.item() == pytest.approx((extras["class_kl"] + extras["latent_kl"]).item())
    assert kl.item() == pytest.approx(model.kl_divergence(output).mean().item())


def test_the_class_part_is_log_k_less_the_entropy():
    prior = SubspaceMixture(4, 2, 1.0)
    logits = torch.tensor([[0.0, 0.0, 0.0, 0.0], [500.0, 0.0, -500.0, 0.0], [0.3, -1.0, 2.0, 0.5]])
    zeros = torch.zeros(3, 4, 8)
    of_class, of_latent = prior.kl_divergences(logits, prior.mean + zeros, zeros)
    expected = math.log(4) - torch.distributions.Categorical(logits=logits[2]).entropy().item()
    assert of_class.tolist() == pytest.approx([0, math.log(4), expected], abs=1e-6)
    assert of_latent.tolist() == [0, 0, 0]


def test_the_class_part_has_finite_gradients_where_a_class_is_certain():
    prior = SubspaceMixture(2, 1, 1.0)
    logits = torch.tensor([[200.0, -200.0]], requires_grad=True)
    sum(prior.kl_divergences(logits, torch.zeros(1, 2, 2), torch.zeros(1, 2, 2))).sum().backward()
    assert torch.isfinite(logits.grad).all()


def test_centroids_are_orthogonal_and_equally_far_apart():
    mean = SubspaceMixture(5, 3, 2.0).mean
    assert mean.shape == (5, 15)
    torch.testing.assert_close(mean @ mean.T, 3 * 2.0**2 * torch.eye(5))
    distances = torch.cdist(mean, mean)[~torch.eye(5, dtype=torch.bool)]
    torch.testing.assert_close(distances, torch.full_like(distances, (2 * 3 * 2.0**2) ** 0.5))


def test_samples_of_the_prior_are_of_its_mixture():
    torch.manual_seed(0)
    prior = SubspaceMixture(3, 2, 4.0)
    z, each = prior.sample(30_000), prior.sample_each(10_000)
    assert z.shape == (30_000, 6)
    assert each.shape == (3, 10_000, 6)
    torch.testing.assert_close(each.mean(1), prior.mean, rtol=0, atol=0.05)
    torch.testing.assert_close(each.var(1), torch.ones(3, 6), rtol=0, atol=0.08)
    torch.testing.assert_close(z.mean(0), prior.mean.mean(0), rtol=0, atol=0.08)
    torch.testing.assert_close(z.T.cov(), each.flatten(0, 1).T.cov(), rtol=0, atol=0.2)


def test_one_class_is_the_vae_whose_prior_has_that_mean(images):
    loss, model = make(classes=1)
    model.train()
    torch.manual_seed(3)
    terms = loss(model, images)
    torch.manual_seed(3)
    mean, logvar = model.encode(images)
    torch.rand(8, 1, dtype=torch.float64)  # whether to decode the class, which is certain
    z = mean + (0.5 * logvar).exp() * torch.randn_like(mean)
    reconstruction = model.likelihood.reconstruction_error(model.decoder(z), images).mean()
    divergence = kl_divergence(mean, logvar, torch.full_like(mean, 1.5), torch.zeros_like(mean)).mean()
    assert terms.reconstruction.item() == pytest.approx(reconstruction.item(), rel=1e-12)
    assert terms.divergence.item() == pytest.approx(divergence.item(), rel=1e-12)
    assert terms.total.item() == pytest.approx((reconstruction + divergence).item(), rel=1e-12)


def test_a_single_decode_is_the_expectation_where_the_class_is_certain(monkeypatch, images):
    without_noise(monkeypatch)
    _, single = make(single_decode=True)
    _, exact = make()
    outputs = [model(images) for model in (single, exact)]
    assert [len(output.z) for output in outputs] == [8, 24]
    errors = [model.reconstruction_error(output, images) for model, output in zip((single, exact), outputs)]
    assert not torch.allclose(*errors, rtol=1e-3)
    for model in (single, exact):
        torch.nn.init.constant_(model.encoder.class_head.bias, 0)
        model.encoder.class_head.bias.data[1] = 100
    errors = [model.reconstruction_error(model(images), images) for model in (single, exact)]
    torch.testing.assert_close(*errors, rtol=1e-12, atol=0)


def test_the_information_term_is_the_cross_entropy_of_decoded_samples(images):
    loss, model = make("InfoCatVAE", mi_weight=0.5)
    output = model.eval()(images)
    torch.manual_seed(5)
    extras = loss.penalty(model, output).extras
    torch.manual_seed(5)
    z = model.prior.sample_each(3)
    logits = [model.posterior_components(model.decode(z[c]))[0] for c in range(3)]
    expected = [-logits[c].log_softmax(-1)[:, c].mean().item() for c in range(3)]
    assert extras["cross_entropy"].item() == pytest.approx(sum(expected) / 3, rel=1e-12)
    without = build_loss("CatVAE", dataset_size=8, latent_dim=6, **SMALL)
    totals = [objective.terms(model, images, output).total for objective in (loss, without)]
    assert totals[0].item() != totals[1].item()


def test_an_information_term_of_weight_nothing_leaves_catvae(images):
    (loss, model), (other, _) = make("InfoCatVAE", mi_weight=0.0), make()
    totals = []
    for objective in (loss, other):
        torch.manual_seed(4)
        totals.append(objective(model, images).total.item())
    assert totals[0] == totals[1]


def test_the_information_term_teaches_decoder_and_encoder(images):
    loss, model = make("InfoCatVAE")
    extras = loss.penalty(model, model(images)).extras
    extras["cross_entropy"].backward()
    for owner in (model.decoder, model.encoder.layers[0], model.encoder.class_head):
        assert all(parameter.grad.abs().sum() > 0 for parameter in owner.parameters())


def test_evaluation_takes_the_most_probable_class(images):
    _, model = make()
    output = model.eval()(images)
    best = output.logits.argmax(-1)
    for n in range(len(images)):
        assert output.mean[n].equal(output.class_mean[n, best[n]])
        assert output.logvar[n].equal(output.class_logvar[n, best[n]])
    assert output.z.equal(output.mean)
    assert output.weight.tolist() == [1] * 8


def test_all_classes_are_equally_likely_at_first():
    torch.manual_seed(0)
    model = build_categorical_model((3, 64, 64), SubspaceMixture(4, 1, 2.0))
    logits, mean, logvar = model.posterior_components(torch.rand(2, 3, 64, 64))
    assert logits.tolist() == [[0] * 4] * 2
    assert mean.shape == logvar.shape == (2, 4, 4)
    assert model.sample(3).shape == (3, 3, 64, 64)
