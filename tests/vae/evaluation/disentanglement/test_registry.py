"""The registry of metrics: their order, their names in evaluation.json, and one of one's own."""

import pytest
import torch

from registries import set_free
from vae.evaluation.disentanglement import METRICS, disentanglement_scores
from vae.evaluation.disentanglement.dci import dci
from vae.evaluation.disentanglement.factor_vae import factor_vae_score

FACTORS = torch.cartesian_prod(torch.arange(3), torch.arange(5)).repeat(10, 1)
OURS = {"mig", "factor_vae", "sap", "dci"}
NAMES = {
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


def scores(seed=0):
    mean = torch.randn(len(FACTORS), 4, generator=torch.Generator().manual_seed(1)) + FACTORS.repeat(1, 2)
    torch.manual_seed(seed)
    return disentanglement_scores(mean, torch.full_like(mean, -2.0), FACTORS)


def test_results_have_these_names():
    assert METRICS.keys() >= OURS
    assert scores().keys() >= NAMES


def test_metrics_draw_one_after_the_other_from_one_stream():
    mean = torch.randn(len(FACTORS), 4, generator=torch.Generator().manual_seed(1)) + FACTORS.repeat(1, 2)
    torch.manual_seed(3)
    score, of_lasso = factor_vae_score(mean, FACTORS), dci(mean, FACTORS)
    found = scores(seed=3)
    assert found["factor_vae_score"] == score
    assert found["dci_informativeness"] == of_lasso["informativeness"]


def test_one_of_ones_own_comes_last_and_changes_no_other(monkeypatch):
    before = scores()
    set_free(monkeypatch, METRICS, "a")

    @METRICS.register("a")
    def random_score(mean, logvar, factors):
        assert mean.shape == logvar.shape == (150, 4)
        return {"a_score": torch.rand(()).item() + len(factors.unique())}

    after = scores()
    assert {name: value for name, value in after.items() if name != "a_score"} == before
    assert 5 <= after["a_score"] <= 6


@pytest.mark.parametrize("found", [{"sap": 5.0}, {"a": torch.ones(())}, {"a": float("nan")}, {"a": [1.0, None]}])
def test_one_of_ones_own_that_gives_no_numbers_or_the_score_of_another_is_named(found, monkeypatch):
    set_free(monkeypatch, METRICS, "a")
    METRICS.register("a")(lambda mean, logvar, factors: found)
    with pytest.raises(TypeError, match="^the metric a gives .*: expected finite floats, by a name of its own$"):
        scores()


def test_factors_of_one_value_are_refused():
    with pytest.raises(ValueError, match="no factor has two values"):
        disentanglement_scores(torch.randn(8, 2), torch.zeros(8, 2), torch.ones(8, 1, dtype=torch.int64))
