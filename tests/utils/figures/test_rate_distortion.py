"""The figure of rate and distortion has every run in its place, whatever its loss."""

import json
import shutil

import numpy as np
import pytest

from saved_groups import change, only
from utils.figures.rate_distortion import point_of, rate_distortion, weighed_objectives
from utils.figures.style import look_of
from utils.results.groups import merged
from utils.results.reading import read_groups
from utils.runs.folder import EVALUATION

PREFIX = "dataset-digits_rec-dist-gaussian_loss-"
ALPHAS = [0.1, 0.5]


def lines_of(axes):
    """The points of each line, by its label."""
    return {line.get_label(): line.get_xydata() for line in axes.lines}


@pytest.mark.slow
def test_rate_and_distortion_are_the_two_parts_of_the_elbo(reference, said):
    lists = [read_groups(reference / name, name) for name in ("table1", "lambda", "beta")]
    figure = rate_distortion([only(merged(*lists))])
    above, near = figure.axes
    for axes in (above, near):
        of = {line.get_label(): line.get_xydata() for line in axes.lines}
        ((rate, distortion),) = of[look_of("KL").label]
        assert distortion == said("KL", "reconstruction")
        assert rate == pytest.approx(said("KL", "divergence"))
        for (rate, distortion), alpha in zip(of[look_of("dGJS").label], ALPHAS, strict=True):
            assert distortion == said(f"dGJS_GJS-A-{alpha}", "reconstruction")
            assert rate + distortion == pytest.approx(-said(f"dGJS_GJS-A-{alpha}", "elbo"))
    ends = {text.get_text() for axes in (above, near) for text in axes.texts}
    assert ends >= {"α = 0.1", "α = 0.5", "β = 0.5", "β = 4"}
    sums = [text for text in near.texts if "=" not in text.get_text()]
    dotted = [line for line in near.lines if line.get_linestyle() == ":"]
    assert sums and dotted
    assert all(f"{sum(text.xy):g}" == text.get_text() for text in sums)
    for line in dotted:
        assert np.ptp(line.get_xdata() + line.get_ydata()) == pytest.approx(0, abs=1e-9)


def test_near_a_kl_that_is_not_there_or_uses_no_latents_nothing_is_drawn(reference, tmp_path):
    folder = shutil.copytree(reference / "table1", tmp_path / "table1")
    without = only(read_groups(folder, "table1", loss=["GJS", "MMD"]))
    path = folder / f"{PREFIX}KL" / EVALUATION
    evaluation = json.loads(path.read_text())
    evaluation["test"]["elbo"] = -evaluation["test"]["reconstruction"]
    path.write_text(json.dumps(evaluation))
    for group in (without, only(read_groups(folder, "table1"))):
        above, near = rate_distortion([group]).axes
        assert not near.axison and not near.lines
        assert {"α = 0.1", "α = 0.5"} <= {text.get_text() for text in above.texts}


def test_the_mean_over_seeds_is_joined_and_each_seed_has_its_dot(reference, tmp_path):
    folder = shutil.copytree(reference / "table1", tmp_path / "table1")
    shutil.copytree(folder / f"{PREFIX}rKL", folder / "another")
    change(folder / "another", seed=7)
    evaluation = json.loads((folder / "another" / EVALUATION).read_text())["test"]
    moved = {"reconstruction": evaluation["reconstruction"] + 4, "elbo": evaluation["elbo"] - 6}
    change(folder / "another", EVALUATION, test={**evaluation, **moved})
    axes = rate_distortion([only(read_groups(folder, "table1"))]).axes[0]
    rate, distortion = -evaluation["elbo"] - evaluation["reconstruction"], evaluation["reconstruction"]
    assert lines_of(axes)["KL(p‖q)"].tolist() == [pytest.approx([rate + 1, distortion + 2])]
    (dots,) = [line for line in axes.lines if line.get_marker() == "."]
    assert sorted(dots.get_xydata().tolist()) == [
        pytest.approx([rate, distortion]),
        pytest.approx([rate + 2, distortion + 4]),
    ]


def test_options_that_a_loss_does_not_sweep_are_a_thin_line(reference, tmp_path):
    folder = shutil.copytree(reference / "table1", tmp_path / "table1")
    shutil.copytree(folder / f"{PREFIX}MMD", folder / "heavier")
    change(folder / "heavier", loss_options={"MMD_B": 1000.0})
    lists = [read_groups(folder, "table1"), read_groups(reference / "lambda", "lambda")]
    axes = rate_distortion([only(merged(*lists))]).axes[0]
    lines = lines_of(axes)
    assert len(lines["MMD"]) == 1 and len(lines["MMD, over λ"]) == 2
    crossing = [line for line in axes.lines if line.get_label() == f"{look_of('GJS').label}, each α over λ"]
    assert [len(line.get_xdata()) for line in crossing] == [2, 2], "for each alpha from weight 1 to weight 2"
    assert {line.get_color() for line in crossing} == {look_of("GJS").color}


def test_values_at_the_ends_of_lines_do_not_cover_marks(reference):
    figure = rate_distortion([only(merged(*(read_groups(reference / x, x) for x in ("table1", "lambda", "beta"))))])
    for axes in figure.axes:
        marks = [axes.transData.transform(line.get_xydata()) for line in axes.lines if line.get_linestyle() != ":"]
        for text in (text for text in axes.texts if "=" in text.get_text()):
            box = text.get_window_extent()
            assert not any(box.contains(*point) for points in marks for point in points), text.get_text()


def test_every_objective_is_named_at_its_default_weight_and_a_line_over_its_weights(reference):
    group = only(read_groups(reference / "zoo", "zoo", over="latent_dim"))
    (axes,) = weighed_objectives(group).axes
    lines = [np.array(line.get_xydata()) for line in axes.lines]
    assert [len(line) for line in lines] == [1, 3, 1, 1]
    assert axes.get_xscale() == "symlog", "a rate of 0 has its place"
    named = {text.get_text(): text.xy for text in axes.texts if text.get_text()}
    assert list(named) == [look_of(loss).label for loss in ("KL", "betaH", "VR", "CatVAE")]
    by_weight = {run.config.loss_options["betaH_B"]: point_of([run]) for run in group.of("betaH")}
    assert [tuple(point) for point in lines[1]] == [by_weight[weight] for weight in (1, 4, 16)]
    assert named[look_of("betaH").label] == by_weight[4]
    assert named[look_of("CatVAE").label] == tuple(lines[3][0])
