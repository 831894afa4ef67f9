"""Pictures of models beside each other are what these models make."""

import numpy as np
import pytest
import torch

import vae
from saved_groups import only
from utils.figures.images import GAP, tile
from utils.figures.several_models import (
    at_defaults,
    by_noise,
    by_option,
    compared,
    divergence_landscape,
    reconstructions_side_by_side,
    samples_side_by_side,
    traversals_side_by_side,
)
from utils.figures.style import SUBSCRIPTS
from utils.results.reading import read_groups, with_models
from vae.inputs import to_unit_interval
from vae.random import Stream, seed_everything


@pytest.fixture
def group(results):
    """The runs of the grid in a folder of results/reference/."""

    def of(folder, preset=None, **flags):
        return only(with_models(read_groups(results / "results" / "reference" / folder, preset, **flags)))

    return of


def shown(figure):
    """The pictures of the panels, of which every pixel is nine, and what is written, from the left to the right."""
    texts = sorted(figure.texts, key=lambda text: (text.get_position()[0], -text.get_position()[1]))
    pictures = [np.asarray(image.get_array()) for axes in figure.axes for image in axes.images]
    return pictures, [text.get_text() for text in texts]


def test_of_each_loss_a_run_is_compared_with_its_alpha_in_the_name(group):
    runs = compared(group("table1", "table1"), ["KL", "GJS", "CS"])
    assert list(runs) == ["KL(q‖p)", "JS$^G$, α = 0.1"], "there is none of CS"
    assert runs["JS$^G$, α = 0.1"].config.loss_options["GJS_A"] == 0.1


def test_traversals_are_of_the_dimensions_that_vary_most(group):
    table = group("table1", "table1")
    figure = traversals_side_by_side(table, compared(table, ["KL", "MMD"]), count=3)
    model, _, _ = vae.load(table.of("KL")[0].folder.path)
    with torch.inference_mode():
        variance = model.encode(to_unit_interval(table.test.images))[0].var(0).numpy()
        chosen = np.argsort(-variance)[:3]
        z = torch.zeros(3, 10, 10)
        for row, dimension in enumerate(chosen):
            z[row, :, dimension] = torch.linspace(-1.96, 1.96, 10)
        images = model.decode(z.flatten(0, 1)).unflatten(0, (3, 10)).numpy()
    pictures, texts = shown(figure)
    assert texts[1:5] == [*(f"z{dimension + 1}".translate(SUBSCRIPTS) for dimension in chosen), "KL(q‖p)"]
    assert "MMD" in texts[5:]
    assert np.allclose(pictures[0], tile(images, zoom=3), atol=1e-6)


def test_reconstructions_are_below_the_images_with_the_error_of_the_whole_split(group):
    table = group("table1", "table1")
    figure = reconstructions_side_by_side(table, {"digits": compared(table, ["KL"])}, count=4)
    images = to_unit_interval(table.test.images[:4])
    (run,) = table.of("KL")
    model, _, _ = vae.load(run.folder.path)
    with torch.inference_mode():
        rows = torch.stack([images, model.decode(model.encode(images)[0])]).numpy()
    (picture,), texts = shown(figure)
    assert np.allclose(picture, tile(rows, zoom=3), atol=1e-6)
    assert {"image", f"KL(q‖p): {run.evaluation['test']['squared_error']:.1f}"} < set(texts)


def test_samples_are_of_the_models_at_their_defaults_by_the_same_draws(group):
    zoo = group("zoo", "zoo", over="latent_dim")
    runs = at_defaults(zoo)
    assert list(runs) == ["KL(q‖p)", "β-VAE", "VR", "CatVAE"]
    assert runs["β-VAE"].config.loss_options["betaH_B"] == 4
    (picture,), texts = shown(samples_side_by_side(zoo, runs, count=3))
    assert texts[: len(runs) + 1] == ["digits, gaussian: 2 epochs, seed 1", *runs]
    rows = []
    for run in runs.values():
        seed_everything(0, Stream.PICTURES)
        rows.append(vae.load(run.folder.path)[0].sample(3))
    assert np.allclose(picture, tile(torch.stack(rows).numpy(), zoom=3), atol=1e-6)


def test_there_is_a_panel_for_each_weight_and_for_each_noise(group):
    weights = group("lambda", "lambda")
    panels = by_option(weights, "GJS")
    assert list(panels) == ["λ = 1", "λ = 2"]
    assert [list(runs) for runs in panels.values()] == [["α = 0.1", "α = 0.5"]] * 2
    assert panels["λ = 2"]["α = 0.1"] == weights.families("GJS")[1].series[0.1][0]
    noisy = group("noise", over="noise", loss=["KL", "tGJS"], noise=[0.5, 1.0])
    figure = reconstructions_side_by_side(noisy, by_noise(noisy), count=3)
    pictures, texts = shown(figure)
    assert [text for text in texts if text.startswith("noise")] == ["noise 0.5", "noise 1"]
    assert texts.count("image") == texts.count("input") == 2
    clean = to_unit_interval(noisy.test.images[:3]).numpy()
    deviations = []
    for picture in pictures:
        image, seen = (picture[top : top + 96 : 3, :96:3, 0] for top in (0, 96 + GAP))
        assert np.array_equal(image, clean[0, 0])
        deviations.append(np.abs(seen - image).mean())
    assert 0 < deviations[0] < deviations[1]


def test_the_landscape_of_a_divergence_goes_through_the_learnt_alpha(group):
    starts = group("alpha-starts", loss=["tGJS", "tdGJS"], GJS_A=[0.1, 0.9])
    (axes,) = divergence_landscape([starts]).axes
    curves, stars = ([one for one in axes.lines if one.get_marker() == marker] for marker in ("None", "*"))
    runs = [run for loss in ("tGJS", "tdGJS") for run in starts.of(loss)]
    for curve, star, run in zip(curves, stars, runs, strict=True):
        ((alpha, value),) = star.get_xydata()
        assert alpha == run.evaluation["test"]["alpha"]
        assert value == pytest.approx(run.evaluation["test"]["divergence"], rel=1e-4)
        assert np.interp(alpha, *curve.get_xydata().T) == pytest.approx(value, rel=1e-2)
        kl = -run.evaluation["test"]["elbo"] - run.evaluation["test"]["reconstruction"]
        end = 0 if run.config.loss == "tGJS" else -1
        assert curve.get_ydata()[end] == pytest.approx(kl, rel=1e-4), "KL(q‖p) at its end"
