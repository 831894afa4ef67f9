"""Each symptom is told of a run that has it, and not of one that has it not."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from vae.evaluation.diagnosis import SYMPTOMS, DiagnosedRun, Outputs, diagnose, look
from vae.losses import LOSSES, build_loss
from vae.models import build_model
from vae.models.likelihoods import LIKELIHOODS, build_likelihood
from vae.options import Option
from vae.training.settings import TrainingSettings

ZEROS, HALVES = torch.zeros(500, 1, 4, 4), torch.full((500, 1, 4, 4), 0.5)
FALLING = [1 / epoch for epoch in range(1, 11)]


def ended(
    loss="KL",
    active_units=3,
    train=10.0,
    test=11.0,
    losses=FALLING,
    spread=1.0,
    shift=0.0,
    decoded=HALVES,
    rec_dist="gaussian",
    settings=None,
    **others,
):
    """A sound run of 3 latent dimensions, but for what is told."""
    settings = settings or TrainingSettings(epochs=max(1, len(losses)))
    torch.manual_seed(0)
    mean = spread * torch.randn(500, 3) * 0.8 + shift
    outputs = Outputs(mean, torch.full((500, 3), 0.36).log(), HALVES, decoded)
    evaluation = {"train": {"squared_error": train}, "test": {"squared_error": test, "active_units": active_units}}
    evaluation["test"] |= others
    model = SimpleNamespace(prior=Prior(), likelihood=LIKELIHOODS[rec_dist])
    loss = build_loss(loss, dataset_size=500, latent_dim=3)
    return DiagnosedRun(model, loss, settings, evaluation, losses, outputs)


class Prior:
    def mean_and_sd(self):
        return torch.zeros(3), torch.ones(3)


CASES = {  # symptom: a run that has it, what is said, and a run that hardly has it not
    "collapse": (ended("betaH", active_units=0), "0 of 3 latent dimensions are active", ended("betaH", active_units=1)),
    "prior_mismatch": (
        ended("AE", spread=9),
        "nats a dimension by mean and variance, so samples",
        ended("AE", spread=1.3),
    ),
    "unfinished": (
        ended(losses=[5, 4, 3, 2, 1]),
        "25 % of its whole fall came in the last",
        ended(losses=[5, 4, 3, 1]),
    ),
    "overfitting": (ended(test=12.6), "1.26 times the training images'", ended(test=12.4)),
    "alpha_at_bound": (ended("tGJS", alpha=0.995), "at its bound (0.995)", ended("tGJS", alpha=0.985)),
    "saturated_pixels": (ended(decoded=ZEROS), "of all pixels, 100 % more are black", ended(decoded=HALVES * 0.01)),
}


@pytest.mark.parametrize("name", SYMPTOMS)
def test_a_symptom_is_told_of_a_run_that_has_it_and_of_no_other(name):
    ill, said, sound = CASES[name]
    symptom = SYMPTOMS[name]
    assert symptom.shows(symptom.value(ill))
    assert said in symptom.says(ill, symptom.value(ill))
    value = symptom.value(sound)
    assert value is None or not symptom.shows(value)
    for other in SYMPTOMS.keys() - {name}:
        for one in (ill, sound):
            value = SYMPTOMS[other].value(one)
            assert value is None or not SYMPTOMS[other].shows(value), other


def test_the_mismatch_is_that_of_gaussians_with_the_moments():
    """KL(N(2, 4) || N(0, 1)) = (4 + 4 - 1 - log 4) / 2."""
    far = ended()
    logvar = torch.full((20_000, 3), 3.0).log()
    mean = 2 + torch.randn(20_000, 3)
    value = SYMPTOMS["prior_mismatch"].value(replace(far, outputs=Outputs(mean, logvar, None, None)))
    assert value == pytest.approx((7 - torch.tensor(4.0).log().item()) / 2, rel=0.05)


@pytest.mark.parametrize("losses", [[], [3.0], [5, 4, 3, 2], [1, 2, 3, 4, 5], [2, 2, 2, 2, 2]])
def test_too_few_epochs_or_a_loss_that_does_not_fall_tell_nothing(losses):
    assert SYMPTOMS["unfinished"].value(ended(losses=losses)) is None


@pytest.mark.parametrize("name", ["collapse", "prior_mismatch", "overfitting"])
def test_of_fewer_than_ten_examples_nothing_is_said_on_how_they_are_spread(name):
    ill = CASES[name][0]
    few, enough = (replace(ill, outputs=Outputs(*(part[:count] for part in ill.outputs))) for count in (9, 10))
    assert SYMPTOMS[name].value(few) is None
    assert SYMPTOMS[name].shows(SYMPTOMS[name].value(enough))


def test_vectors_and_few_images_are_looked_at_too():
    class Model(torch.nn.Linear):
        prior, likelihood = Prior(), LIKELIHOODS["normal"]

        def encode(self, data):
            return data, torch.full_like(data, -5)

        def decode(self, z):
            return z

    evaluation = {split: {"squared_error": 1.0, "active_units": 3} for split in ("train", "test")}
    loss = build_loss("KL", dataset_size=20, latent_dim=3)
    model, data = Model(1, 1), torch.randn(5, 3)
    state = torch.random.get_rng_state()
    found = diagnose(model, loss, TrainingSettings(), evaluation, data, [])
    assert torch.random.get_rng_state().equal(state)
    assert not found, "five are too few to be judged by"


STILL_FALLING = [5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ("constant", "--resume --epochs 10 goes on"),
        ("cosine", "a new run with this one's --config and --epochs 10 has the --lr-schedule over all of them"),
    ],
)
def test_an_unfinished_run_is_told_what_trains_for_longer(schedule, said):
    run = ended(losses=STILL_FALLING, settings=TrainingSettings(epochs=5, lr_schedule=schedule))
    assert SYMPTOMS["unfinished"].says(run, 0.25).endswith(f"in the last epoch; {said}")


def test_a_run_that_stopped_early_is_not_unfinished():
    assert SYMPTOMS["unfinished"].value(ended(losses=STILL_FALLING, settings=TrainingSettings(epochs=6))) is None


def test_a_model_is_looked_at_with_the_noise_that_it_was_trained_with():
    seen, model = [], build_model((1, 32, 32), latent_dim=2)
    model.encoder.register_forward_hook(lambda encoder, inputs, output: seen.append(inputs[0]))
    data = torch.full((8, 1, 32, 32), 128, dtype=torch.uint8)
    for noise in (0.0, 0.3):
        assert look(model, data, noise).data.unique().tolist() == pytest.approx([128 / 255])
    assert len(seen[0].unique()) == 1 and seen[1].std() > 0.2


@pytest.mark.parametrize("name", [name for name in LIKELIHOODS if LIKELIHOODS[name].data == "images"])
def test_pixels_are_saturated_where_a_wrong_black_one_has_no_gradient(name):
    output = torch.full((1, 1, 2, 2), -30.0, requires_grad=True)
    build_likelihood(name, (1, 2, 2)).reconstruction_error(output, torch.ones(1, 1, 2, 2)).sum().backward()
    saturates = bool(output.grad.abs().max() < 1e-3)
    assert saturates == (SYMPTOMS["saturated_pixels"].value(ended(decoded=ZEROS, rec_dist=name)) is not None)


def test_the_likelihoods_that_go_on_learning_are_those_that_say_so():
    said = SYMPTOMS["saturated_pixels"].says(ended(), 0.2)
    assert said.endswith("a smaller --lr, or --rec-dist bernoulli or continuous-bernoulli")


SAYS = {
    "GJS": "a smaller --GJS-B regularises less",
    "betaB": "a larger --betaB-finC or a smaller --betaB-G regularises less",
    "KL": "--loss betaH has a weight: --betaH-B below 1 regularises less, above 1 more",
    "AE": "AE has no regulariser: --loss KL has one",
    "IWAE": "no option of this objective is known to regularise less or more",
}


@pytest.mark.parametrize("name", SAYS)
def test_what_regularises_less_is_for_the_objective_to_say(name):
    assert SYMPTOMS["collapse"].says(ended(name, active_units=0), 0).endswith(f"; {SAYS[name]}")


def test_what_regularises_more_is_the_other_way_round():
    assert LOSSES["betaB"].to_regularise("more") == "a smaller --betaB-finC or a larger --betaB-G regularises more"


@pytest.mark.parametrize(("bounds", "distance"), [({}, None), ({"minimum": 0}, 0.5), ({"maximum": 0.7}, 0.2)])
def test_what_is_learnt_may_have_one_bound_or_none(monkeypatch, bounds, distance):
    own = Option("GJS_A", 0.5, "a weight without an end", **bounds)
    monkeypatch.setattr(LOSSES["GJS"], "options", (own,))
    value = SYMPTOMS["alpha_at_bound"].value(replace(ended("KL", alpha=0.5), loss=LOSSES["tGJS"]))
    assert value == (None if distance is None else pytest.approx(distance))
