"""The controls of training in a run: held-out images, early stopping, the best epoch, and what must not be given."""

import json

import pytest
import torch

import vae
from small_runs import SMALL, config, files_of, metrics_of
from utils.grids.grid import configurations
from utils.grids.sweep import sweep
from utils.runs.config import reconcile
from utils.runs.folder import CHECKPOINT, CONFIG, EVALUATION, MODEL, ResultsError, ResultsFolder
from utils.runs.loading import load_splits
from utils.runs.run import resume, run
from utils.runs.runtime import Interrupted
from vae.options import OptionError

CONTROLS = {"warmup": 4, "lr_schedule": "cosine", "lr_warmup": 2, "weight_decay": 0.01, "clip_gradient": 100.0}
HELD_OUT = {"dataset": "digits", "loss": "KL", "network": "mlp", "hidden_units": 8, "validation_size": 10}
# With such a learning rate the loss goes up and down.
RESTLESS = {**HELD_OUT, "lr": 0.1, "epochs": 12, "early_stopping": 2, "keep": "best", "warmup": 6}


def validation_losses(folder):
    """By the epoch."""
    return {line["epoch"]: line["loss"] for line in metrics_of(folder) if line["split"] == "validation"}


def record_of(folder):
    return json.loads((folder / CONFIG).read_text())


def check_selection(folder, *, first):
    """The run stopped when two epochs had not been better, and its model is that of the best, `first` or later."""
    losses = validation_losses(folder)
    candidates = {epoch: loss for epoch, loss in losses.items() if epoch >= first}
    best = min(candidates, key=candidates.get)
    record = record_of(folder)
    assert (record["stopped_after"], record["kept_epoch"]) == (max(losses), best)
    assert max(losses) == min(best + 2, 12)
    for epoch in range(first, max(losses)):  # it had no reason to stop before
        assert epoch - min(range(first, epoch + 1), key=losses.get) < 2
    evaluation = json.loads((folder / EVALUATION).read_text())
    assert evaluation["validation"]["loss"] == pytest.approx(losses[best], rel=1e-6)
    return best


def test_validation_images_follow_those_that_are_trained_on(runtime):
    whole = load_splits(config(**{**HELD_OUT, "validation_size": None, "train_size": 30}), runtime)["train"]
    splits = load_splits(config(**HELD_OUT), runtime)
    assert {name: len(split) for name, split in splits.items()} == {"train": 20, "test": 10, "validation": 10}
    for part in ("images", "labels"):
        held = torch.cat([getattr(splits[name], part) for name in ("train", "validation")])
        assert held.equal(getattr(whole, part))
    packed = load_splits(config(dataset="dsprites", loss="KL", validation_size=3), runtime)["validation"]
    assert packed.images[:].shape == (3, 1, 64, 64)


def test_a_run_stops_early_keeps_its_best_epoch_and_stays_so(runtime, capsys):
    run(config(**RESTLESS), runtime)
    folder = runtime.results_dir / "exp"
    best = check_selection(folder, first=2)  # three steps an epoch: the warm-up is over with the second
    model, _, _ = vae.load(folder)
    kept = torch.load(folder / CHECKPOINT, weights_only=True)["selection"]["best"]
    assert kept["epoch"] == best
    for name, value in model.state_dict().items():
        assert value.equal(kept["state"]["model"][name])
    before = files_of(runtime)
    capsys.readouterr()
    resume("exp", {}, runtime)
    stopped = max(validation_losses(folder))
    assert f"has ended after epoch {stopped}: nothing to do" in capsys.readouterr().out
    assert files_of(runtime) == before


def test_a_run_that_has_stopped_is_not_made_longer_and_keeps_what_was_made_of_it(runtime):
    run(config(**{**RESTLESS, "epochs": 40, "early_stopping": 1}), runtime)
    assert max(validation_losses(runtime.results_dir / "exp")) < 40
    before = files_of(runtime)
    with pytest.raises(ResultsError, match="exp has ended: the validation loss had stopped falling; longer, it is"):
        resume("exp", {"epochs": 50}, runtime)
    assert files_of(runtime) == before


