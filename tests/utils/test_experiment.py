"""Runs from configuration to results folder, on a few rendered dSprites."""

import contextlib
import json
from dataclasses import asdict, replace

import pytest
import torch
from matplotlib.image import imread

from utils import environment as environment_module
from utils import experiment
from utils.config import RunConfig
from utils.datasets import DatasetError
from utils.environment import environment, missing_for_compile
from utils.experiment import Interrupted, Job, evaluate_only, load_model, resume, run
from utils.results import (
    CHECKPOINT,
    CLASSES,
    CONFIG,
    EVALUATION,
    EVENTS,
    FILES,
    INTERPOLATIONS,
    LATENT,
    METRICS,
    MODEL,
    RECONSTRUCTIONS,
    TRAVERSALS,
    ResultsError,
    ResultsFolder,
)
from vae.losses import LOSSES
from vae.means import NonFiniteError
from vae.options import OptionError
from vae.training import Trainer

pytestmark = pytest.mark.usefixtures("no_pictures")

SMALL = {"train_size": 20, "test_size": 10, "batch_size": 8, "latent_dim": 3, "lr": 1e-3}
TIMINGS = ("seconds", "images_per_second")


def config(experiment="exp", epochs=2, **others):
    return RunConfig(experiment, epochs=epochs, **{**SMALL, **others})


def files_of(runtime, experiment="exp"):
    folder = runtime.results_dir / experiment
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def metrics_of(runtime, experiment="exp"):
    lines = (runtime.results_dir / experiment / METRICS).read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k not in TIMINGS} for line in lines]


@pytest.mark.pictures
def test_a_run_with_classes_leaves_pictures_and_measures_of_them(runtime):
    options = {"classes": 4, "subspace_dim": 1}
    small = config(dataset="digits", loss="InfoCatVAE", loss_options=options, latent_dim=None, evaluate_every=1)
    evaluation = run(small, runtime)
    folder = runtime.results_dir / "exp"
    assert sorted(path.name for path in folder.iterdir()) == sorted(set(FILES) - {LATENT, EVENTS})
    measures = {"clustering_accuracy", "normalised_mutual_information", "class_marginal_entropy", "used_classes"}
    for values in (evaluation["train"], evaluation["test"], metrics_of(runtime)[-1]):
        assert measures <= values.keys()
    model, _, loaded = load_model(folder)
    assert loaded == small
    assert loaded.latent_dim == 4
    assert model.sample(2).shape == (2, 1, 32, 32)


@pytest.mark.pictures
def test_a_run_leaves_a_complete_folder(runtime):
    evaluation = run(config(loss="dGJS", loss_options={"GJS_A": 0.3}, evaluate_every=2), runtime)
    folder = runtime.results_dir / "exp"
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        set(FILES) - {CLASSES, INTERPOLATIONS, LATENT, EVENTS}
    )
    assert all(path.stat().st_size for path in folder.iterdir())

    saved = json.loads((folder / CONFIG).read_text())
    assert saved["loss_options"] == {"GJS_A": 0.3, "GJS_B": 1.0, "GJS_invA": True}
    assert saved["data"] | {"sha256": None} == {
        "name": "dsprites",
        "source": "rendered from its factors",
        "sha256": None,
        "image_shape": [1, 64, 64],
        "train_images": 20,
        "test_images": 10,
    }
    assert saved["versions"]["torch"] == torch.__version__
    assert str(runtime.data_dir) not in json.dumps(saved)
    assert saved["ended_after"] == 2

    first, second, test = (json.loads(line) for line in (folder / METRICS).read_text().splitlines())
    assert [(r["epoch"], r["step"], r["split"]) for r in (first, second, test)] == [
        (1, 3, "train"),
        (2, 6, "train"),
        (2, 6, "test"),
    ]
    extras = {"kl_to_posterior", "kl_to_prior"}
    assert first.keys() == {"epoch", "step", "split", "loss", "reconstruction", "divergence", *TIMINGS} | extras
    quantities = {"loss", "reconstruction", "squared_error", "divergence", "elbo", "active_units"} | extras
    assert json.loads((folder / EVALUATION).read_text()) == evaluation
    assert evaluation.keys() == {"train", "test"}
    assert evaluation["train"].keys() == evaluation["test"].keys() == quantities
    assert {k: v for k, v in test.items() if k in quantities} == evaluation["test"]

    state = torch.load(folder / MODEL, weights_only=True)
    assert state.keys() == {"model", "loss"}


