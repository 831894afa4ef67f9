"""Figures of results draw what the files of the runs say, no more and no less."""

import json
import shutil

import numpy as np
import pytest

from saved_groups import only
from utils.figures.over_options import (
    INSET_FROM,
    INSET_NATS,
    evidence_figure,
    learning_paths,
    learnt_figure,
    noise_figure,
    option_figure,
    skew_figure,
)
from utils.figures.style import look_of
from utils.results.groups import merged
from utils.results.reading import read_groups, with_evidence
from utils.runs.folder import CONFIG, EVALUATION, METRICS

pytestmark = pytest.mark.slow

PREFIX = "dataset-digits_rec-dist-gaussian_loss-"
ALPHAS = [0.1, 0.5]


def drawn(axes, color, line, marker="o"):
    """The points of the only line with that look; the looks of matplotlib's lines are -, --, : and None."""
    looks = (color, line, marker)
    (found,) = [one for one in axes.lines if (one.get_color(), one.get_linestyle(), one.get_marker()) == looks]
    return [tuple(point) for point in found.get_xydata().tolist()]


def heights(axes, color, line):
    """Where the horizontal lines of a colour and a style are."""
    lines = [one for one in axes.lines if (one.get_color(), one.get_linestyle()) == (color, line)]
    return [one.get_ydata()[0] for one in lines if list(one.get_xdata()) == [0, 1]]


