"""Runs that were broken off, or go on: to the same bits, and with nothing else than they began with."""

import contextlib
import json
from dataclasses import replace

import pytest
import torch

import vae
from small_runs import config, files_of, metrics_of
from utils.datasets import DatasetError
from utils.machine import compilation
from utils.machine.compilation import missing_for_compile
from utils.machine.environment import environment
from utils.machine.signals import EndedAtOnce
from utils.runs.config import RunConfig
from utils.runs.evaluate import evaluate_only
from utils.runs.folder import (
    ANIMATION,
    CHECKPOINT,
    CONFIG,
    EVALUATION,
    EXPLORE,
    FITTED_SAMPLES,
    MODEL,
    REPORT,
    SAMPLES,
    ResultsError,
    ResultsFolder,
)
from utils.runs.run import resume, run
from utils.runs.runtime import Interrupted
from vae.losses import LOSSES
from vae.means import NonFiniteError
from vae.options import OptionError
from vae.training.step import OptimizerStep
from vae.training.trainer import Trainer


def test_a_run_of_vectors_resumes_to_the_same_bits(runtime):
    settings = {"dataset": "mixture2d", "loss": "InfoVAE", "train_size": 300, "test_size": 50}
    run(RunConfig.from_flags("whole", {"epochs": 3, **settings}), runtime)
    run(RunConfig.from_flags("exp", {"epochs": 2, **settings}), runtime)
    resume("exp", {"epochs": 3}, runtime)
    whole, resumed = files_of(runtime, "whole"), files_of(runtime)
    assert whole[MODEL] == resumed[MODEL]
    assert whole[EVALUATION] == resumed[EVALUATION]


class Crash(BaseException):
    """Stands for a kill: nothing in the program catches it."""


def break_training(monkeypatch, error, *, at_step):
    """Make the loss raise an error at one step of training."""
    done = []

    class Breaking(LOSSES["tGJS"]):
        def forward(self, model, images, inputs=None):
            done.append(1)
            if len(done) == at_step:
                raise error
            return super().forward(model, images, inputs)

    monkeypatch.setitem(LOSSES, "tGJS", Breaking)


@pytest.mark.parametrize("at_step", [2, 5, 8])
@pytest.mark.parametrize("error", [Crash, KeyboardInterrupt])
def test_an_interrupted_run_resumes_to_the_same_bits(runtime, monkeypatch, error, at_step, ended):
    ended(config("whole", epochs=3, loss="tGJS", evaluate_every=1))
    with monkeypatch.context() as patch:
        break_training(patch, error(), at_step=at_step)
        with pytest.raises(Interrupted if error is KeyboardInterrupt else Crash):
            run(config(epochs=3, loss="tGJS", evaluate_every=1), runtime)
    assert MODEL not in files_of(runtime)
    resume("exp", {}, runtime)
    whole, resumed = files_of(runtime, "whole"), files_of(runtime)
    assert whole[MODEL] == resumed[MODEL]
    assert whole[EVALUATION] == resumed[EVALUATION]
    assert metrics_of(runtime.results_dir / "whole") == metrics_of(runtime.results_dir / "exp")


def break_steps(monkeypatch, error, *, at_step):
    """Make one of the optimiser's steps to come raise an error; gives the list of those that are taken."""
    taken, take_step = [], OptimizerStep.__call__

    def breaking(step, *batch, full):
        if len(taken) + 1 == at_step:
            raise error
        taken.append(1)
        return take_step(step, *batch, full=full)

    monkeypatch.setattr(OptimizerStep, "__call__", breaking)
    return taken


@pytest.mark.slow
@pytest.mark.parametrize("at_step", [1, 5, 8])
@pytest.mark.parametrize("error", [Crash, KeyboardInterrupt])
def test_a_run_saved_within_an_epoch_resumes_there_to_the_same_bits(runtime, monkeypatch, error, at_step):
    small = {"epochs": 3, "loss": "tGJS", "evaluate_every": 1}
    run(config("whole", **small), runtime)
    with monkeypatch.context() as patch, pytest.raises((Interrupted, Crash)) as caught:
        break_steps(patch, error(), at_step=at_step)
        run(config(**small), replace(runtime, checkpoint_minutes=1e-9))
    left = break_steps(monkeypatch, error(), at_step=10)
    resume("exp", {}, runtime)
    assert len(left) == 9 - (at_step - 1)
    whole, resumed = files_of(runtime, "whole"), files_of(runtime)
    assert whole[MODEL] == resumed[MODEL]
    assert whole[EVALUATION] == resumed[EVALUATION]
    assert metrics_of(runtime.results_dir / "whole") == metrics_of(runtime.results_dir / "exp")
    if error is KeyboardInterrupt:
        saved = {1: "no epoch is saved", 5: "epochs 1 to 1 and 1 batches of epoch 2", 8: "epochs 1 to 2 and 1 batches"}
        assert saved[at_step] in str(caught.value)


