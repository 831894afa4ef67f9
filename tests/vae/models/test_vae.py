"""What a model makes of images and of nothing: in batches, in evaluation mode, in [0, 1]."""

import pytest
import torch

from vae.losses import LOSSES
from vae.models import build_model, vae
from vae.models.priors import VampPrior
from vae.options import OptionError

IMAGES = torch.randint(256, (7, 1, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(vae, "BATCH_SIZE", 3)


def model_of(loss):
    torch.manual_seed(0)
    return LOSSES[loss].build_model((1, 32, 32), 20, "gaussian", LOSSES.resolve_options(loss, {}))


@pytest.mark.parametrize("loss", ["KL", "CS", "CatVAE"])
def test_reconstructions_are_the_means_at_the_posterior_mean_in_unit_interval(loss, small_batches):
    model = model_of(loss).eval()
    images = model.reconstruct(IMAGES)
    assert images.shape == IMAGES.shape and images.dtype == torch.float32 and not images.requires_grad
    assert images.min() >= 0 and images.max() <= 1
    with torch.no_grad():
        torch.testing.assert_close(images, model.decode(model.encode(IMAGES / 255)[0]))


def test_bytes_and_floats_are_reconstructed_alike():
    model = model_of("KL")
    assert model.reconstruct(IMAGES).equal(model.reconstruct(IMAGES / 255))


@pytest.mark.parametrize("loss", ["KL", "CS", "CatVAE"])
def test_samples_are_the_same_in_batches_and_in_unit_interval(loss, small_batches, monkeypatch):
    model = model_of(loss)
    torch.manual_seed(1)
    images = model.sample(7)
    assert images.shape == (7, 1, 32, 32) and not images.requires_grad
    assert images.min() >= 0 and images.max() <= 1
    monkeypatch.setattr(vae, "BATCH_SIZE", 100)
    torch.manual_seed(1)
    torch.testing.assert_close(images, model.sample(7))


def test_many_samples_are_decoded_a_batch_at_a_time():
    model, sizes = model_of("KL"), []
    model.decoder.register_forward_hook(lambda module, inputs, output: sizes.append(len(output)))
    assert len(model.sample(1000)) == 1000
    assert max(sizes) <= 200 and sum(sizes) == 1000


def test_nothing_is_made_of_nothing():
    model = model_of("KL")
    assert model.sample(0).shape == model.reconstruct(IMAGES[:0]).shape == (0, 1, 32, 32)


@pytest.mark.parametrize("training", [True, False])
def test_a_model_stays_in_its_mode_and_is_applied_in_evaluation_mode(training):
    model, modes = build_model((1, 32, 32)).train(training), []
    model.decoder.register_forward_hook(lambda module, inputs, output: modes.append(module.training))
    model.sample(2), model.reconstruct(IMAGES)
    assert modes == [False, False]
    assert model.training is training


def test_reconstructions_are_in_float32_also_where_training_is_not():
    model = model_of("KL")
    plain = model.reconstruct(IMAGES)
    model.train().mixed_precision = True
    assert model.reconstruct(IMAGES).equal(plain)


def test_a_model_without_a_latent_dimension_is_refused_in_one_line():
    with pytest.raises(OptionError, match="^--latent-dim 0: expected 1 or more$"):
        build_model(IMAGES.shape[1:], 0)


def test_an_unknown_posterior_is_refused_in_one_line():
    with pytest.raises(OptionError, match="^--posterior ful: there is no such posterior: choose from diagonal, full$"):
        build_model((1, 32, 32), posterior="ful")


def test_a_prior_of_diagonal_posteriors_refuses_full_ones_in_one_line():
    def prior(latent_dim, encoder):
        return VampPrior(latent_dim, 4, encoder, (1, 32, 32))

    with pytest.raises(OptionError, match="^--posterior full: a VampPrior is a mixture of diagonal ones: leave one"):
        build_model((1, 32, 32), posterior="full", prior=prior)
    assert build_model((1, 32, 32), prior=prior).prior.takes_encoder
