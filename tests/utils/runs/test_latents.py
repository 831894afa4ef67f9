"""Runs with a prior or a posterior that is chosen: they train, resume, are loaded, sampled and measured."""

import sys
from dataclasses import replace

import pytest
import torch

import vae
from small_runs import config, files_of
from utils.figures.one_run import draw_run
from utils.grids.ensembles import ensembles
from utils.runs.evaluate import evaluate_only
from utils.runs.folder import EVALUATION, FITTED_SAMPLES, MODEL, SAMPLES
from utils.runs.run import resume, run
from vae.means import NonFiniteError
from vae.options import OptionError

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "chosen",
    [
        {"loss": "KL", "prior": "vamp", "prior_components": 5},
        {"loss": "SW", "prior": "mixture"},
        {"loss": "tGJS", "posterior": "full"},
        {"loss": "betaH", "posterior": "full", "prior": "mixture", "dataset": "mixture2d"},
    ],
    ids=lambda chosen: " ".join(map(str, chosen.values())),
)
def test_a_run_resumes_to_the_same_bits_and_is_measured(chosen, runtime):
    run(config("whole", epochs=3, importance_samples=10, **chosen), runtime)
    run(config(epochs=2, importance_samples=10, **chosen), runtime)
    resume("exp", {"epochs": 3}, runtime)
    whole, resumed = files_of(runtime, "whole"), files_of(runtime)
    assert whole[MODEL] == resumed[MODEL]
    assert whole[EVALUATION] == resumed[EVALUATION]
    again = evaluate_only("exp", {"importance_samples": 10}, runtime)
    assert again["test"]["evidence"]["mean"] > -1e5
    model, _, saved = vae.load(runtime.results_dir / "exp")
    assert {name: saved[name] for name in chosen} == chosen
    assert model.sample(3).isfinite().all()
    torch.manual_seed(0)
    assert len(model.prior.sample(7)) == 7


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            {"loss": "GJS", "prior": "vamp"},
            "--prior vamp: --loss GJS cannot be computed with it, it knows standard only",
        ),
        (
            {"loss": "CatVAE", "prior": "standard", "latent_dim": None},
            "--prior standard: .*, it has a prior of its own",
        ),
        ({"loss": "KL", "prior_components": 5}, "--prior-components 5: expected --prior mixture or vamp besides"),
        (
            {"loss": "CS", "prior": "vamp", "components": 3},
            "--components is of the prior that --loss CS has of its own, in place of which --prior vamp comes: leave",
        ),
        ({"loss": "CS", "prior": "standard", "prior_network": False}, "--prior-network is of the prior that --loss CS"),
        ({"loss": "KL", "prior": "normal"}, "--prior normal: expected one of standard, mixture, vamp"),
        ({"loss": "DIP", "posterior": "full"}, "--posterior full: --loss DIP is for diagonal ones only"),
        (
            {"loss": "KL", "prior": "vamp", "posterior": "full"},
            "--posterior full: --prior vamp is a mixture of diagonal",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line(flags, message):
    with pytest.raises(OptionError, match=f"^{message}"):
        config(**flags)


def test_samples_of_what_is_fitted_to_latents_are_beside_those_of_the_prior(runtime):
    pytest.importorskip("sklearn")
    plain = run(config("plain", importance_samples=10), runtime)
    evaluation = run(config(importance_samples=10, sampler="gmm"), replace(runtime, draw=draw_run))
    fitted = evaluation["test"]["evidence"]
    assert fitted.items() > plain["test"]["evidence"].items()
    assert fitted.keys() - plain["test"]["evidence"].keys() == {"sampler_sampling", "sampler_sampling_interval"}
    drawing = replace(runtime, draw=draw_run)
    assert evaluate_only("plain", {"importance_samples": 10, "sampler": "gmm"}, drawing) == evaluation
    assert evaluate_only("plain", {}, runtime) == evaluation, "what the sampler was measured by is kept"
    fewer = evaluate_only("plain", {"importance_samples": 5}, runtime)["test"]["evidence"]
    assert "sampler_sampling" not in fewer, "it is of other draws"
    again = evaluate_only("plain", {"sampler": "gmm"}, runtime)["test"]["evidence"]
    assert again.items() > fewer.items() and "sampler_sampling" in again, "by as many draws as there were"
    own, later = (runtime.results_dir / name / FITTED_SAMPLES for name in ("exp", "plain"))
    assert own.stat().st_size and own.read_bytes() == later.read_bytes()


def test_evidence_that_is_not_asked_for_stays_as_it_was_measured(runtime):
    run(config(importance_samples=2), runtime)
    better = evaluate_only("exp", {"importance_samples": 10}, runtime)
    assert better["test"]["evidence"]["importance_samples"] == 10
    assert evaluate_only("exp", {}, runtime) == better
    own = runtime.results_dir / "exp" / EVALUATION
    own.unlink()
    assert evaluate_only("exp", {}, runtime)["test"]["evidence"]["importance_samples"] == 2, "the run's own number"


def test_vectors_are_drawn_by_a_sampler_too(runtime):
    pytest.importorskip("sklearn")
    flags = {"dataset": "mixture2d", "network": None, "train_size": 100, "test_size": 50, "latent_dim": 2}
    drawing = replace(runtime, draw=draw_run)
    run(config(**flags, sampler="gmm"), drawing)
    run(config("plain", **flags), drawing)
    files, plain = files_of(runtime), files_of(runtime, "plain")
    assert files[SAMPLES] == plain[SAMPLES] != files[FITTED_SAMPLES]
    evaluate_only("plain", {"sampler": "gmm"}, drawing)
    assert files_of(runtime, "plain")[FITTED_SAMPLES] == files[FITTED_SAMPLES]


def test_a_sampler_is_fitted_to_two_training_examples_at_least(runtime):
    pytest.importorskip("sklearn")
    with pytest.raises(OptionError, match="^--sampler gmm: expected 2 training examples or more, to fit it to$"):
        run(config(dataset="mixture2d", sampler="gmm", train_size=1), runtime)
    assert not (runtime.results_dir / "exp").exists()
    assert run(config(dataset="mixture2d", sampler="gmm", train_size=2), runtime)["test"]["loss"]


def test_of_a_model_that_has_diverged_its_evaluation_says_so_before_a_sampler_is_fitted(runtime):
    pytest.importorskip("sklearn")
    with pytest.raises(NonFiniteError, match="^the evaluation's loss is not finite; .* a smaller --lr$"):
        run(config(loss="AE", lr=1e30, batch_size=20, sampler="gmm", epochs=1), runtime)


def test_a_sampler_that_is_not_installed_is_asked_for_in_one_line(runtime, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(OptionError, match="^--sampler gmm: scikit-learn is missing: pip install scikit-learn$"):
        run(config(dataset="mixture2d", sampler="gmm"), runtime)


def test_runs_with_a_prior_that_draws_or_with_a_full_covariance_train_by_themselves():
    usual = [config(f"run{seed}", loss="KL", seed=seed) for seed in range(3)]
    others = [config("vamp", loss="KL", prior="vamp"), config("full", loss="KL", posterior="full")]
    assert [len(members) for members in ensembles([*usual, *others])] == [3, 1, 1]