def labels(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def colour(loss):
    return look_of(loss).color


@pytest.mark.parametrize("loss, learnt", [("GJS", "tGJS"), ("dGJS", "tdGJS")])
def test_figure_3_has_errors_above_and_divergences_below(reference, said, loss, learnt):
    figure = skew_figure([only(read_groups(reference / "table1", "table1"))], loss)
    above, below = figure.axes
    for split, line in (("train", "--"), ("test", "-")):
        points = [(alpha, said(f"{loss}_GJS-A-{alpha}", "squared_error", split)) for alpha in ALPHAS]
        assert drawn(above, colour(loss), line) == points
        for other in ("KL", "rKL"):
            assert heights(above, colour(other), line) == [said(other, "squared_error", split)]
    assert drawn(above, colour(learnt), "None", "*") == [(said(learnt, "alpha"), said(learnt, "squared_error"))]
    terms = (("divergence", colour(loss), "o"), ("kl_to_posterior", "#882255", "v"), ("kl_to_prior", "#999933", "^"))
    for quantity, color, marker in terms:
        points = [(alpha, said(f"{loss}_GJS-A-{alpha}", quantity)) for alpha in ALPHAS]
        assert drawn(below, color, "-", marker) == points
    assert heights(below, colour("KL"), "-") == [said("KL", "divergence")]
    assert above.get_title() == "digits, gaussian: 2 epochs, seed 1234"
    assert {look_of(loss).label, look_of(learnt).label, "KL(q‖p)", "train", "test"} <= set(labels(figure))


def test_what_is_not_there_is_not_drawn(reference):
    group = only(read_groups(reference / "table1", "table1", loss=["KL"]))
    assert labels(skew_figure([group], "GJS")) == ["KL(q‖p)", "train", "test"]
    (text,) = learning_paths([group], "tGJS").axes[0].texts
    assert text.get_text() == "no runs yet"


def test_a_line_goes_through_the_means_over_seeds(reference, said, tmp_path):
    folder = shutil.copytree(reference / "table1", tmp_path / "table1")
    run, another = folder / f"{PREFIX}GJS_GJS-A-0.5", folder / "another-seed"
    shutil.copytree(run, another)
    config, evaluation = (json.loads((another / name).read_text()) for name in (CONFIG, EVALUATION))
    (another / CONFIG).write_text(json.dumps({**config, "seed": 7}))
    evaluation["test"]["squared_error"] += 10
    (another / EVALUATION).write_text(json.dumps(evaluation))
    axes = skew_figure([only(read_groups(folder, "table1"))], "GJS").axes[0]
    first, second = (said(f"GJS_GJS-A-{alpha}", "squared_error") for alpha in ALPHAS)
    assert drawn(axes, colour("GJS"), "-") == [(0.1, first), (0.5, pytest.approx(second + 5))]
    dots = [one.get_xydata().tolist() for one in axes.lines if one.get_marker() == "."]
    assert sorted(dots[1]) == [[0.5, second], [0.5, second + 10]]


def with_seeds(folder, loss, offsets):
    """Copies of a run with other seeds, whose errors and evidence are so much more."""
    for seed, offset in enumerate(offsets):
        other = shutil.copytree(folder / f"{PREFIX}{loss}", folder / f"{loss}-seed-{seed}")
        config, evaluation = (json.loads((other / name).read_text()) for name in (CONFIG, EVALUATION))
        (other / CONFIG).write_text(json.dumps({**config, "seed": seed}))
        for split in ("train", "test"):
            evaluation[split]["squared_error"] += offset
        if "evidence" in evaluation["test"]:
            evaluation["test"]["evidence"]["mean"] += offset
        (other / EVALUATION).write_text(json.dumps(evaluation))


def test_three_seeds_have_a_band_of_their_interval(reference, said, tmp_path):
    folder = shutil.copytree(reference / "table1", tmp_path / "table1")
    for loss in ("GJS_GJS-A-0.5", "KL"):
        with_seeds(folder, loss, [1.0, -1.0])
    axes = skew_figure([only(read_groups(folder, "table1", loss=["KL", "GJS"]))], "GJS").axes[0]
    half = 4.302653 / 3**0.5  # Student's t with two degrees of freedom, and a standard deviation of 1
    middle = said("GJS_GJS-A-0.5", "squared_error")
    (bar,) = [one for one in axes.collections if hasattr(one, "get_segments")]
    assert bar.get_segments()[0].tolist() == [[0.5, pytest.approx(middle - half)], [0.5, pytest.approx(middle + half)]]
    (band,) = axes.patches
    assert band.get_y() == pytest.approx(said("KL", "squared_error") - half)
    assert band.get_height() == pytest.approx(2 * half)


def test_the_evidence_of_three_seeds_has_their_interval(reference, said, tmp_path):
    folder = shutil.copytree(reference / "table1", tmp_path / "table1")
    for loss in ("GJS_GJS-A-0.1", "KL"):
        with_seeds(folder, loss, [1.0, -1.0])
    group = only(with_evidence(read_groups(folder, "table1", loss=["KL", "GJS"])))
    axes = evidence_figure([group]).axes[0]
    half, kl = 4.302653 / 3**0.5, said("KL", "evidence")["mean"]
    assert heights(axes, colour("KL"), "-") == [pytest.approx(kl)]
    (band,) = axes.patches
    assert (band.get_y(), band.get_height()) == pytest.approx((kl - half, 2 * half))
    first, second = (bar.lines[2][0].get_segments()[0] for bar in axes.containers)
    assert first[:, 1] == pytest.approx(said("GJS_GJS-A-0.1", "evidence")["mean"] + np.array([-half, half]))
    assert second[:, 1] == pytest.approx(said("GJS_GJS-A-0.5", "evidence")["interval"])  # of its images: a single seed


def test_published_numbers_stand_beside_runs_with_the_same_likelihood_only(reference, tmp_path):
    folder = shutil.copytree(reference / "table1", tmp_path / "table1")
    for path in folder.glob(f"*/{CONFIG}"):
        path.write_text(path.read_text().replace('"dataset": "digits"', '"dataset": "fashion"'))
    axes = skew_figure([only(read_groups(folder, "table1"))], "GJS").axes[0]
    assert drawn(axes, colour("GJS"), ":", "x") == [(0.1, 10.038), (0.5, 11.294)]
    assert (heights(axes, colour("KL"), ":"), heights(axes, colour("rKL"), ":")) == ([11.981], [14.421])
    for path in folder.glob(f"*/{CONFIG}"):  # its numbers for MNIST are from bernoulli
        path.write_text(path.read_text().replace('"dataset": "fashion"', '"dataset": "mnist"'))
    assert "published" not in labels(skew_figure([only(read_groups(folder, "table1"))], "GJS"))


def test_paths_of_a_learnt_alpha_are_those_of_the_metrics(reference):
    groups = read_groups(reference / "alpha-starts", loss=["tGJS", "tdGJS"], GJS_A=[0.1, 0.9])
    records = {}
    for start in (0.1, 0.9):
        lines = (reference / "alpha-starts" / f"loss-tdGJS_GJS-A-{start}" / METRICS).read_text().splitlines()
        records[start] = [json.loads(line) for line in lines]
    axes = learning_paths([only(groups)], "tdGJS").axes[0]
    for path, own in zip(axes.collections, records.values(), strict=True):
        assert path.get_offsets().tolist() == [[record["alpha"], record["reconstruction"]] for record in own]
    axes = learnt_figure([only(groups)]).axes[0]
    curves = [one.get_xydata().tolist() for one in axes.lines if one.get_color() == colour("tdGJS")]
    for curve, (start, own) in zip(curves, records.items(), strict=True):
        assert curve == [[0, start], *([record["epoch"], record["alpha"]] for record in own)]


def test_figure_5_has_the_evidence_with_its_intervals(reference, said):
    groups = with_evidence(read_groups(reference / "table1", "table1", loss=["KL", "rKL", "MMD", "GJS", "dGJS"]))
    figure = evidence_figure([only(groups)])
    for axes, mean, interval in zip(figure.axes, ("mean", "prior_sampling"), ("interval", "prior_sampling_interval")):
        evidence = [said(f"GJS_GJS-A-{alpha}", "evidence") for alpha in ALPHAS]
        line = next(one for one in axes.lines if one.get_label() == look_of("GJS").label)
        assert line.get_ydata().tolist() == [one[mean] for one in evidence]
        for bar, alpha, one in zip(axes.containers, ALPHAS, evidence, strict=True):
            (segment,) = bar.lines[2][0].get_segments()
            assert np.allclose(segment, [[alpha, one[interval][0]], [alpha, one[interval][1]]], rtol=1e-12)
        kl = said("KL", "evidence")
        assert heights(axes, colour("KL"), "-") == [kl[mean]]
        (band,) = axes.patches
        assert [band.get_y(), band.get_y() + band.get_height()] == pytest.approx(kl[interval])
    assert labels(figure) == [look_of("KL").label, look_of("GJS").label]


def test_errors_over_beta_and_over_alpha_with_each_weight(reference, said):
    kl = read_groups(reference / "table1", "table1", loss=["KL"])
    axes = option_figure([only(merged(read_groups(reference / "beta", "beta"), kl))], "betaH").axes[0]
    for split, line in (("train", "--"), ("test", "-")):
        points = [(beta, said(f"betaH_betaH-B-{beta:g}", "squared_error", split, "beta")) for beta in (0.5, 4.0)]
        assert drawn(axes, colour("betaH"), line) == points
        assert heights(axes, colour("KL"), line) == [said("KL", "squared_error", split)]
    figure = option_figure([only(merged(read_groups(reference / "lambda", "lambda"), kl))], "GJS")
    for weight in (1, 2):
        line = next(one for one in figure.axes[0].lines if one.get_label().endswith(f"λ = {weight}"))
        errors = [said(f"GJS_GJS-A-{alpha}_GJS-B-{weight}", "squared_error", grid="lambda") for alpha in ALPHAS]
        assert line.get_xydata().tolist() == [list(point) for point in zip(ALPHAS, errors)]


def test_errors_and_learnt_alpha_over_noise(reference, said):
    groups = read_groups(reference / "noise", over="noise", loss=["KL", "tGJS"], noise=[0.5, 1.0])
    figure = noise_figure([only(groups)])
    above, below = figure.axes
    for loss in ("KL", "tGJS"):
        points = [(sd, said(f"loss-{loss}_noise-{sd:g}", "squared_error", grid="noise")) for sd in (0.5, 1.0)]
        line = next(one for one in above.lines if one.get_label() == look_of(loss).label)
        assert [tuple(point) for point in line.get_xydata().tolist()] == points
    alpha = [said(f"loss-tGJS_noise-{sd:g}", "alpha", grid="noise") for sd in (0.5, 1.0)]
    line = next(one for one in below.lines if one.get_label() == look_of("tGJS").label)
    assert line.get_ydata().tolist() == alpha
    assert labels(figure) == ["KL(q‖p)", look_of("tGJS").label, "train", "test"]


def test_evidence_that_is_far_apart_is_drawn_again_near_that_of_kl(reference, said, tmp_path):
    folder = shutil.copytree(reference / "table1", tmp_path / "table1")
    path = folder / f"{PREFIX}GJS_GJS-A-0.5" / EVALUATION
    evaluation = json.loads(path.read_text())
    evidence = evaluation["test"]["evidence"]
    less = 5 * INSET_FROM
    evidence |= {"mean": evidence["mean"] - less, "interval": [end - less for end in evidence["interval"]]}
    path.write_text(json.dumps(evaluation))
    group = only(with_evidence(read_groups(folder, "table1", loss=["KL", "GJS"])))
    (inset,) = evidence_figure([group]).axes[0].child_axes
    low, high = inset.get_ylim()
    level, (less, more) = said("KL", "evidence")["mean"], INSET_NATS
    assert (low, high) == pytest.approx((level - less, level + more))
    for path in folder.glob(f"{PREFIX}*/{EVALUATION}"):
        evaluation = json.loads(path.read_text())
        evaluation["test"]["evidence"] = said("KL", "evidence")
        path.write_text(json.dumps(evaluation))
    level = only(with_evidence(read_groups(folder, "table1", loss=["KL", "GJS"])))
    assert not evidence_figure([level]).axes[0].child_axes