@pytest.mark.slow
def test_runs_of_an_ensemble_stop_each_for_itself(runtime):
    sweep("exp", configurations({**SMALL, **RESTLESS, "seed": [0, 1, 2]}), runtime, ensemble=True)
    for seed in range(3):
        check_selection(runtime.results_dir / "exp" / f"seed-{seed}", first=2)


def test_a_run_with_every_control_that_was_broken_off_goes_on_to_the_same_bits(runtime, monkeypatch):
    flags = {**HELD_OUT, **CONTROLS, "keep": "best", "epochs": 3}
    run(config("whole", **flags), runtime)
    append_metrics = ResultsFolder.append_metrics

    def interrupted(folder, *records):
        if records[0]["epoch"] == 3:
            raise KeyboardInterrupt
        append_metrics(folder, *records)

    with monkeypatch.context() as patch:
        patch.setattr(ResultsFolder, "append_metrics", interrupted)
        with pytest.raises(Interrupted):
            run(config(**flags), runtime)
    resume("exp", {}, runtime)
    whole, resumed = files_of(runtime, "whole"), files_of(runtime)
    assert whole[MODEL] == resumed[MODEL]
    assert whole[EVALUATION] == resumed[EVALUATION]
    assert metrics_of(runtime.results_dir / "whole") == metrics_of(runtime.results_dir / "exp")
    states = [torch.load(runtime.results_dir / name / CHECKPOINT, weights_only=True) for name in ("whole", "exp")]
    assert states[0]["selection"]["best"]["epoch"] == states[1]["selection"]["best"]["epoch"]
    assert record_of(runtime.results_dir / "exp")["lr_schedule"] == "cosine"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"keep": "best"}, "--keep best goes by the loss of validation images: add --validation-size N"),
        ({"early_stopping": 3}, "--early-stopping 3 goes by the loss of validation images: add --validation-size N"),
        ({"lr_schedule": "linear"}, "--lr-schedule linear: expected one of constant, cosine, step"),
        ({"clip_gradient": 0.0}, "--clip-gradient 0.0: expected a number"),
        ({"warmup": -1}, "--warmup -1: expected a whole number"),
    ],
)
def test_what_does_not_go_together_is_refused(flags, message):
    with pytest.raises(OptionError, match=f"^{message}"):
        config(dataset="digits", loss="KL", **flags)


@pytest.mark.parametrize("name", ["warmup", "lr_warmup"])
def test_a_warm_up_that_does_not_end_within_the_run_is_refused_before_anything_is_written(name, runtime):
    run(config("just", dataset="digits", loss="KL", network="mlp", **{name: 6}), runtime)
    flag = f"--{name.replace('_', '-')}"
    with pytest.raises(OptionError, match=f"^{flag} 7: it does not end within the 6 steps of the run$"):
        run(config(dataset="digits", loss="KL", **{name: 7}), runtime)
    assert not (runtime.results_dir / "exp").exists()


def test_images_to_train_on_have_to_be_left(runtime):
    flags = {"dataset": "digits", "loss": "KL", "validation_size": 1_000_000, "train_size": None}
    with pytest.raises(OptionError, match=r"^--validation-size 1000000: --dataset digits has 1,\d+ to train on"):
        load_splits(config(**flags), runtime)


def test_a_run_goes_on_to_other_epochs_only_where_the_learning_rate_has_no_course(runtime, capsys):
    assert reconcile(config(loss="KL"), {"epochs": 9}, changeable=("epochs",)).epochs == 9
    run(config(dataset="digits", loss="KL", network="mlp", lr_schedule="cosine"), runtime)
    course = "--epochs 9: --lr-schedule cosine has its course over the saved run's 2 epochs"
    command = f"python main.py NEW --config {runtime.results_dir / 'exp' / CONFIG} --epochs"
    with pytest.raises(OptionError, match=f"^{course}; a longer one is another run: {command} 9$"):
        resume("exp", {"epochs": 9}, runtime)
    capsys.readouterr()
    resume("exp", {"epochs": 2}, runtime)
    assert f"nothing to do (a longer one is another run: {command} N)\n" in capsys.readouterr().out
