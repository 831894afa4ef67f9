import numpy as np
import pytest
import torch

from utils.datasets import Dataset
from utils.figures.one_run import latent
from utils.figures.one_run.posteriors import read_posteriors
from vae.divergences import kl_divergence
from vae.models import build_model


def vectors(count=40):
    values = torch.randn(count, 2, generator=torch.Generator().manual_seed(0))
    return Dataset("v", "test", "here", "", vectors=values, labels=torch.arange(count) % 2)


def images(count=30):
    values = torch.randint(256, (count, 1, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    factors = torch.arange(count)[:, None].repeat(1, 2) % torch.tensor([3, 25])
    return Dataset("i", "test", "here", "", images=values, factors=factors, factor_names=("shape", "place"))


def drawn(data, latent_dim, shape, **settings):
    torch.manual_seed(0)
    model = build_model(shape, latent_dim, **settings).eval()
    posteriors = read_posteriors(model, data, len(data))
    return model, posteriors, latent.latent_map(model, posteriors, about="a")


def test_a_single_dimension_is_a_histogram():
    _, _, figure = drawn(vectors(), 1, (2,), rec_dist="normal")
    (axes,) = figure.axes
    assert sum(bar.get_height() for part in axes.containers for bar in part) == 40


def test_two_dimensions_are_drawn_as_they_are_beside_what_they_decode_to():
    _, posteriors, figure = drawn(images(), 2, (1, 32, 32))
    by_shape, by_place, plane = figure.axes
    assert np.asarray(by_place.collections[-1].get_offsets()) == pytest.approx(posteriors.mean.numpy())
    assert len(by_shape.collections) == 1 + 3 and len(plane.images) == 1


def test_the_plane_of_two_dimensions_is_decoded_at_quantiles_of_the_prior():
    torch.manual_seed(0)
    model = build_model((1, 32, 32), latent_dim=2).eval()
    plane = latent.decoded_plane(model)
    assert plane.x[[0, 7, 14]] == pytest.approx([-2.0537, 0, 2.0537], abs=1e-3)
    assert plane.y == pytest.approx(-plane.x)
    with torch.inference_mode():
        corner = model.decode(torch.tensor([[-2.05375, 2.05375]]))[0, 0].numpy()
    assert plane.canvas[:32, :32, 0] == pytest.approx(corner, abs=1e-4)


def test_of_more_dimensions_there_are_the_two_with_the_most_kl_and_two_principal_components():
    _, posteriors, figure = drawn(images(), 4, (1, 32, 32))
    assert len(figure.axes) == 2 * 2, "two views, each by both factors"
    first, second = posteriors.order[:2]
    cloud = figure.axes[1].collections[-1].get_offsets()
    assert np.asarray(cloud) == pytest.approx(posteriors.mean[:, [first, second]].numpy())
    assert figure.axes[0].get_title(loc="left") == "shape"


def test_principal_components_are_the_directions_of_the_greatest_variance():
    rng = np.random.default_rng(0)
    mean = rng.standard_normal((500, 3)) @ np.diag([1.0, 5.0, 2.0]) + 7
    view = latent.principal_view(mean, mean)
    assert np.abs(view.points).std(0) == pytest.approx(np.abs(mean - 7)[:, [1, 2]].std(0), rel=0.1)
    shares = [float(name.split("(")[1].split("%")[0]) for name in view.axes]
    assert shares == pytest.approx([100 * 25 / 30, 100 * 4 / 30], abs=3)
    assert np.array_equal(view.points, view.behind)


def test_dimensions_are_ordered_by_their_kl_and_the_unused_are_told():
    torch.manual_seed(0)
    model = build_model((1, 32, 32), latent_dim=3).eval()
    with torch.no_grad():
        head = model.encoder.layers[-1]
        head.weight[[1, 4]] = 0  # the second dimension's mean and log-variance do not see the image
        head.bias[[1, 4]] = 0
        head.weight[2] *= 30
    posteriors = read_posteriors(model, images(), 30)
    mean, logvar = model.encode(images().images / 255)
    each = kl_divergence(mean.unsqueeze(-1), logvar.unsqueeze(-1)).mean(0)
    torch.testing.assert_close(posteriors.kl, each.detach(), rtol=1e-4, atol=1e-6)
    assert posteriors.order[0] == 2 and posteriors.order[-1] == 1
    assert posteriors.told(1) == "z₂  KL 0.00, unused"
    assert "unused" not in posteriors.told(2)


def test_marginals_have_a_panel_for_each_dimension():
    torch.manual_seed(0)
    model = build_model((1, 32, 32), latent_dim=3).eval()
    posteriors = read_posteriors(model, images(), 30)
    titles = [axes.get_title(loc="left") for axes in latent.marginals(model, posteriors, about="a").axes]
    assert titles == [posteriors.told(dimension) for dimension in posteriors.order]


def test_samples_of_vectors_have_the_noise_of_the_likelihood():
    model = build_model((2,), 1, "normal").eval()
    with torch.no_grad():
        model.decoder.layers[-1].weight.zero_()
        model.decoder.layers[-1].bias.copy_(torch.tensor([3.0, -1.0]))
        model.likelihood.log_sigma.fill_(-1.0)
    torch.manual_seed(0)
    figure = latent.vector_samples(model, torch.randn(2000, 2), {}, about="a")
    sampled = figure.axes[1].collections[0].get_offsets()
    assert np.abs(sampled.mean(0) - [3, -1]).max() < 0.05
    assert np.abs(sampled.std(0) - np.exp(-1)).max() < 0.05


@pytest.mark.parametrize(("latent_dim", "clouds"), [(1, 0), (3, 2)])
def test_the_latent_space_of_draws_is_a_histogram_of_one_dimension_and_points_of_more(latent_dim, clouds):
    model = build_model((2,), latent_dim, "normal").eval()
    figure = latent.latent_space(model, torch.randn(30, 2), np.zeros(30, dtype=int), title="t")
    assert len(figure.axes[0].collections) == clouds


def test_vectors_of_one_dimension_are_histograms():
    model = build_model((1,), 2, "normal").eval()
    figure = latent.vector_samples(model, torch.randn(200, 1), {}, about="a")
    (axes,) = figure.axes
    assert axes.get_xlabel() == "x"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["test data", "samples of the model"]
    assert sum(bar.get_height() for bar in axes.containers[0]) == 200