def test_what_is_not_finite_within_an_epoch_is_not_saved(runtime, monkeypatch):
    take_step = OptimizerStep.__call__

    def spoil(step, *batch, full):
        terms = take_step(step, *batch, full=full)
        step.optimizer.param_groups[0]["params"][0].data.fill_(float("nan"))
        return terms

    monkeypatch.setattr(OptimizerStep, "__call__", spoil)
    with pytest.raises(NonFiniteError, match=r"not finite at the end of epoch 1; no epoch is saved"):
        run(config(), replace(runtime, checkpoint_minutes=1e-9))


def test_a_second_request_to_end_while_the_first_is_heeded_says_what_is_saved(runtime, monkeypatch):
    save = ResultsFolder.save_checkpoint

    def interrupted(folder, state):
        if state["epoch"] == 2:
            raise EndedAtOnce("ended by SIGTERM")
        save(folder, state)

    monkeypatch.setattr(ResultsFolder, "save_checkpoint", interrupted)
    with pytest.raises(Interrupted, match=r"ended by SIGTERM, at once; the checkpoint holds epochs 1 to 1, .* goes on"):
        run(config(), runtime)


def test_an_interruption_while_an_old_run_is_cleared_does_not_promise_it(runtime, monkeypatch):
    run(config(), runtime)
    clear = ResultsFolder.clear

    def interrupted(folder):
        (folder / CONFIG).unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr(ResultsFolder, "clear", interrupted)
    with pytest.raises(Interrupted, match="^interrupted; no epoch is saved, .*: the same command begins it again$"):
        run(config(), runtime, overwrite=True)
    monkeypatch.setattr(ResultsFolder, "clear", clear)
    run(config(), runtime, overwrite=True)


def test_a_denoising_run_resumes_to_the_same_bits(runtime):
    run(config("whole", epochs=3, noise=0.5), runtime)
    run(config(epochs=2, noise=0.5), runtime)
    resume("exp", {"epochs": 3}, runtime)
    whole, resumed = files_of(runtime, "whole"), files_of(runtime)
    assert whole[MODEL] == resumed[MODEL]
    assert whole[EVALUATION] == resumed[EVALUATION]
    with pytest.raises(ValueError, match="--noise 0.1: the saved run has 0.5"):
        resume("exp", {"noise": 0.1}, runtime)


@pytest.mark.slow
@pytest.mark.parametrize("at_write", range(1, 9))
@pytest.mark.parametrize("error", [Crash, KeyboardInterrupt])
def test_a_run_that_breaks_off_at_any_write_resumes_to_the_same_files(runtime, monkeypatch, error, at_write, ended):
    ended(config("whole"))
    whole = files_of(runtime, "whole")
    writes, replace = [], ResultsFolder.replace

    def breaking(folder, name, write):
        if len(writes) != at_write:  # a checkpoint that was broken off by Ctrl-C is written once more
            writes.append(name)
            if len(writes) == at_write:
                raise error()
        replace(folder, name, write)

    with monkeypatch.context() as patch:
        patch.setattr(ResultsFolder, "replace", breaking)
        with contextlib.suppress(Crash, Interrupted):
            run(config(), runtime)
    assert len(writes) == min(at_write, 7), (
        "configuration, two checkpoints, the one before, model, evaluation, configuration"
    )
    if at_write == 1:
        run(config(), runtime)
    else:
        resume("exp", {}, runtime)
    ours = files_of(runtime)
    assert ours.keys() == whole.keys()
    assert all(ours[name] == whole[name] for name in (MODEL, EVALUATION))
    assert json.loads(ours[CONFIG]) | {"experiment": "whole"} == json.loads(whole[CONFIG])
    assert metrics_of(runtime.results_dir / "exp") == metrics_of(runtime.results_dir / "whole")


@pytest.mark.parametrize(("checkpoint_every", "saved"), [(1, 1), (10, 1)])
def test_an_interruption_saves_the_last_whole_epoch_and_says_so(runtime, monkeypatch, checkpoint_every, saved):
    break_training(monkeypatch, KeyboardInterrupt(), at_step=5)
    with pytest.raises(
        Interrupted, match=r"checkpoint holds epochs 1 to 1, .*: python main.py exp --resume .* goes on"
    ):
        run(config(loss="tGJS"), replace(runtime, checkpoint_every=checkpoint_every))
    checkpoint = torch.load(runtime.results_dir / "exp" / CHECKPOINT, weights_only=True)
    assert checkpoint["epoch"] == saved


