"""What parts of one's own are told that return something else than was asked for."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal, StudentT

from registries import set_free
from trainers import make_trainer
from vae.evaluation.evaluator import Evaluator
from vae.losses import LOSSES
from vae.losses.base import RESERVED, Loss, Penalty, register
from vae.models import build_model
from vae.models.likelihoods.bernoulli import Bernoulli
from vae.models.priors import Prior
from vae.options import Option

SIZES = {"dataset_size": 20, "latent_dim": 3}
SCALAR = torch.zeros(())


def loss_of(penalty, **attributes):
    """An objective with that penalty, a function of the model's output."""
    own = {"penalty": lambda loss, model, output: penalty(loss, output), **attributes}
    return type("OwnLoss", (Loss,), own)(**SIZES)


@pytest.mark.parametrize(
    ("penalty", "said"),
    [
        (lambda loss, output: output.mean.sum(), "returned a Tensor: expected self.weighted(...), or a Penalty"),
        (lambda loss, output: loss.weighted(output.mean.sum(-1)), "its value has the shape (8,): expected a scalar"),
        (lambda loss, output: Penalty(SCALAR, 0.5), "its divergence is 0.5: expected a scalar tensor"),
        (lambda loss, output: loss.weighted(SCALAR, gap=SCALAR[None]), "its gap has the shape (1,): expected a scalar"),
    ],
)
def test_a_penalty_that_is_no_scalar(penalty, said):
    with pytest.raises(TypeError) as error:
        make_trainer(loss_of(penalty)).train_epoch()
    assert str(error.value).startswith(f"OwnLoss.penalty {said}") or f"OwnLoss.penalty: {said}" in str(error.value)


@pytest.mark.parametrize("name", ["loss", "epoch", "split", "squared_error", "active_units", "seconds"])
def test_an_extra_by_the_name_of_something_else(name):
    trainer = make_trainer(loss_of(lambda loss, output: loss.weighted(SCALAR, **{name: SCALAR})))
    with pytest.raises(ValueError, match=f"^the results have another {name}: give this extra of the objective another"):
        trainer.train_epoch()


def test_every_quantity_of_an_evaluation_but_extras_has_such_a_name():
    trainer = make_trainer("CatVAE")
    labels = torch.arange(20) % 2
    found = Evaluator(trainer.model, trainer.loss, batch_size=8, seed=1).evaluate(trainer.data, labels)
    extras = trainer.loss(trainer.model, torch.rand(4, 1, 32, 32)).extras.keys()
    assert (found.keys() | trainer.train_epoch().keys()) - extras <= RESERVED


def test_extras_that_change_from_batch_to_batch():
    def penalty(loss, output):
        loss.done = getattr(loss, "done", 0) + 1
        return loss.weighted(SCALAR, **{"odd" if loss.done % 2 else "even": SCALAR})

    with pytest.raises(
        ValueError, match="^the terms of a batch are .*, even, those of batches before .*, odd: expected"
    ):
        make_trainer(loss_of(penalty)).train_epoch()


def test_a_weight_that_was_set_first_stays():
    class Weighted(Loss):
        def __init__(self, **sizes):
            self.weight = 50.0
            super().__init__(**sizes)

        def penalty(self, model, output):
            return self.weighted(SCALAR)

    assert Weighted(**SIZES).weight == 50
    assert loss_of(lambda loss, output: loss.weighted(SCALAR)).weight == 1


def test_steps_are_counted_whatever_is_done_after_them():
    trainer = make_trainer(loss_of(lambda loss, output: loss.weighted(SCALAR), after_step=lambda loss: None))
    trainer.train_epoch()
    assert trainer.loss.steps == trainer.step == 3


class Student(Prior):
    """A learnt prior that says no more than its distribution."""

    def __init__(self, latent_dim):
        super().__init__(latent_dim)
        self.centre = torch.nn.Parameter(torch.zeros(latent_dim))

    def distribution(self):
        return Independent(StudentT(5.0, self.centre, torch.ones_like(self.centre), validate_args=False), 1)


@pytest.mark.parametrize("name", ["KL", "MMD", "energy", "WAE", "SW", "InfoVAE"])
def test_a_learnt_prior_learns_from_what_is_drawn_of_it(name):
    options = LOSSES.resolve_options(name, {})
    loss = LOSSES[name](**SIZES, **options)
    model = build_model((1, 32, 32), 3, prior=lambda latent_dim, encoder: Student(latent_dim))
    loss(model, torch.rand(8, 1, 32, 32)).total.backward()
    assert (model.prior.centre.grad.abs() > 0).all()


def test_a_prior_whose_divergence_is_of_each_dimension():
    class Loose(Prior):
        def distribution(self):  # not Independent
            return Normal(torch.zeros(self.latent_dim), torch.ones(self.latent_dim))

    model = build_model((1, 32, 32), 8, prior=lambda latent_dim, encoder: Loose(latent_dim))
    loss = LOSSES["KL"](dataset_size=8, latent_dim=8)
    with pytest.raises(ValueError, match=r"^what Loose.kl_divergence gives has the shape \(8, 8\): expected \(8,\)$"):
        loss(model, torch.rand(8, 1, 32, 32))


def test_a_likelihood_whose_error_is_no_sum():
    class Mean(Bernoulli):
        def reconstruction_error(self, output, images):
            return self.pixel_error(output, images).mean()

    model = build_model((1, 32, 32), 3)
    model.likelihood = Mean()
    with pytest.raises(ValueError, match=r"^what Mean.reconstruction_error gives has the shape \(\): expected \(8,\)$"):
        LOSSES["KL"](**SIZES)(model, torch.rand(8, 1, 32, 32))


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 1, 1), (1,)])
def test_a_decoder_that_gives_another_shape(shape):
    model = build_model((1, 32, 32), 3, rec_dist="gaussian")
    layers = (torch.nn.Linear(3, math.prod(shape)), torch.nn.Unflatten(1, shape))
    model.decoder = torch.nn.Sequential(*layers)
    with pytest.raises(ValueError, match=r"^what the decoder gives has the shape .*: expected \(8, 1, 32, 32\)$"):
        LOSSES["KL"](**SIZES)(model, torch.rand(8, 1, 32, 32))


@pytest.mark.parametrize("network", ["burgess", "mlp"])
@pytest.mark.parametrize("shape", [(4, 32, 32, 1), (4, 3, 32, 32), (4, 1, 28, 28), (4, 1024)])
def test_data_in_another_shape_than_the_models(shape, network):
    model, data = build_model((1, 32, 32), 3, network=network), torch.rand(shape)
    evaluator = Evaluator(model, LOSSES["KL"](**SIZES), batch_size=8, seed=1)
    for use in (model.reconstruct, evaluator.evaluate):
        with pytest.raises(ValueError) as error:
            use(data)
        assert str(error.value) == f"data of shape {shape}: this model takes (N, 1, 32, 32)"


def test_data_that_are_no_tensor():
    with pytest.raises(ValueError, match=r"^data are a ndarray: expected a tensor: take torch.as_tensor\(data\)$"):
        build_model((1, 32, 32), 3).reconstruct(np.zeros((2, 1, 32, 32), np.uint8))


def test_an_option_that_is_in_no_tuple(monkeypatch):
    set_free(monkeypatch, LOSSES, "own")
    own = type("Own", (LOSSES["KL"],), {"options": Option("own_B", 1.0, "weight")})
    with pytest.raises(TypeError, match=r"^Own: its options are Option\(.*: expected a tuple"):
        register("own")(own)