@pytest.mark.pictures
def test_a_run_of_vectors_leaves_its_own_pictures_and_names_no_others(runtime, capsys):
    made = RunConfig("exp", dataset="mixture2d", loss="InfoVAE", epochs=1, train_size=200, test_size=50)
    run(made, runtime)
    assert (made.latent_dim, made.rec_dist) == (1, "normal-diagonal")
    absent = {"checkpoint-previous.pt", EVENTS, RECONSTRUCTIONS, TRAVERSALS, CLASSES, INTERPOLATIONS}
    assert files_of(runtime).keys() == set(FILES) - absent
    assert capsys.readouterr().out.endswith("pictures among them: samples.png, latent.png, curves.png\n")
    model, _, loaded = load_model(runtime.results_dir / "exp")
    assert loaded == made
    assert model.sample(5).shape == (5, 2)


def test_a_run_of_vectors_resumes_to_the_same_bits(runtime):
    settings = {"dataset": "mixture2d", "loss": "InfoVAE", "train_size": 300, "test_size": 50}
    run(RunConfig("whole", epochs=3, **settings), runtime)
    run(RunConfig("exp", epochs=2, **settings), runtime)
    resume("exp", {"epochs": 3}, runtime)
    whole, resumed = files_of(runtime, "whole"), files_of(runtime)
    assert whole[MODEL] == resumed[MODEL]
    assert whole[EVALUATION] == resumed[EVALUATION]


@pytest.mark.parametrize("loss", ["KL", "dGJS", "InfoVAE"])
def test_samples_of_the_mixture_have_both_modes(loss, runtime):
    """After a few epochs already, of 2,000 samples each mode has over a quarter and few lie between them."""
    run(RunConfig("exp", dataset="mixture2d", loss=loss, epochs=10, test_size=50), runtime)
    model, _, _ = load_model(runtime.results_dir / "exp")
    torch.manual_seed(0)
    with torch.no_grad():
        first = model.likelihood.sample(model.decoder(model.prior.sample(2000)))[:, 0]
    assert (first < -0.5).sum() > 500
    assert (first > 0.5).sum() > 500
    assert (first.abs() <= 0.5).sum() < 400


def test_the_same_seed_gives_the_same_bits_and_another_does_not(runtime):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(config(name, seed=seed), runtime)
    a, b, c = (files_of(runtime, name) for name in "abc")
    assert a[MODEL] == b[MODEL]
    assert a[EVALUATION] == b[EVALUATION]
    assert metrics_of(runtime, "a") == metrics_of(runtime, "b")
    assert a[MODEL] != c[MODEL]


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
def test_an_interrupted_run_resumes_to_the_same_bits(runtime, monkeypatch, error, at_step):
    run(config("whole", epochs=3, loss="tGJS", evaluate_every=1), runtime)
    with monkeypatch.context() as patch:
        break_training(patch, error(), at_step=at_step)
        with pytest.raises(Interrupted if error is KeyboardInterrupt else Crash):
            run(config(epochs=3, loss="tGJS", evaluate_every=1), runtime)
    assert MODEL not in files_of(runtime)
    resume("exp", {}, runtime)
    whole, resumed = files_of(runtime, "whole"), files_of(runtime)
    assert whole[MODEL] == resumed[MODEL]
    assert whole[EVALUATION] == resumed[EVALUATION]
    assert metrics_of(runtime, "whole") == metrics_of(runtime)


def test_a_denoising_run_resumes_to_the_same_bits(runtime):
    run(config("whole", epochs=3, noise=0.5), runtime)
    run(config(epochs=2, noise=0.5), runtime)
    resume("exp", {"epochs": 3}, runtime)
    whole, resumed = files_of(runtime, "whole"), files_of(runtime)
    assert whole[MODEL] == resumed[MODEL]
    assert whole[EVALUATION] == resumed[EVALUATION]
    with pytest.raises(ValueError, match="--noise 0.1: the saved run has 0.5"):
        resume("exp", {"noise": 0.1}, runtime)


