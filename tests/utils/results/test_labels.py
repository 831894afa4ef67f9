"""What runs are called, and in which order they stand."""

import pytest

from utils.results.labels import (
    flag_label,
    in_order,
    learnt_option,
    run_label,
    swept_option,
    symbol_of,
    table_order,
    told_flags,
    varying_flags,
)
from utils.runs.config import RunConfig


def config(**flags):
    return RunConfig.from_flags("x", flags)


@pytest.mark.parametrize(
    ("loss", "options", "label"),
    [
        ("KL", {}, "KL"),
        ("betaH", {}, "betaH β = 4"),
        ("MMD", {}, "MMD λ = 500"),
        ("dGJS", {}, "dGJS α = 0.5"),
        ("GJS", {"GJS_A": 0.1, "GJS_B": 2.0}, "GJS α = 0.1, λ = 2"),
        ("GJS", {"GJS_invA": False}, "GJS α = 0.5, no-GJS-invA"),
        ("tGJS", {}, "tGJS"),
        ("tGJS", {"GJS_A": 0.1}, "tGJS α = 0.1"),
        ("energy", {"energy_B": 2.0}, "energy λ = 2"),
    ],
)
def test_a_label_tells_the_loss_and_what_tells_it_from_others(loss, options, label):
    own = config(dataset="mnist", loss=loss, **options)
    assert run_label(own, told_flags(own)) == label


def test_what_varies_is_told_too():
    configs = [config(dataset="mnist", loss=loss, lr=lr) for loss in ("KL", "GJS") for lr in (1e-3, 1e-4)]
    configs += [config(dataset="mnist", loss="GJS", lr=1e-3, GJS_B=3.0, seed=7)]
    varying = varying_flags(configs)
    assert varying == {(None, "lr"), ("GJS", "GJS_B")}
    labels = [run_label(own, told_flags(own, varying)) for own in configs]
    assert labels == [
        *("KL lr = 0.001", "KL lr = 0.0001"),
        *("GJS α = 0.5, λ = 1, lr = 0.001", "GJS α = 0.5, λ = 1, lr = 0.0001", "GJS α = 0.5, λ = 3, lr = 0.001"),
    ]


def test_a_loss_says_what_is_swept_and_what_is_learnt():
    assert (swept_option("GJS"), swept_option("dGJS"), swept_option("betaH")) == ("GJS_A", "GJS_A", "betaH_B")
    assert (swept_option("tGJS"), swept_option("KL")) == (None, None)
    assert (learnt_option("tGJS"), learnt_option("tdGJS"), learnt_option("GJS")) == ("GJS_A", "GJS_A", None)


def test_losses_stand_in_the_order_of_the_papers_table_and_others_behind_by_name():
    paper = ["KL", "rKL", "betaH", "MMD", "GJS", "tGJS", "dGJS", "tdGJS"]
    assert in_order(["energy", "AE", *reversed(paper), "KL"]) == [*paper, "AE", "energy"]
    configs = [config(loss="GJS", GJS_A=alpha, lr=lr) for alpha in (0.3, 0.1) for lr in (2, 1)]
    ordered = sorted([*configs, config(loss="KL")], key=table_order)
    assert [own.loss for own in ordered] == ["KL", "GJS", "GJS", "GJS", "GJS"]
    assert [(own.loss_options["GJS_A"], own.lr) for own in ordered[1:]] == [(0.1, 1), (0.1, 2), (0.3, 1), (0.3, 2)]


def test_short_forms():
    assert (symbol_of("GJS_A"), symbol_of("lr"), symbol_of("betaB_initC")) == ("α", "lr", "betaB-initC")
    assert flag_label("train_size", None) == "train-size = all"
    assert flag_label("GJS_invA", True) == "GJS-invA"


def test_what_a_setting_is_where_nothing_is_said_is_no_number_of_images():
    assert flag_label("test_size", None) == "test-size = all"
    assert flag_label("clip_gradient", None) == "clip-gradient = default"
    assert flag_label("prior", None) == "prior = default"
