"""Runs from configuration to results folder, on a few digits."""

import errno
import json
import os
from dataclasses import replace

import pytest
import torch
from matplotlib.image import imread

import vae
from small_runs import SMALL, TIMINGS, config, files_of, metrics_of, saved_config
from utils.datasets import DatasetError
from utils.figures.images import GAP
from utils.grids.grid import configurations
from utils.grids.sweep import sweep
from utils.machine import compilation
from utils.runs.config import RunConfig
from utils.runs.evaluate import evaluate_only
from utils.runs.folder import (
    CHECKPOINT,
    CLASSES,
    CONFIG,
    EVALUATION,
    EVENTS,
    FILES,
    FITTED_SAMPLES,
    INTERPOLATIONS,
    METRICS,
    MODEL,
    PAGES,
    RECONSTRUCTIONS,
    TRAVERSALS,
    ResultsError,
)
from utils.runs.loading import load_splits
from utils.runs.run import resume, run
from vae.means import NonFiniteError
from vae.options import OptionError
from written_runs import EVIDENCE


@pytest.mark.slow
def test_a_run_with_classes_leaves_pictures_and_measures_of_them(drawing):
    flags = {"loss": "InfoCatVAE", "classes": 4, "subspace_dim": 1, "latent_dim": None}
    small = config(dataset="digits", evaluate_every=1, **flags)
    evaluation = run(small, drawing)
    folder = drawing.results_dir / "exp"
    assert sorted(path.name for path in folder.iterdir()) == sorted(set(FILES) - {EVENTS, *PAGES, FITTED_SAMPLES})
    measures = {"clustering_accuracy", "normalised_mutual_information", "class_marginal_entropy", "used_classes"}
    for values in (evaluation["train"], evaluation["test"], metrics_of(drawing.results_dir / "exp")[-1]):
        assert measures <= values.keys()
    model, _, loaded = vae.load(folder)
    assert saved_config(folder) == small
    assert loaded.latent_dim == 4
    assert model.sample(2).shape == (2, 1, 32, 32)


def test_a_run_leaves_a_complete_folder(drawing):
    evaluation = run(config(dataset="dsprites", loss="dGJS", GJS_A=0.3, evaluate_every=2), drawing)
    folder = drawing.results_dir / "exp"
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        set(FILES) - {CLASSES, INTERPOLATIONS, EVENTS, *PAGES, FITTED_SAMPLES}
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
    assert str(drawing.data_dir) not in json.dumps(saved)
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


@pytest.mark.slow
def test_a_run_of_vectors_leaves_its_own_pictures_and_names_no_others(drawing, capsys):
    flags = {"dataset": "mixture2d", "loss": "InfoVAE", "epochs": 1, "train_size": 200, "test_size": 50}
    made = RunConfig.from_flags("exp", flags)
    run(made, drawing)
    assert (made.latent_dim, made.rec_dist) == (1, "normal-diagonal")
    absent = {"checkpoint-previous.pt", EVENTS, *PAGES, RECONSTRUCTIONS, TRAVERSALS, CLASSES, INTERPOLATIONS}
    absent |= {FITTED_SAMPLES}
    assert files_of(drawing).keys() == set(FILES) - absent
    assert capsys.readouterr().out.endswith("pictures among them: samples.png, latent.png, marginals.png, curves.png\n")
    model, _, _ = vae.load(drawing.results_dir / "exp")
    assert saved_config(drawing.results_dir / "exp") == made
    assert model.sample(5).shape == (5, 2)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["KL", "dGJS", "InfoVAE"])
def test_samples_of_the_mixture_have_both_modes(loss, runtime):
    """After a few epochs already, of 2,000 samples each mode has over a quarter and few lie between them."""
    run(RunConfig.from_flags("exp", {"dataset": "mixture2d", "loss": loss, "epochs": 6, "test_size": 50}), runtime)
    model, _, _ = vae.load(runtime.results_dir / "exp")
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
    assert metrics_of(runtime.results_dir / "a") == metrics_of(runtime.results_dir / "b")
    assert a[MODEL] != c[MODEL]


@pytest.mark.slow
def test_reconstructions_have_a_row_for_what_the_model_saw_where_that_is_not_the_images(drawing):
    heights = []
    for name, noise in (("clean", 0.0), ("noisy", 0.5)):
        run(config(name, dataset="dsprites", noise=noise, epochs=1), drawing)
        heights.append(len(imread(drawing.results_dir / name / RECONSTRUCTIONS)))
    clean, noisy = heights
    # Before 3.11 Matplotlib rounds some heights down, by which a pixel of the margin is lost.
    assert noisy - clean == pytest.approx(128 + GAP, abs=1), "images of 64x64 are drawn twice as large"