@pytest.mark.pictures
@pytest.mark.parametrize(("noise", "rows"), [(0.0, 2), (0.5, 3)])
def test_reconstructions_show_what_the_model_saw(runtime, noise, rows):
    run(config(noise=noise, epochs=1), runtime)
    picture = imread(runtime.results_dir / "exp" / RECONSTRUCTIONS)
    assert len(picture) == 35 + rows * 66 - 2 + 10, "title, rows of 64 pixels 2 apart, margin"


@pytest.mark.parametrize("at_write", range(1, 9))
@pytest.mark.parametrize("error", [Crash, KeyboardInterrupt])
def test_a_run_that_breaks_off_at_any_write_resumes_to_the_same_files(runtime, monkeypatch, error, at_write):
    run(config("whole"), runtime)
    whole = files_of(runtime, "whole")
    writes, replace = [], ResultsFolder.replace

    def breaking(folder, name, write):
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
    assert metrics_of(runtime) == metrics_of(runtime, "whole")


@pytest.mark.parametrize(("checkpoint_every", "saved"), [(1, 1), (10, 1)])
def test_an_interruption_saves_the_last_whole_epoch_and_says_so(runtime, monkeypatch, checkpoint_every, saved):
    break_training(monkeypatch, KeyboardInterrupt(), at_step=5)
    with pytest.raises(
        Interrupted, match=r"checkpoint holds epochs 1 to 1, .*: python main.py exp --resume .* goes on"
    ):
        run(config(loss="tGJS"), replace(runtime, checkpoint_every=checkpoint_every))
    checkpoint = torch.load(runtime.results_dir / "exp" / CHECKPOINT, weights_only=True)
    assert checkpoint["epoch"] == saved


def test_a_run_that_another_process_began_meanwhile_is_not_touched(runtime, monkeypatch):
    class Slow(Job):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            (runtime.results_dir / "exp").mkdir(parents=True)
            (runtime.results_dir / "exp" / CONFIG).write_text("theirs")

    monkeypatch.setattr(experiment, "Job", Slow)
    with pytest.raises(ResultsError, match="exists"):
        run(config(), runtime)
    assert files_of(runtime) == {CONFIG: b"theirs"}


def test_weights_of_fewer_epochs_do_not_pass_for_a_longer_run(runtime, monkeypatch):
    run(config(loss="tGJS"), runtime)
    break_training(monkeypatch, KeyboardInterrupt(), at_step=2)
    with pytest.raises(Interrupted):
        resume("exp", {"epochs": 4}, runtime)
    with pytest.raises(ResultsError, match="has not ended: python main.py exp --resume"):
        load_model(runtime.results_dir / "exp")


def test_resuming_elsewhere_keeps_the_record_and_notes_it(runtime, monkeypatch, capsys):
    run(config(), runtime)
    monkeypatch.setattr(experiment, "environment", lambda device: {**environment(device), "git_revision": "other"})
    resume("exp", {"epochs": 3}, runtime)
    saved = json.loads(files_of(runtime)[CONFIG])
    assert saved["git_revision"] == environment(torch.device("cpu"))["git_revision"]
    assert saved["resumed_with"]["git_revision"] == "other"
    assert "its bits may differ" in capsys.readouterr().out
    load_model(runtime.results_dir / "exp")


@pytest.mark.parametrize("content", [{"weights": 1}, {"epoch": 1, "step": 3, "model": {}, "loss": {}, "optimizer": {}}])
def test_a_checkpoint_of_something_else_is_refused(runtime, content):
    run(config(), runtime)
    torch.save(content, runtime.results_dir / "exp" / CHECKPOINT)
    with pytest.raises(ResultsError, match=r"checkpoint.pt does not belong to the config.json") as caught:
        resume("exp", {"epochs": 3}, runtime)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["[]", "{}", '{"data": null}', "", '"text"'])
def test_a_configuration_that_is_none_is_refused(runtime, content):
    run(config(), runtime)
    (runtime.results_dir / "exp" / CONFIG).write_text(content)
    for act in (lambda: resume("exp", {}, runtime), lambda: load_model(runtime.results_dir / "exp")):
        with pytest.raises(ResultsError, match="config.json is (damaged|not a configuration)"):
            act()


