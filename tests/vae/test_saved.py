"""Saved models: what is read back, and what is refused with a line that says why."""

import json

import pytest
import torch

import vae
from vae.saved import CONFIG, MODEL, ResultsError, build, to_bytes, to_json

SAVED = {
    "loss": "tGJS",
    "loss_options": {"GJS_A": 0.4, "GJS_B": 1.0, "GJS_invA": True},
    "rec_dist": "gaussian",
    "latent_dim": 3,
    "data": {"image_shape": [1, 32, 32], "train_images": 20},
    "ended_after": 2,
}


@pytest.fixture
def folder(tmp_path):
    """The folder of a run: all that is read of it."""
    config = vae.saved.SavedConfig(SAVED)
    model, loss = build(config, (1, 32, 32), 20)
    (tmp_path / CONFIG).write_bytes(to_json(config))
    (tmp_path / MODEL).write_bytes(to_bytes({"model": model.state_dict(), "loss": loss.state_dict()}))
    return tmp_path


def test_a_saved_model_is_what_was_saved(folder):
    model, loss, config = vae.load(str(folder))
    state = torch.load(folder / MODEL, weights_only=True)
    for module, saved in ((model, state["model"]), (loss, state["loss"])):
        assert module.state_dict().keys() == saved.keys()
        assert all(value.equal(saved[name]) for name, value in module.state_dict().items())
        assert not module.training
    assert config == SAVED


def test_a_configuration_is_read_by_key_and_by_attribute(folder):
    _, _, config = vae.load(folder)
    assert config["loss"] == config.loss == "tGJS"
    assert config.data.image_shape == config["data"]["image_shape"] == [1, 32, 32]
    assert getattr(config, "epochs", None) is None
    with pytest.raises(AttributeError, match="epochs"):
        _ = config.epochs


def test_a_model_is_saved_and_loaded_on_the_device_that_is_asked_for(folder):
    model, loss, _ = vae.load(folder, device="meta")
    assert {parameter.device.type for module in (model, loss) for parameter in module.parameters()} == {"meta"}


def test_a_model_loads_with_the_keys_that_describe_it_alone(folder):
    """What other versions write besides, or leave out, is no matter."""
    (folder / CONFIG).write_bytes(to_json({**SAVED, "of_another_version": 1}))
    assert vae.load(folder)[2].of_another_version == 1


def changed(**others):
    return lambda folder: (folder / CONFIG).write_bytes(to_json({**SAVED, **others}))


def without(key):
    config = {name: value for name, value in SAVED.items() if name != key}
    return lambda folder: (folder / CONFIG).write_bytes(to_json(config))


OTHER_DATA = {"image_shape": [1, 33, 32], "train_images": 20}
MISTAKES = {
    "no run": (lambda folder: (folder / CONFIG).unlink(), "holds no saved model: expected the folder of a run, with"),
    "config damaged": (lambda folder: (folder / CONFIG).write_text("{"), "config.json is damaged"),
    "config of infinity": (
        lambda folder: (folder / CONFIG).write_text(json.dumps({**SAVED, "lr": float("inf")})),
        "config.json is damaged",
    ),
    "not ended": (changed(ended_after=None), "has not ended: --resume goes on with it"),
    "without a loss": (without("loss"), "config.json is not a configuration of this version .*'loss'"),
    "without an end": (without("ended_after"), "config.json is not a configuration of this version .*'ended_after'"),
    "without data": (without("data"), "config.json is not a configuration of this version .*'data'"),
    "unknown loss": (changed(loss="Kl"), "not a configuration of this version .*did you mean KL"),
    "unknown likelihood": (changed(rec_dist="cauchy"), "config.json is not a configuration of this version .*cauchy"),
    "another option": (changed(loss_options={"GJS_C": 1}), "not a configuration of this version .*--GJS-C is not an"),
    "odd images": (changed(data=OTHER_DATA), r"not a configuration of this version .*the shape \(1, 33, 32\)"),
    "other sizes": (changed(latent_dim=4), "model.pt does not belong to the config.json beside it"),
    "another loss": (changed(loss="KL", loss_options={}), "model.pt does not belong to the config.json beside it"),
    "no model": (lambda folder: (folder / MODEL).unlink(), "model.pt cannot be read"),
    "model cut": (lambda folder: (folder / MODEL).write_bytes((folder / MODEL).read_bytes()[:-9]), "is damaged"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_what_is_no_saved_model_is_refused_in_one_line(folder, name):
    spoil, message = MISTAKES[name]
    spoil(folder)
    with pytest.raises(ResultsError, match=message) as caught:
        vae.load(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
