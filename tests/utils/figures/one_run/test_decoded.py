import numpy as np
import pytest
import torch

from utils.datasets import Dataset
from utils.figures.one_run import decoded
from utils.figures.one_run.posteriors import read_posteriors
from utils.figures.style import latent_name
from vae.inputs import to_unit_interval
from vae.models import build_model
from vae.models.categorical import build_categorical_model
from vae.models.priors import SubspaceMixture


@pytest.fixture
def shown(monkeypatch):
    """What the pictures that a test makes consist of, instead of the pictures."""
    found = []
    keep = lambda panels, **texts: found.append((panels, texts))  # noqa: E731
    monkeypatch.setattr(decoded, "image_panels", keep)
    monkeypatch.setattr(decoded, "image_grid", lambda images, **texts: keep([images], **texts))
    return found


def split(name, count, seed=0):
    """A split of images of noise, with labels."""
    images = torch.randint(256, (count, 1, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    return Dataset("noise", name, "here", "", images=images, labels=torch.arange(count) % 3)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return build_model((1, 32, 32), latent_dim=3).eval()


def test_reconstructions_stand_below_their_images_with_their_squared_errors(model, shown):
    test = split("test", 12)
    decoded.reconstructions(model, test, read_posteriors(model, test, 12), about="a")
    (((images,), texts),) = shown
    assert images.shape == (2, 10, 1, 32, 32)
    assert np.array_equal(images[0], test.images[:10].numpy() / np.float32(255))
    torch.testing.assert_close(torch.from_numpy(images[1]), model.reconstruct(test.images[:10]))
    errors = ((images[0] - images[1]) ** 2).sum((1, 2, 3))
    assert [float(text) for text in texts["column_labels"]] == pytest.approx(errors, abs=0.051)


def test_what_a_denoising_model_sees_is_between_images_and_reconstructions(model, shown):
    test = split("test", 4)
    posteriors = read_posteriors(model, test, 4, noise=0.5)
    decoded.reconstructions(model, test, posteriors, about="a")
    (((images,), texts),) = shown
    assert texts["row_labels"] == ["image", "with noise", "reconstruction"]
    assert np.array_equal(images[1], posteriors.inputs.numpy())
    assert 0.05 < np.abs(images[1] - images[0]).mean() < 0.5


def test_beside_a_sample_is_the_nearest_training_image(model, shown, monkeypatch):
    monkeypatch.setattr(decoded, "SEARCHED_AT_ONCE", 7)
    train = split("train", 40)
    decoded.samples(model, train, about="a")
    (((drawn, nearest), _),) = shown
    drawn, nearest = (panel.images.reshape(64, -1) for panel in (drawn, nearest))
    every = (train.images.numpy() / np.float32(255)).reshape(40, -1)
    best = ((drawn[:, None] - every) ** 2).sum(-1).argmin(1)
    assert np.array_equal(nearest, every[best])


def test_an_image_that_was_learnt_by_heart_is_found():
    train = split("train", 50)
    images = to_unit_interval(train.images[[49, 3, 3]])
    found, searched = decoded.nearest_images(images, train)
    assert searched == 50
    assert found.equal(images)


def test_traversals_move_one_dimension_at_a_time_from_a_test_image_and_from_the_priors_mean(model, shown):
    test = split("test", 5)
    posteriors = read_posteriors(model, test, 5)
    decoded.traversals(model, posteriors, about="a")
    (((from_image, from_prior), _),) = shown
    second = posteriors.order[1]
    assert from_image.row_labels[1].startswith(f"{latent_name(second)}  KL {posteriors.kl[second]:.2f}")
    for panel, start in ((from_image, posteriors.mean[0]), (from_prior, torch.zeros(3))):
        for column, value in ((0, -1.96), (9, 1.96)):
            z = start.clone()
            z[second] = value
            with torch.inference_mode():
                expected = model.decode(z[None])[0]
            torch.testing.assert_close(torch.from_numpy(panel.images[1, column]), expected, rtol=1e-4, atol=1e-5)


def test_traversals_of_a_model_with_classes_start_at_the_class_of_the_dimension(shown):
    torch.manual_seed(0)
    model = build_categorical_model((1, 32, 32), SubspaceMixture(2, 1, 3.0)).eval()
    decoded.traversals(model, read_posteriors(model, split("test", 4), 4), about="a")
    (((labelled, from_prior), _),) = shown
    assert labelled.row_labels == ["class 0, z₁", "class 1, z₂"]
    with torch.inference_mode():
        expected = model.decode(torch.tensor([[0, 3 - 1.96]]))[0].numpy()  # second row, first column
    assert np.abs(from_prior.images[1, 0] - expected).max() < 1e-5


def test_a_model_with_classes_has_a_row_for_each(shown):
    torch.manual_seed(0)
    model = build_categorical_model((1, 32, 32), SubspaceMixture(3, 2, 3.0)).eval()
    torch.manual_seed(1)
    decoded.class_samples(model, about="a")
    decoded.interpolations(model, about="a")
    samples, interpolations = (torch.from_numpy(images) for (images,), _ in shown)
    assert samples.shape == interpolations.shape == (3, 10, 1, 32, 32)
    torch.manual_seed(1)
    with torch.inference_mode():
        torch.testing.assert_close(samples[1], model.decode(model.prior.sample_each(10)[1]), rtol=1e-4, atol=1e-5)
        centroids = model.decode(model.prior.mean)
    for row in range(3):
        torch.testing.assert_close(interpolations[row, 0], centroids[row], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(interpolations[row, -1], centroids[(row + 1) % 3], rtol=1e-4, atol=1e-5)