def test_a_crash_between_metrics_and_checkpoint_leaves_no_line_twice(runtime, monkeypatch):
    run(config("whole", epochs=3), runtime)
    with monkeypatch.context() as patch:
        patch.setattr(ResultsFolder, "save_checkpoint", lambda folder, state: (_ for _ in ()).throw(Crash()))
        with pytest.raises(Crash):
            run(config(epochs=3), runtime)
    assert len(metrics_of(runtime)) == 1
    resume("exp", {}, runtime)
    assert metrics_of(runtime) == metrics_of(runtime, "whole")
    assert files_of(runtime)[MODEL] == files_of(runtime, "whole")[MODEL]


def test_more_epochs_go_on_from_the_end(runtime):
    run(config("whole", epochs=3), runtime)
    run(config(epochs=2), runtime)
    resume("exp", {"epochs": 3}, runtime)
    assert files_of(runtime)[MODEL] == files_of(runtime, "whole")[MODEL]
    assert json.loads(files_of(runtime)[CONFIG])["epochs"] == 3


def test_a_run_that_has_ended_is_left_as_it_is(runtime, capsys):
    evaluation = run(config(), runtime)
    before = files_of(runtime)
    assert resume("exp", {"epochs": 2, "lr": 1e-3, "loss": "GJS", "GJS_A": 0.5}, runtime) == evaluation
    assert files_of(runtime) == before
    assert "has ended after 2 epochs: nothing to do" in capsys.readouterr().out


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
def test_resume_refuses_another_configuration(runtime, flags, message):
    run(config(), runtime)
    before = files_of(runtime)
    with pytest.raises(OptionError, match=message):
        resume("exp", flags, runtime)
    assert files_of(runtime) == before


def test_evaluation_alone_repeats_the_evaluation_and_writes_nothing_else(runtime):
    evaluation = run(config(loss="MMD"), runtime)
    before = files_of(runtime)
    (runtime.results_dir / "exp" / EVALUATION).write_text("{}")
    (runtime.results_dir / "exp" / CHECKPOINT).unlink()
    assert evaluate_only("exp", {}, runtime) == evaluation
    after = files_of(runtime)
    assert after == {name: content for name, content in before.items() if name != CHECKPOINT}


def test_evidence_is_estimated_where_asked_and_can_be_asked_for_later(runtime, capsys):
    small = config(dataset="digits", noise=0.1)
    asked = run(replace(small, importance_samples=5), runtime)
    assert "binarised images, effective sample size" in capsys.readouterr().out
    for split, images in (("train", 20), ("test", 10)):
        evidence = asked[split]["evidence"]
        assert (evidence["images"], evidence["importance_samples"], evidence["binarised"]) == (images, 5, True)
        assert evidence["interval"][0] <= evidence["mean"] <= evidence["interval"][1]
    run(replace(small, experiment="later"), runtime)
    before = files_of(runtime, "later")
    with pytest.raises(OptionError, match="--importance-samples 5: the saved run has 0; add --is-eval-only"):
        resume("later", {"importance_samples": 5}, runtime)
    assert evaluate_only("later", {"importance_samples": 5}, runtime) == asked
    after = files_of(runtime, "later")
    assert json.loads(after[EVALUATION]) == asked
    assert {name for name in after if after[name] != before[name]} == {EVALUATION}


@pytest.mark.parametrize("dataset", ["mixture2d", "digits"])
def test_without_importance_samples_there_is_no_evidence(runtime, dataset):
    evaluation = run(config(dataset=dataset), runtime)
    assert "evidence" not in evaluation["train"].keys() | evaluation["test"].keys()
    asked = evaluate_only("exp", {"importance_samples": 4}, runtime)
    assert not asked["test"]["evidence"]["binarised"] or dataset == "digits"
    assert {k: v for k, v in asked["test"].items() if k != "evidence"} == evaluation["test"]


def test_load_model_gives_back_model_loss_and_configuration(runtime):
    run(config(loss="tdGJS", loss_options={"GJS_A": 0.4}), runtime)
    model, loss, loaded = load_model(runtime.results_dir / "exp")
    state = torch.load(runtime.results_dir / "exp" / MODEL, weights_only=True)
    assert all(value.equal(state["model"][name]) for name, value in model.state_dict().items())
    assert loss.alpha.item() == state["loss"]["alpha"].item() != pytest.approx(0.4, abs=1e-6)
    assert loaded == config(loss="tdGJS", loss_options={"GJS_A": 0.4})
    assert not model.training


