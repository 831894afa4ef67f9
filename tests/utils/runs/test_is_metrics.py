"""--is-metrics: disentanglement in evaluation.json, over all images whatever a run is trained on."""

import json

import pytest

from utils.datasets import load_dataset
from utils.grids.grid import configurations
from utils.grids.sweep import sweep
from utils.runs import evaluate, loading
from utils.runs.config import RunConfig
from utils.runs.evaluate import evaluate_only
from utils.runs.folder import CONFIG, EVALUATION, ResultsError
from utils.runs.run import resume, run
from vae.options import OptionError

SCORES = {
    "mig_sample",
    "mig_mean",
    "mig_sample_of_factors",
    "mig_mean_of_factors",
    "factor_vae_score",
    "sap",
    "dci_disentanglement",
    "dci_completeness",
    "dci_informativeness",
}
WHOLE = {"train": 150, "test": 50}  # what stands for all of dSprites, which is too much for a test


@pytest.fixture
def loaded(monkeypatch):
    """The splits that were loaded, with the sizes that were asked for."""
    calls = []

    def load(name, split, data_dir, size=None, image_size=None):
        calls.append((split, size))
        return load_dataset(name, split, data_dir, size or WHOLE[split], image_size)

    for module in (loading, evaluate):
        monkeypatch.setattr(module, "load_dataset", load)
    return calls


def config(**settings):
    flags = {"epochs": 1, "train_size": 20, "test_size": 10, "batch_size": 8, **settings}
    return RunConfig.from_flags("exp", flags)


def test_it_measures_all_images_at_the_end_of_a_run(loaded, runtime, capsys):
    evaluation = run(config(is_metrics=True, evaluate_every=1), runtime)
    assert loaded == [("train", 20), ("test", 10), ("train", None), ("test", None)]
    assert evaluation["disentanglement"].keys() == SCORES
    assert all(len(evaluation["disentanglement"][name]) == 5 for name in SCORES if name.endswith("factors"))
    folder = runtime.results_dir / "exp"
    assert json.loads((folder / EVALUATION).read_text()) == evaluation
    assert json.loads((folder / CONFIG).read_text())["is_metrics"] is True
    assert "disentanglement  mig sample 0." in capsys.readouterr().out


def test_splits_that_are_whole_are_not_loaded_again(loaded, runtime):
    run(config(is_metrics=True, train_size=None), runtime)
    assert loaded == [("train", None), ("test", 10), ("test", None)]


def test_without_it_nothing_is_measured_and_nothing_more_loaded(loaded, runtime):
    assert run(config(), runtime).keys() == {"train", "test"}
    assert loaded == [("train", 20), ("test", 10)]


@pytest.mark.slow
def test_evaluation_alone_may_ask_for_it_and_keeps_what_is_there(loaded, runtime):
    without = run(config(), runtime)
    within = evaluate_only("exp", {"is_metrics": True}, runtime)
    assert within.keys() == {"train", "test", "disentanglement"}
    assert {**without, "disentanglement": within["disentanglement"]} == within
    assert evaluate_only("exp", {"is_metrics": True}, runtime) == within
    assert evaluate_only("exp", {}, runtime) == within
    assert run(config(is_metrics=True), runtime, overwrite=True) == within


@pytest.mark.slow
def test_evaluation_alone_may_ask_for_it_in_a_grid(loaded, runtime):
    flags = {"loss": "KL", "seed": [0, 1], "epochs": 1, "train_size": 20, "test_size": 10, "batch_size": 8}
    sweep("grid", configurations(flags), runtime)
    asked = configurations({**flags, "is_metrics": True})
    with pytest.raises(ResultsError, match="has --is-metrics False, not True: add --is-eval-only"):
        sweep("grid", asked, runtime)
    sweep("grid", asked, runtime, mode="is_eval_only")
    for name in ("seed-0", "seed-1"):
        evaluation = json.loads((runtime.results_dir / "grid" / name / EVALUATION).read_text())
        assert evaluation["disentanglement"].keys() == SCORES


@pytest.mark.slow
def test_it_may_be_asked_for_on_going_on(loaded, runtime):
    run(config(), runtime)
    with pytest.raises(
        OptionError, match="--is-metrics True: the saved run has False; give --is-eval-only in place of"
    ):
        resume("exp", {"is_metrics": True}, runtime)
    resumed = resume("exp", {"is_metrics": True, "epochs": 2}, runtime)
    assert run(config(is_metrics=True, epochs=2), runtime, overwrite=True) == resumed
