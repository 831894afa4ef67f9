"""States between two batches of an epoch, and states that are another's."""

import copy
import io

import pytest
import torch

from trainers import Remembering, make_trainer, weights
from vae.losses import LOSSES

TIMINGS = ("seconds", "images_per_second")


class Saving(Remembering):
    """Keeps the trainer's state as a file after each batch of its second epoch."""

    def __init__(self, trainer):
        super().__init__()
        self.trainer, self.files = trainer, []
        trainer.reporter = self

    def advance(self, images):
        super().advance(images)
        if self.trainer.epoch == 1:
            file = io.BytesIO()
            torch.save(self.trainer.state_dict(), file)
            self.files.append(file)


def read(file):
    file.seek(0)
    return torch.load(file, weights_only=True)


def untimed(record):
    return {name: value for name, value in record.items() if name not in TIMINGS}


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
def test_going_on_from_between_two_batches_gives_the_same_bits(loss):
    whole = make_trainer(loss, noise=0.1)
    saving = Saving(whole)
    records = list(whole.train(2))
    assert len(saving.files) == 3
    for file in saving.files if loss == "tGJS" else saving.files[:1]:
        rest = make_trainer(loss, noise=0.1)
        torch.rand(7)  # the global random stream has moved on meanwhile
        rest.load_state_dict(read(file))
        resumed = list(rest.train(2))
        assert [untimed(record) for record in resumed] == [untimed(record) for record in records[1:]]
        assert all(value.equal(weights(rest)[name]) for name, value in weights(whole).items())


@pytest.mark.parametrize("at", [8, 20])
def test_an_epoch_that_was_broken_off_goes_on_in_the_same_process_to_the_same_bits(at):
    whole, broken = make_trainer(noise=0.1), make_trainer(noise=0.1)
    records = list(whole.train(2))

    class Stopping(Remembering):
        def advance(self, images):
            super().advance(images)
            if sum(self.seen[-1]) == at and len(self.seen) == 2:
                raise KeyboardInterrupt

    broken.reporter = Stopping()
    found = [broken.train_epoch()]
    with pytest.raises(KeyboardInterrupt):
        broken.train_epoch()
    state = copy.deepcopy(broken.state_dict())
    torch.rand(7)  # the global random stream has moved on meanwhile
    assert broken.state_dict()["position"]["random"]["cpu"].equal(state["position"]["random"]["cpu"])
    assert broken.state_dict()["position"]["seconds"] == state["position"]["seconds"]
    found += broken.train(2)
    assert [untimed(record) for record in found] == [untimed(record) for record in records]
    assert found[-1]["seconds"] > state["position"]["seconds"]
    assert all(value.equal(weights(broken)[name]) for name, value in weights(whole).items())


def test_a_state_between_epochs_has_no_position_and_another_one_takes_it_away():
    trainer = make_trainer()
    saving = Saving(trainer)
    list(trainer.train(2))
    assert "position" not in trainer.state_dict()
    assert read(saving.files[0])["position"]["means"]["batches"] == 1
    other = make_trainer()
    other.load_state_dict(read(saving.files[0]))
    other.load_state_dict(trainer.state_dict())
    assert (other.epoch, other.position) == (2, None)


def test_the_reporter_is_told_how_far_an_epoch_was_and_the_record_has_the_time_of_all_of_it():
    trainer = make_trainer()
    saving = Saving(trainer)
    list(trainer.train(2))
    state = read(saving.files[1])
    state["position"]["seconds"] = 1000.0
    rest = make_trainer()
    rest.load_state_dict(state)
    record = rest.train_epoch()
    assert rest.reporter.seen == [[16, 4]]
    assert record["seconds"] > 1000


def test_what_is_not_trained_is_as_the_settings_have_it():
    trainer, other = make_trainer(), make_trainer()
    trainer.train_epoch()
    state = copy.deepcopy(trainer.state_dict())
    state["optimizer"]["param_groups"][0] |= {"lr": 5.0, "maximize": True, "amsgrad": True}
    other.load_state_dict(state)
    trainer.train_epoch()
    other.train_epoch()
    assert all(value.equal(weights(other)[name]) for name, value in weights(trainer).items())


def spoilt(spoil):
    """What spoils a state between two batches."""

    def state_of(trainer):
        saving = Saving(trainer)
        list(trainer.train(2))
        state = read(saving.files[1])
        spoil(state)
        return state

    return state_of


def average(state):
    return state["optimizer"]["state"][0]


SPOILT = {  # what is said of each
    r"shape \(3,\)": spoilt(lambda state: average(state).update(exp_avg=torch.zeros(3))),
    "float64": spoilt(lambda state: average(state).update(exp_avg_sq=average(state)["exp_avg_sq"].double())),
    "instead of a tensor": spoilt(lambda state: average(state).update(step=3.0)),
    "max_exp_avg": spoilt(lambda state: average(state).update(max_exp_avg_sq=torch.zeros(3))),
    "parameter 99": spoilt(lambda state: state["optimizer"]["state"].update({99: average(state)})),
    "parameter -1": spoilt(lambda state: state["optimizer"]["state"].update({-1: average(state)})),
    "bfloat16": spoilt(lambda state: state["model"].update({k: v.bfloat16() for k, v in state["model"].items()})),
    "-3 steps": spoilt(lambda state: state.update(epoch=-1, step=-3)),
    "4 steps": spoilt(lambda state: state.update(step=4)),
    "interpreted as an integer": spoilt(lambda state: state.update(epoch=1.0)),
    "17 images": spoilt(lambda state: state["position"]["means"].update(count=17)),
    "the sums": spoilt(lambda state: state["position"]["means"].update(sums=torch.zeros(9))),
    "the random stream": spoilt(lambda state: state["position"]["random"].update(cpu=torch.zeros(3))),
    "random": spoilt(lambda state: state["position"].pop("random")),
}


@pytest.mark.slow
@pytest.mark.parametrize("phrase", SPOILT)
def test_a_state_that_is_not_of_this_trainer_is_refused(phrase):
    state = SPOILT[phrase](make_trainer())
    with pytest.raises((LookupError, RuntimeError, TypeError, ValueError), match=phrase):
        make_trainer().load_state_dict(state)