def test_a_run_keeps_its_folder_from_others_while_its_data_are_loaded(runtime, monkeypatch):
    def slow(*arguments):
        with pytest.raises(ResultsError, match="another process is at work in .*exp: wait for it, or stop it"):
            run(config(seed=2), runtime)
        return load_splits(*arguments)

    monkeypatch.setattr("utils.runs.running.load_splits", slow)
    run(config(seed=1), runtime)
    assert json.loads(files_of(runtime)[CONFIG])["seed"] == 1


def test_what_lies_in_the_folder_is_not_touched(runtime):
    (runtime.results_dir / "exp").mkdir(parents=True)
    (runtime.results_dir / "exp" / CONFIG).write_text("theirs")
    with pytest.raises(ResultsError, match="exists"):
        run(config(), runtime)
    assert files_of(runtime) == {CONFIG: b"theirs"}


def test_a_run_without_data_leaves_no_folder(runtime):
    with pytest.raises(DatasetError, match="a size of 99999 is not between"):
        run(config(dataset="digits", train_size=99_999), runtime)
    assert not runtime.results_dir.exists()


@pytest.mark.parametrize("content", ["[]", "{}", '{"data": null}', "", '"text"'])
def test_a_configuration_that_is_none_is_refused(runtime, content, ended):
    ended(config())
    (runtime.results_dir / "exp" / CONFIG).write_text(content)
    for act in (lambda: resume("exp", {}, runtime), lambda: vae.load(runtime.results_dir / "exp")):
        with pytest.raises(ResultsError, match="config.json is (damaged|not a configuration)"):
            act()


def test_evaluation_alone_repeats_the_evaluation_and_writes_nothing_else(runtime, ended):
    evaluation = ended(config(loss="MMD"))
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
    evidence = asked["test"]["evidence"]
    assert (evidence["images"], evidence["importance_samples"], evidence["binarised"]) == (10, 5, True)
    assert evidence["interval"][0] <= evidence["mean"] <= evidence["interval"][1]
    assert "evidence" not in asked["train"]
    run(replace(small, experiment="later"), runtime)
    before = files_of(runtime, "later")
    with pytest.raises(
        OptionError, match="--importance-samples 5: the saved run has 0; give --is-eval-only in place of --resume$"
    ):
        resume("later", {"importance_samples": 5}, runtime)
    assert evaluate_only("later", {"importance_samples": 5}, runtime) == asked
    after = files_of(runtime, "later")
    assert json.loads(after[EVALUATION]) == asked
    assert {name for name in after if after[name] != before[name]} == {EVALUATION}


@pytest.mark.parametrize("old", [None, {"mean": 1.0}, [1.0]])
def test_an_evaluation_that_is_none_is_made_anew(runtime, ended, old):
    evaluation = ended(config(dataset="digits"))
    path = runtime.results_dir / "exp" / EVALUATION
    path.write_text(json.dumps({**evaluation, "test": {**evaluation["test"], "old": old}}))
    assert evaluate_only("exp", {}, runtime) == evaluation == json.loads(path.read_text())


def test_the_evidence_of_an_evaluation_is_kept_and_shown(runtime, ended, capsys):
    evaluation = ended(config(dataset="digits"))
    told = {**evaluation, "test": {**evaluation["test"], "evidence": EVIDENCE}}
    (runtime.results_dir / "exp" / EVALUATION).write_text(json.dumps(told))
    assert evaluate_only("exp", {}, runtime) == told
    said = "evidence -98.50 (-99.00 to -98.00; 1000 images, effective sample size 9 of 100)\n"
    assert said in capsys.readouterr().out


def test_a_damaged_list_of_metrics_keeps_no_model_from_being_evaluated(runtime, ended, capsys):
    evaluation = ended(config(dataset="digits"))
    path = runtime.results_dir / "exp" / METRICS
    path.write_text("{}\n" + path.read_text())
    assert evaluate_only("exp", {}, runtime) == evaluation
    assert f"note: line 1 of {path} is damaged (epoch is missing): mend it, or take it out\n" in capsys.readouterr().out