@pytest.mark.parametrize("error", [NonFiniteError("nan"), OSError("boom"), MemoryError(), ResultsError("disk")])
def test_whatever_breaks_a_run_off_the_last_whole_epoch_is_saved(runtime, monkeypatch, error):
    break_training(monkeypatch, error, at_step=5)
    with pytest.raises(type(error)) as found:
        run(config(loss="tGJS"), replace(runtime, checkpoint_every=10))
    assert str(found.value).startswith(str(error))
    assert torch.load(runtime.results_dir / "exp" / CHECKPOINT, weights_only=True)["epoch"] == 1


def test_where_nothing_can_be_saved_the_first_error_is_told(runtime, monkeypatch):
    break_training(monkeypatch, MemoryError("the first"), at_step=5)

    def full(folder, state):
        raise ResultsError("the disk is full")

    monkeypatch.setattr(ResultsFolder, "save_checkpoint", full)
    with pytest.raises(MemoryError, match="^the first$"):
        run(config(loss="tGJS"), replace(runtime, checkpoint_every=10))


def test_weights_of_fewer_epochs_do_not_pass_for_a_longer_run(runtime, monkeypatch, ended):
    ended(config(loss="tGJS"))
    break_training(monkeypatch, KeyboardInterrupt(), at_step=2)
    with pytest.raises(Interrupted):
        resume("exp", {"epochs": 4}, runtime)
    with pytest.raises(ResultsError, match="has not ended: --resume goes on with it"):
        vae.load(runtime.results_dir / "exp")


def test_resuming_elsewhere_keeps_the_record_and_notes_it(runtime, monkeypatch, capsys, ended):
    ended(config())
    monkeypatch.setattr(
        "utils.runs.runtime.environment", lambda device: {**environment(device), "git_revision": "other"}
    )
    resume("exp", {"epochs": 3}, runtime)
    saved = json.loads(files_of(runtime)[CONFIG])
    assert saved["git_revision"] == environment(torch.device("cpu"))["git_revision"]
    assert [other["git_revision"] for other in saved["resumed_with"]] == ["other"]
    assert "its bits may differ" in capsys.readouterr().out
    monkeypatch.undo()
    resume("exp", {"epochs": 4}, runtime)
    assert json.loads(files_of(runtime)[CONFIG])["resumed_with"] == saved["resumed_with"], "some epochs are still of it"
    vae.load(runtime.results_dir / "exp")


@pytest.mark.parametrize("content", [{"weights": 1}, {"epoch": 1, "step": 3, "model": {}, "loss": {}, "optimizer": {}}])
def test_a_checkpoint_of_something_else_is_refused(runtime, content, ended):
    ended(config())
    torch.save(content, runtime.results_dir / "exp" / CHECKPOINT)
    with pytest.raises(ResultsError, match=r"checkpoint.pt does not belong to the config.json") as caught:
        resume("exp", {"epochs": 3}, runtime)
    assert "\n" not in str(caught.value)


def test_a_crash_between_metrics_and_checkpoint_leaves_no_line_twice(runtime, monkeypatch, ended):
    ended(config("whole", epochs=3))
    with monkeypatch.context() as patch:
        patch.setattr(ResultsFolder, "save_checkpoint", lambda folder, state: (_ for _ in ()).throw(Crash()))
        with pytest.raises(Crash):
            run(config(epochs=3), runtime)
    assert len(metrics_of(runtime.results_dir / "exp")) == 1
    resume("exp", {}, runtime)
    assert metrics_of(runtime.results_dir / "exp") == metrics_of(runtime.results_dir / "whole")
    assert files_of(runtime)[MODEL] == files_of(runtime, "whole")[MODEL]


def test_more_epochs_go_on_from_the_end(runtime, ended):
    ended(config("whole", epochs=3))
    ended(config())
    resume("exp", {"epochs": 3}, runtime)
    assert files_of(runtime)[MODEL] == files_of(runtime, "whole")[MODEL]
    assert json.loads(files_of(runtime)[CONFIG])["epochs"] == 3


def test_what_was_made_of_a_model_goes_as_it_trains_on_and_exports_stay(runtime, capsys, ended):
    ended(config())
    folder = runtime.results_dir / "exp"
    made = (FITTED_SAMPLES, SAMPLES, ANIMATION, EXPLORE, REPORT, "evaluation-on-mnist.json")
    for name in (*made, "export-latents.npz", "mine.txt"):
        (folder / name).write_text("of the model of epoch 2")
    resume("exp", {"epochs": 2}, runtime)
    assert {*made} <= files_of(runtime).keys(), "nothing has been done"
    resume("exp", {"epochs": 3}, runtime)
    assert not {*made} & files_of(runtime).keys()
    assert {"export-latents.npz", "mine.txt"} <= files_of(runtime).keys()
    told = capsys.readouterr().out
    assert told.count("note: pictures, pages and evaluations on other data of the model of epoch 2 go\n") == 1
    assert (
        told.count("note: of the model of epoch 2 at the latest: export-latents.npz; --export with --overwrite makes")
        == 1
    )
    assert "pictures among them" not in told
    resume("exp", {"epochs": 4}, runtime)
    told = capsys.readouterr().out
    assert "note: of the model of epoch 3 at the latest: export-latents.npz" in told and "pages" not in told


