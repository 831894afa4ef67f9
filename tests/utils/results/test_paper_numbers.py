"""The published numbers, and what they are for."""

from dataclasses import replace

import pytest

from utils.grids.presets import ALPHAS
from utils.results.paper_numbers import is_comparison, published, published_over
from utils.runs.config import RunConfig


def config(**flags):
    return RunConfig.from_flags("x", flags)


def test_the_papers_numbers_are_those_of_its_table():
    printed = {  # Table 1, but for the one of JS^G on dSprites, which is the dual's
        ("KL", None): (8.46, 11.98, 13.55, 12.27),
        ("rKL", None): (11.61, 14.42, 14.18, 19.88),
        ("betaH", None): (11.75, 13.32, 10.51, 20.79),
        ("MMD", None): (13.19, 11.10, 11.87, 18.85),
        ("GJS", 0.5): (9.87, 11.29, 9.89, 13.57),
    }
    best = {("GJS", "mnist"): (0.1, 7.52), ("GJS", "fashion"): (0.2, 10.04), ("GJS", "chairs"): (0.2, 11.95)}
    best |= {("dGJS", "mnist"): (0.3, 7.34), ("dGJS", "fashion"): (0.4, 9.58)}
    best |= {("dGJS", "dsprites"): (0.5, 4.97), ("dGJS", "chairs"): (0.4, 11.64)}

    def value(dataset, loss, **options):
        return published(config(dataset=dataset, loss=loss, **options)).value

    for (loss, alpha), row in printed.items():
        options = {} if alpha is None else {"GJS_A": alpha}
        found = [value(dataset, loss, **options) for dataset in ("mnist", "fashion", "dsprites", "chairs")]
        assert found == pytest.approx(row, abs=0.005001)
    for (loss, dataset), (alpha, expected) in best.items():
        by_alpha = {a: value(dataset, loss, GJS_A=a) for a in ALPHAS}
        assert min(by_alpha, key=by_alpha.get) == alpha
        assert by_alpha[alpha] == pytest.approx(expected, abs=0.005001)


def test_the_papers_numbers_are_for_its_settings_only():
    skewed = {"dataset": "mnist", "loss": "GJS", "GJS_A": 0.1}
    assert published(config(**skewed)).test == 7.523
    assert published(config(**skewed, epochs=1, rec_dist="gaussian", train_size=10)).test == 7.523
    assert published(config(**skewed, latent_dim=2)) is None
    assert published(config(**skewed, posterior="full")) is None
    assert published(config(**skewed, clip_gradient=1.0)) is None
    assert published(config(dataset="mnist", loss="KL", prior="mixture")) is None
    assert published(config(dataset="mnist", loss="KL", prior="standard")) == published(
        config(dataset="mnist", loss="KL")
    )
    assert published(config(**{**skewed, "GJS_A": 0.15})) is None
    assert published(config(**skewed, GJS_B=2.0)).test == 8.512
    assert published(config(**skewed, GJS_invA=False)).test == 9.191
    assert published(config(dataset="mnist", loss="tGJS", GJS_A=0.9)).marks == "a"
    assert published(config(**{**skewed, "dataset": "dsprites"})).marks == "bt"
    assert published(config(dataset="digits", loss="KL")) is None


def test_the_papers_numbers_over_an_option_are_those_of_the_same_other_options():
    assert list(published_over(config(dataset="mnist", loss="GJS", GJS_A=0.15), "GJS_A")) == ALPHAS
    heavier = published_over(config(dataset="mnist", loss="GJS", GJS_B=3.0), "GJS_A")
    assert {alpha: number.test for alpha, number in heavier.items()} == {
        **{0.1: 8.724, 0.3: 10.009, 0.5: 11.153, 0.7: 12.058, 0.9: 13.226},
    }
    assert min(published_over(config(dataset="mnist", loss="betaH"), "betaH_B")) == 0.25
    assert published_over(config(dataset="mnist", loss="energy"), "energy_B") == {}


def test_what_table_1_compares_is_kl_with_a_skewed_divergence_at_its_settings():
    kl, rkl, dual, short = (config(dataset="mnist", loss=loss) for loss in ("KL", "rKL", "dGJS", "KL"))
    assert is_comparison([kl, dual]) and is_comparison([short, rkl, dual])
    assert not is_comparison([kl, rkl]) and not is_comparison([dual])
    assert not is_comparison([kl, replace(dual, latent_dim=2)])
