import numpy as np
import pytest
import torch

from pictures import pixels
from utils.figures import one_run
from vae.models import build_model
from vae.models.categorical import build_categorical_model
from vae.models.priors import SubspaceMixture


def test_traversals_move_one_dimension_at_a_time():
    torch.manual_seed(0)
    model = build_model((1, 32, 32), latent_dim=2).eval()
    picture = pixels(one_run.traversals(model, 2, title="t"))
    z = torch.zeros(1, 2)
    z[0, 1] = -1.96  # second row, first column
    expected = model.decode(z)[0, 0].detach().numpy()
    top = 35 + 68
    assert np.abs(picture[top : top + 64 : 2, 110 : 110 + 64 : 2, 0] - expected).max() < 0.01


def test_traversals_of_a_model_with_classes_start_at_the_class_of_the_dimension():
    torch.manual_seed(0)
    model = build_categorical_model((1, 32, 32), SubspaceMixture(2, 1, 3.0)).eval()
    picture = pixels(one_run.traversals(model, 2, title="t"))
    with torch.inference_mode():
        expected = model.decode(torch.tensor([[0, 3 - 1.96]]))[0, 0].numpy()  # second row, first column
    top = 35 + 68
    assert np.abs(picture[top : top + 64 : 2, 110 : 110 + 64 : 2, 0] - expected).max() < 0.01


def test_a_model_with_classes_has_a_row_for_each(monkeypatch):
    torch.manual_seed(0)
    model = build_categorical_model((1, 32, 32), SubspaceMixture(3, 2, 3.0)).eval()
    shown = []
    monkeypatch.setattr(one_run, "image_grid", lambda images, **_: shown.append(torch.from_numpy(images)))
    torch.manual_seed(1)
    one_run.class_samples(model, title="t")
    one_run.interpolations(model, title="t")
    samples, interpolations = shown
    assert samples.shape == interpolations.shape == (3, 10, 1, 32, 32)
    torch.manual_seed(1)
    with torch.inference_mode():
        torch.testing.assert_close(samples[1], model.decode(model.prior.sample_each(10)[1]), rtol=1e-4, atol=1e-5)
        centroids = model.decode(model.prior.mean)
    for row in range(3):
        torch.testing.assert_close(interpolations[row, 0], centroids[row], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(interpolations[row, -1], centroids[(row + 1) % 3], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("latent_dim", "panels"), [(1, 1), (3, 2)])
def test_the_latent_space_is_a_histogram_of_one_dimension_and_points_of_more(latent_dim, panels):
    model = build_model((2,), latent_dim, "normal").eval()
    figure = one_run.latent_space(model, torch.randn(30, 2), np.zeros(30, dtype=int), title="t")
    assert len(figure.axes) == panels


def test_samples_of_vectors_have_the_noise_of_the_likelihood():
    model = build_model((2,), 1, "normal").eval()
    with torch.no_grad():
        model.decoder.layers[-1].weight.zero_()
        model.decoder.layers[-1].bias.copy_(torch.tensor([3.0, -1.0]))
        model.likelihood.log_sigma.fill_(-1.0)
    torch.manual_seed(0)
    drawn = one_run.vector_samples(model, torch.randn(2000, 2), title="t").axes[1].collections[0].get_offsets()
    assert np.abs(drawn.mean(0) - [3, -1]).max() < 0.05
    assert np.abs(drawn.std(0) - np.exp(-1)).max() < 0.05
