"""Warm-up, schedules, decay and clipping: what a step is, for every loss, alone and in an ensemble, resumed too."""

import copy

import pytest
import torch

from vae.losses import LOSSES, Loss, build_loss
from vae.random import seed_everything
from vae.training.ensemble import Ensemble
from vae.training.settings import TrainingSettings
from vae.training.trainer import Trainer

IMAGES = torch.rand(11, 1, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
VECTORS = torch.randn(11, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
STEPS = 3  # of an epoch
ALL = {"warmup": 8, "lr_schedule": "cosine", "lr_warmup": 2, "weight_decay": 0.1, "clip_gradient": 0.5}


def make(loss="KL", data=VECTORS, seed=1, epochs=4, lr=1e-2, **settings):
    """A trainer in batches of four."""
    options = LOSSES.resolve_options(loss, {})
    latent_dim = LOSSES[loss].fixed_latent_dim(options) or 3
    seed_everything(seed, 0)
    rec_dist = "normal" if data is VECTORS else "gaussian"
    model = LOSSES[loss].build_model(tuple(data.shape[1:]), latent_dim, rec_dist, options, network="mlp").double()
    objective = build_loss(loss, dataset_size=len(data), latent_dim=latent_dim, **options).double()
    settings = TrainingSettings(batch_size=4, lr=lr, seed=seed, epochs=epochs, compile=False, **settings)
    return Trainer(model, objective, data, settings)


def check_same(ours, theirs, **tolerance):
    """Two trainers are in the same state."""
    assert (ours.epoch, ours.step, ours.loss.steps) == (theirs.epoch, theirs.step, theirs.loss.steps)
    assert ours.optimizer.param_groups[0]["lr"] == pytest.approx(theirs.optimizer.param_groups[0]["lr"], rel=1e-12)
    for name, value in ours.model.state_dict().items():
        torch.testing.assert_close(value, theirs.model.state_dict()[name], **tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("name", LOSSES)
def test_the_weight_of_every_regulariser_grows_with_the_steps_and_is_whole_in_evaluation(name):
    trainer = make(name, IMAGES, warmup=4)
    loss, model = trainer.loss, trainer.model.eval()
    output = model(IMAGES)

    def weight():
        """By what the terms have of the penalty, with what either draws the same."""
        torch.manual_seed(0)
        terms = loss.terms(model, IMAGES, output)
        torch.manual_seed(0)
        bound = not isinstance(loss, Loss)  # whose regulariser is what is left of it
        value = terms.divergence.item() if bound else loss.penalty(model, output).value.item()
        return 0 if value == 0 else (terms.total - terms.reconstruction).item() / value

    ends = 0 if name == "AE" else 1
    for expected in (0, 0.25, 0.5, 0.75, 1, 1):
        assert loss.train() and weight() == pytest.approx(expected * ends)
        assert loss.eval() and weight() == pytest.approx(ends)
        loss.step_taken()


def test_what_grows_begins_anew_with_each_trainer():
    first = make(warmup=5)
    list(first.train(1))
    assert first.loss.steps > 0
    Trainer(first.model, first.loss, first.data, first.settings)
    assert first.loss.steps == 0


def test_a_warm_up_counts_the_steps_of_training():
    trainer = make(warmup=5)
    trainer.train_epoch()
    assert trainer.loss.train().grown(5).item() == pytest.approx(3 / 5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["KL", "tGJS", "factor", "btcvae", "CatVAE"])
def test_a_run_that_goes_on_has_the_same_bits(name):
    whole, begun, resumed = (make(name, IMAGES, **ALL) for _ in range(3))
    list(whole.train(3))
    begun.train_epoch()
    resumed.load_state_dict(copy.deepcopy(begun.state_dict()))
    list(resumed.train(3))
    check_same(whole, resumed, rtol=0, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize("control", [{name: value} for name, value in ALL.items()] + [ALL], ids=str)
def test_every_member_of_an_ensemble_is_what_it_is_alone(control):
    members = [("KL", 1), ("tGJS", 2), ("KL", 3), ("betaB", 4)]
    together, alone = ([make(loss, seed=seed, **control) for loss, seed in members] for _ in range(2))
    for _ in range(2):
        Ensemble(together).train_epoch()
        for trainer in alone:
            trainer.train_epoch()
    for ours, theirs in zip(together, alone):
        check_same(ours, theirs, rtol=1e-9, atol=1e-11)


def test_a_gradient_is_clipped_to_a_norm_and_a_smaller_one_is_left():
    for limit, clipped in ((1e-3, True), (1e9, False)):
        trainer, plain = make(clip_gradient=limit), make()
        for one in (trainer, plain):
            one.train_epoch()
        norms = [sum(p.grad.square().sum() for p in one.model.parameters()).sqrt().item() for one in (trainer, plain)]
        assert norms[0] == pytest.approx(limit if clipped else norms[1], rel=1e-3)


def test_weights_decay_as_adamw_has_it():
    """Decay is decoupled: the first step of AdamW is that of Adam on weights that have shrunk by lr times the decay."""
    decayed, plain = make(weight_decay=0.5, lr=0.1), make(lr=0.1)
    before = [parameter.clone() for parameter in plain.model.parameters()]
    for trainer in (decayed, plain):
        trainer.data = trainer.data[:4]
        trainer.train_epoch()
    for own, other, start in zip(decayed.model.parameters(), plain.model.parameters(), before):
        torch.testing.assert_close(own, other - 0.05 * start)


def test_the_learning_rate_has_its_course_over_the_epochs_of_the_settings():
    trainer = make(lr_schedule="step", epochs=2, lr=0.5)
    rates = []
    for _ in trainer.train(3):
        rates.append(trainer.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([0.05, 0.005, 0.005])
    trainer = make(lr_schedule="cosine", epochs=2)
    list(trainer.train(2))
    assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(0)


def test_members_of_an_ensemble_differ_in_epochs_only_where_the_learning_rate_has_no_course():
    Ensemble([make(epochs=2), make(epochs=3)])
    with pytest.raises(ValueError, match="differ in epochs"):
        Ensemble([make(epochs=2, lr_schedule="cosine"), make(epochs=3, lr_schedule="cosine")])