@pytest.mark.parametrize("again", [resume, evaluate_only])
def test_other_data_than_the_run_began_with_are_refused(runtime, again):
    run(config(), runtime)
    path = runtime.results_dir / "exp" / CONFIG
    saved = json.loads(path.read_text())
    saved["data"]["sha256"]["train"] = "0" * 64
    path.write_text(json.dumps(saved))
    with pytest.raises(DatasetError, match="the run began with other data .* --data-dir"):
        again("exp", {"epochs": 3} if again is resume else {}, runtime)


def test_a_model_of_another_configuration_is_refused(runtime):
    run(config(), runtime)
    path = runtime.results_dir / "exp" / CONFIG
    path.write_text(path.read_text().replace('"latent_dim": 3', '"latent_dim": 4'))
    with pytest.raises(ResultsError, match="model.pt does not belong to the config.json beside it"):
        load_model(path.parent)


def test_a_configuration_of_another_version_is_refused(runtime):
    run(config(), runtime)
    path = runtime.results_dir / "exp" / CONFIG
    path.write_text(path.read_text().replace('"latent_dim"', '"latents"'))
    with pytest.raises(ResultsError, match="not a configuration of this version .*latents"):
        load_model(path.parent)


def test_an_existing_experiment_is_replaced_only_when_asked(runtime):
    run(config(), runtime)
    before = files_of(runtime)
    with pytest.raises(ResultsError, match="exists: choose another name, --resume .* or --overwrite"):
        run(config(seed=5), runtime)
    assert files_of(runtime) == before
    run(config(seed=5, epochs=1), runtime, overwrite=True)
    assert files_of(runtime)[MODEL] != before[MODEL]
    assert len(metrics_of(runtime)) == 1


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


def test_configuration_round_trip_and_bounds():
    made = RunConfig.from_flags("exp", {"loss": "dGJS", "GJS_A": 0.3, "epochs": 5})
    assert RunConfig(**asdict(made)) == made
    assert RunConfig("exp", loss="fwdKL").loss == "rKL"
    for wrong in ({"epochs": 0}, {"lr": 0.0}, {"lr": float("nan")}, {"dataset": "nothing"}, {"batch_size": 2.5}):
        with pytest.raises(OptionError, match=f"^--{next(iter(wrong)).replace('_', '-')} "):
            RunConfig("exp", **wrong)
    for name in ("", ".", "..", "a/b", "a\\b", ".hidden", "a\nb"):
        with pytest.raises(ResultsError, match="experiment name"):
            RunConfig(name)


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
    compiled, eager = (load_model(runtime.results_dir / name)[0].state_dict() for name in ("whole", "eager"))
    torch.testing.assert_close(compiled, eager, rtol=1e-3, atol=1e-4)


def test_a_run_of_before_compiling_was_chosen_goes_on_uncompiled(runtime, monkeypatch):
    run(config(epochs=1), runtime)
    path = runtime.results_dir / "exp" / CONFIG
    record = json.loads(path.read_text())
    assert record.pop("compiled") is False
    del record["compile"], record["precision"]
    path.write_text(json.dumps(record))
    monkeypatch.setattr(environment_module, "COMPILE_FROM", 1)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    resume("exp", {"epochs": 2}, runtime)
    assert json.loads(path.read_text())["compiled"] is False


def test_what_cannot_be_compiled_is_not(runtime, monkeypatch):
    monkeypatch.setattr(environment_module, "COMPILE_FROM", 1)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    run(config(epochs=1, loss="CatVAE", latent_dim=None), runtime)
    assert json.loads((runtime.results_dir / "exp" / CONFIG).read_text())["compiled"] is False
    with pytest.raises(OptionError, match="--compile: --loss CatVAE cannot be compiled"):
        config(loss="CatVAE", latent_dim=None, compile=True)


def test_evaluation_is_in_float32_also_where_training_is_not(runtime):
    evaluation = run(config(precision="bf16", importance_samples=2), runtime)
    again = evaluate_only("exp", {}, runtime)
    assert again == evaluation
    assert json.loads((runtime.results_dir / "exp" / CONFIG).read_text())["precision"] == "bf16"