def test_a_run_that_has_ended_is_left_as_it_is(runtime, capsys, ended):
    evaluation = ended(config())
    before = files_of(runtime)
    assert resume("exp", {"epochs": 2, "lr": 1e-3, "loss": "GJS", "GJS_A": 0.5}, runtime) == evaluation
    assert files_of(runtime) == before
    assert "has ended after epoch 2: nothing to do" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"lr": 1e-4}, "--lr 0.0001: the saved run has 0.001"),
        ({"loss": "KL"}, "--loss KL: the saved run has GJS"),
        ({"GJS_A": 0.3}, "--GJS-A 0.3: the saved run has 0.5"),
        ({"MMD_B": 3.0}, "--MMD-B is not an option of the saved run's --loss GJS"),
        ({"epochs": 1}, "--epochs 1: 2 epochs are behind this run already"),
        ({"test_size": 5}, "--test-size 5: the saved run has 10"),
    ],
)
def test_resume_refuses_another_configuration(runtime, flags, message, ended):
    ended(config())
    before = files_of(runtime)
    with pytest.raises(OptionError, match=message):
        resume("exp", flags, runtime)
    assert files_of(runtime) == before


@pytest.mark.parametrize("again", [resume, evaluate_only])
def test_other_data_than_the_run_began_with_are_refused(runtime, again, ended):
    ended(config())
    path = runtime.results_dir / "exp" / CONFIG
    saved = json.loads(path.read_text())
    saved["data"]["sha256"]["test"] = "0" * 64
    path.write_text(json.dumps(saved))
    with pytest.raises(DatasetError, match="the run began with other data .* --data-dir"):
        again("exp", {"epochs": 3} if again is resume else {}, runtime)


def test_a_non_finite_loss_keeps_the_last_good_checkpoint(runtime, monkeypatch):
    epoch = Trainer.train_epoch

    def poisoned(trainer):
        if trainer.epoch == 1:
            next(trainer.model.parameters()).data.fill_(float("nan"))
        return epoch(trainer)

    monkeypatch.setattr(Trainer, "train_epoch", poisoned)
    message = r"the term \w+ is not finite at step 4 \(epoch 2, batch 1\); the checkpoint holds epochs 1 to 1"
    with pytest.raises(NonFiniteError, match=message):
        run(config(), runtime)
    checkpoint = torch.load(runtime.results_dir / "exp" / CHECKPOINT, weights_only=True)
    assert checkpoint["epoch"] == 1
    assert all(torch.isfinite(value).all() for value in checkpoint["model"].values())
    assert MODEL not in files_of(runtime)


@pytest.mark.slow
@pytest.mark.skipif(missing_for_compile(torch.device("cpu")) is not None, reason="nothing to compile with")
def test_a_compiled_run_resumes_compiled_to_the_same_bits(runtime):
    small = {"dataset": "mixture2d", "latent_dim": None, "lr": 1e-2, "compile": True}
    run(config("whole", epochs=3, **small), runtime)
    run(config(epochs=2, **small), runtime)
    resume("exp", {"epochs": 3}, runtime)
    whole, resumed = files_of(runtime, "whole"), files_of(runtime)
    assert json.loads(resumed[CONFIG])["compiled"] is True
    assert whole[MODEL] == resumed[MODEL]
    run(config("eager", epochs=3, **{**small, "compile": False}), runtime)
    compiled, eager = (vae.load(runtime.results_dir / name)[0].state_dict() for name in ("whole", "eager"))
    torch.testing.assert_close(compiled, eager, rtol=1e-3, atol=1e-4)


def test_a_run_of_before_compiling_was_chosen_goes_on_uncompiled(runtime, monkeypatch):
    run(config(epochs=1), runtime)
    path = runtime.results_dir / "exp" / CONFIG
    record = json.loads(path.read_text())
    assert record.pop("compiled") is False
    del record["compile"], record["precision"]
    path.write_text(json.dumps(record))
    monkeypatch.setattr(compilation, "COMPILE_FROM", 1)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    resume("exp", {"epochs": 2}, runtime)
    assert json.loads(path.read_text())["compiled"] is False