@pytest.mark.parametrize("dataset", ["mixture2d", "digits"])
def test_without_importance_samples_there_is_no_evidence(runtime, dataset):
    evaluation = run(config(dataset=dataset), runtime)
    assert "evidence" not in evaluation["train"].keys() | evaluation["test"].keys()
    asked = evaluate_only("exp", {"importance_samples": 4}, runtime)
    assert not asked["test"]["evidence"]["binarised"] or dataset == "digits"
    assert {k: v for k, v in asked["test"].items() if k not in ("evidence", "aggregate_distance")} == evaluation["test"]


def test_load_gives_back_model_loss_and_configuration(runtime):
    small = config(loss="tdGJS", GJS_A=0.4)
    run(small, runtime)
    folder = runtime.results_dir / "exp"
    model, loss, loaded = vae.load(folder)
    state = torch.load(folder / MODEL, weights_only=True)
    assert all(value.equal(state["model"][name]) for name, value in model.state_dict().items())
    assert loss.alpha.item() == state["loss"]["alpha"].item() != pytest.approx(0.4, abs=1e-6)
    assert loaded == json.loads((folder / CONFIG).read_text())
    assert saved_config(folder) == small
    assert not model.training


def test_a_model_of_another_configuration_is_refused(runtime, ended):
    ended(config())
    path = runtime.results_dir / "exp" / CONFIG
    path.write_text(path.read_text().replace('"latent_dim": 3', '"latent_dim": 4'))
    with pytest.raises(ResultsError, match="model.pt does not belong to the config.json beside it"):
        vae.load(path.parent)


def test_a_configuration_of_another_version_is_refused(runtime, ended):
    ended(config())
    path = runtime.results_dir / "exp" / CONFIG
    path.write_text(path.read_text().replace('"latent_dim"', '"latents"'))
    with pytest.raises(ResultsError, match="not a configuration of this version .*latent_dim"):
        vae.load(path.parent)
    with pytest.raises(ResultsError, match="not a configuration of this version .*latents"):
        evaluate_only("exp", {}, runtime)


def test_an_existing_experiment_is_replaced_only_when_asked(runtime, ended):
    ended(config())
    before = files_of(runtime)
    with pytest.raises(ResultsError, match="exists: choose another name, --resume .* or --overwrite"):
        run(config(seed=5), runtime)
    assert files_of(runtime) == before
    run(config(seed=5, epochs=1), runtime, overwrite=True)
    assert files_of(runtime)[MODEL] != before[MODEL]
    assert len(metrics_of(runtime.results_dir / "exp")) == 1


@pytest.mark.parametrize("several", [False, True])
def test_nothing_is_cleared_where_nothing_can_be_written(runtime, monkeypatch, several):
    configs = configurations({**SMALL, "seed": [0, 1]})
    sweep("exp", configs, runtime) if several else run(config(), runtime)
    before = files_of(runtime, "exp/seed-0" if several else "exp")

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResultsError, match="No space left on device.*untouched; put that right, then the same com"):
        if several:
            sweep("exp", configs, runtime, mode="overwrite")
        else:
            run(config(seed=5), runtime, overwrite=True)
    assert files_of(runtime, "exp/seed-0" if several else "exp") == before


def test_what_cannot_be_compiled_is_not(runtime, monkeypatch):
    monkeypatch.setattr(compilation, "COMPILE_FROM", 1)
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


def test_nothing_is_cleared_for_a_run_whose_first_step_fails(ended, runtime):
    ended(config(epochs=1))
    before = files_of(runtime)
    message = "at step 1 .*results/exp is as it was: start again with other data, or a smaller weight"
    with pytest.raises(NonFiniteError, match=message):
        run(config(loss="betaH", betaH_B=1e300), runtime, overwrite=True)
    assert files_of(runtime) == before
    whole = run(config("whole", seed=5), runtime)
    assert run(config(seed=5), runtime, overwrite=True) == whole
    assert files_of(runtime)[MODEL] == files_of(runtime, "whole")[MODEL]


def test_nothing_of_a_grid_is_cleared_if_the_first_step_of_one_fails(ended, runtime):
    ended(config("betaH-B-4", loss="betaH", epochs=1))
    runtime = replace(runtime, results_dir=runtime.results_dir.parent)
    before = files_of(runtime, "results/betaH-B-4")
    flags = {**SMALL, "loss": "betaH", "betaH_B": [4.0, 1e300], "epochs": 1}
    (runtime.results_dir / "results" / "betaH-B-4").rename(runtime.results_dir / "results" / "betaH-B-1e+300")
    with pytest.raises(NonFiniteError, match="is as it was"):
        sweep("results", configurations(flags), runtime, mode="overwrite")
    assert files_of(runtime, "results/betaH-B-1e+300") == before
