"""Every picture of a run, where there is hardly anything to draw."""

import io

import pytest
import torch

from small_runs import config
from utils.datasets import Dataset
from utils.figures.one_run import draw_frame, draw_run, run_title
from vae.saved import build


def splits_of(flags, count):
    """So many examples in each split, with labels."""
    if flags["dataset"] == "mixture2d":
        data = {"vectors": torch.randn(count, 2)}
    else:
        data = {"images": torch.randint(256, (count, 1, 32, 32), dtype=torch.uint8)}
    return {
        name: Dataset("noise", name, "here", "", labels=torch.zeros(count).long(), **data) for name in ("train", "test")
    }


def save(figure):
    """Drawn is a figure when it is saved; coarsely, which takes two thirds of the time."""
    figure.savefig(io.BytesIO(), format="raw", dpi=40)


@pytest.mark.slow
@pytest.mark.parametrize(("count", "collapsed"), [(1, False), (2, False), (3, True)])
@pytest.mark.parametrize(
    "flags",
    [
        {"dataset": "digits", "latent_dim": 1},
        {"dataset": "digits", "latent_dim": 2},
        {"dataset": "digits", "latent_dim": 4},
        {"dataset": "digits", "loss": "CatVAE", "latent_dim": None},
        {"dataset": "mixture2d", "loss": "InfoVAE", "latent_dim": 3},
    ],
    ids=lambda flags: "-".join(map(str, flags.values())),
)
def test_pictures_of_few_examples_and_of_a_model_that_tells_none_apart_are_drawn(flags, count, collapsed):
    own = config(**{**flags, "train_size": None, "test_size": None})
    splits = splits_of(flags, count)
    model, _ = build(own, splits["train"].image_shape, count)
    if collapsed:  # every example has the posterior of every other
        for parameter in model.encoder.parameters():
            parameter.detach().zero_()
    model.eval()
    for figure in draw_run(model, splits, own, []).values():
        save(figure)
    save(draw_frame(model, splits, own, 1))


def test_a_title_tells_the_networks_that_are_not_the_usual_ones():
    assert (
        run_title(config(network="resnet")) == "GJS, α = 0.5; digits (first 20), bernoulli, resnet, 2 epochs, seed 1234"
    )
    assert run_title(config(network="burgess")) == "GJS, α = 0.5; digits (first 20), bernoulli, 2 epochs, seed 1234"
    vectors = config(dataset="mixture2d", network="mlp", rec_dist=None, loss="KL")
    assert run_title(vectors) == "KL; mixture2d (first 20), normal-diagonal, 2 epochs, seed 1234"
