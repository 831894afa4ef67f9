"""What results/reference/README.md says of the reference runs is what their files say."""

import json
import math
from typing import Any

import pytest

from reference_runs import REFERENCE, evaluation, of_table
from utils.grids.saved import saved_runs
from utils.report.reference import BLOCKS, PAGES, ROOT, filled
from utils.results.groups import Model, grouped
from utils.runs.folder import METRICS
from vae.evaluation.evaluator import rate

TEXT = (REFERENCE / "README.md").read_text(encoding="utf-8")
FLOWING = " ".join(TEXT.split())
COLUMNS = {"b": ("mnist", "bernoulli"), "g": ("mnist", "gaussian"), "f": ("fashion", "gaussian")}
EVIDENCE_TOLD = (("GJS", 0.1), ("GJS", 0.3), ("dGJS", 0.3), ("dGJS", 0.9))  # with three seeds

# Runs of the zoo at default weights: those whose evidence is near the best, and those of the aggregate posterior.
NEAR = ("CS_CS-B-1", "KL", "dGJS_GJS-B-1", "tGJS", "tdGJS", "Renyi_renyi-B-1")
AGGREGATE = ("MMD_MMD-B-500", "SW_SW-B-100", "WAE_WAE-B-200")
SAME = ("squared_error", "elbo", "aggregate_distance")
ZOO_EVALUATIONS = sorted((REFERENCE / "zoo").glob("dataset-mnist_*/evaluation.json"))


def notebook_text(name: str) -> str:
    """The first cell of a notebook."""
    notebook = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
    return " ".join("".join(notebook["cells"][0]["source"]).split())


def result(column: str, run: str, split: str = "test") -> dict[str, Any]:
    return of_table(*COLUMNS[column], run)[split]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_pages_say_is_what_the_runs_say(page):
    text = page.read_text(encoding="utf-8")
    assert filled(text) == text, "python -m utils.report.reference writes it anew"


def test_every_block_has_a_place():
    pages = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for name in BLOCKS:
        assert pages.count(f"<!-- {name} -->\n") == pages.count(f"<!-- end of {name} -->\n") == 1, name


def test_the_figures_of_learnt_skews_and_of_noise_are_those_of_the_runs():
    for sd in (1, 2):
        tests = {x: evaluation("noise", f"loss-{x}_noise-{sd}")["test"] for x in ("KL", "rKL", "MMD", "tGJS", "tdGJS")}
        assert ", ".join(f"{loss} {test['squared_error']:.2f}" for loss, test in tests.items()) in FLOWING
        assert f"to {tests['tGJS']['alpha']:.2f} and {tests['tdGJS']['alpha']:.2f}" in FLOWING
    unused = tests["MMD"]["active_units"] == 0
    assert (
        unused
        and f"With 2, MMD uses none of the 10 latent dimensions and KL {tests['KL']['active_units']:.0f}" in FLOWING
    )
    for loss, words in (("tGJS", "it comes to "), ("tdGJS", "that of the dual to ")):
        ends = [evaluation("alpha-starts", f"loss-{loss}_GJS-A-{start}")["test"]["alpha"] for start in (0.1, 0.9)]
        half = result("g", loss)["alpha"]
        assert f"{words}{ends[0]:.3f}, {half:.3f} and {ends[1]:.3f}" in FLOWING
    learnt = {column: [f"{result(column, loss)['alpha']:.2f}" for loss in ("tGJS", "tdGJS")] for column in COLUMNS}
    g, f, b = (f"to {' and '.join(learnt[column])}" for column in "gfb")
    assert f"{g} with `gaussian`, {f} on Fashion-MNIST, and {b} with `bernoulli`" in FLOWING


def test_the_errors_of_two_networks_are_those_of_the_runs():
    page = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")
    for loss, name in (("KL", "KL"), ("dGJS", "dGJS, α = 0.4")):
        runs = [evaluation("networks-fashion", f"loss-{loss}_network-{network}") for network in ("burgess", "resnet")]
        burgess, resnet = (run["test"]["squared_error"] for run in runs)
        assert f"| {name} | {burgess:.2f} | {resnet:.2f} |" in page
        assert resnet < burgess
        seconds = []
        for network in ("burgess", "resnet"):
            lines = (
                (REFERENCE / "networks-fashion" / f"loss-{loss}_network-{network}" / METRICS).read_text().splitlines()
            )
            seconds.append(sum(json.loads(line)["seconds"] for line in lines))
        assert f"`resnet` took {seconds[1] / seconds[0]:.1f} times as long" in " ".join(page.split())


def test_the_sums_that_the_notebook_of_rate_and_distortion_tells_are_those_of_the_runs():
    name = "dataset-mnist_rec-dist-bernoulli_loss-"
    found = []
    for folder, run in (("beta", "betaH_betaH-B-2"), ("table1", "KL")):
        last = json.loads((REFERENCE / folder / (name + run) / METRICS).read_text(encoding="utf-8").splitlines()[-1])
        while_training = last["reconstruction"] + last["divergence"]
        found.append((-evaluation(folder, name + run)["test"]["elbo"], while_training))
    text = notebook_text("rate_distortion")
    (test, training), (kl_test, kl_training) = found
    assert f"{test:.1f} against {kl_test:.1f}; while training, with z sampled, it is {training:.1f}" in text
    assert f"{training:.1f} against {kl_training:.1f}" in text


def test_the_differences_in_evidence_that_the_notebook_tells_are_those_of_the_runs():
    group = next(own for own in grouped(saved_runs(REFERENCE / "table1")) if own.name == "mnist, bernoulli")
    kl = Model("KL")
    told = [group.difference(Model(loss, {"GJS_A": alpha}), kl, "evidence") for loss, alpha in EVIDENCE_TOLD]
    assert {one.count for one in told} == {3}
    first, second, third, fourth = (f"{one.mean:+.2f} ± {one.half_width:.2f}" for one in told)
    text = notebook_text("generative")
    assert f"JS^G is lower by {first[1:]} and {second[1:]}, the dual differs by {third} and {fourth}" in text
    assert first[0] == second[0] == "-"


def test_the_table_beside_the_authors_code_is_the_benchmarks(capsys, monkeypatch):
    monkeypatch.syspath_prepend(REFERENCE.parent.parent / "benchmarks")
    import reference

    reference.print_table(REFERENCE)
    table = capsys.readouterr().out
    assert len(table.splitlines()) == 2 + len(reference.AUTHORS) and table in TEXT


def zoo(run: str) -> dict[str, Any]:
    """The test split's evaluation of a run of the zoo on MNIST, such as "GJS_GJS-B-1"."""
    loss, _, weight = run.partition("_")
    name = f"dataset-mnist_rec-dist-gaussian_loss-{loss}_seed-1" + (f"_{weight}" if weight else "")
    return evaluation("zoo", name)["test"]


def test_what_the_zoo_shows_is_what_its_runs_have():
    text = notebook_text("zoo")
    log_p = {path.parent.name: json.loads(path.read_text())["test"]["evidence"]["mean"] for path in ZOO_EVALUATIONS}
    best = sorted(log_p, key=log_p.get, reverse=True)[:2]
    assert {name.split("loss-")[1] for name in best} == {"IWAE_seed-1", "VR_seed-1"}
    assert {f"{log_p[name]:.1f}" for name in best} == {"-612.4"} and "`IWAE` and `VR`, −612.4 nats" in text
    evidence = {run: max(log_p.values()) - zoo(run)["evidence"]["mean"] for run in (*NEAR, *AGGREGATE)}
    assert max(evidence[run] for run in NEAR) < 1.1 and "are within 1.1 of that" in text
    assert max(evidence[run] for run in AGGREGATE) < 2 and "`MMD`, `SW` and `WAE` within 2" in text
    ended = [json.loads(path.read_text())["test"] for path in ZOO_EVALUATIONS]
    collapsed = [one["evidence"]["mean"] for one in ended if one["active_units"] == 0]
    assert f"−{-max(collapsed):.0f} to −{-min(collapsed):.0f}" == "−635 to −639"
    assert "−635 to −639, `AE` −636" in text and f"{zoo('AE')['evidence']['mean']:.0f}" == "-636"
    usual = rate(zoo("KL"))
    assert {round(rate(zoo(run)) / usual) for run in AGGREGATE} == {4, 5, 6} and "four to six times" in text
    assert {f"{zoo(run)['aggregate_distance']:.2f}" for run in AGGREGATE} == {"0.05", "0.07", "0.08"}
    near = [f"{zoo(run)['aggregate_distance']:.2f}" for run in ("GJS_GJS-B-1", "dGJS_GJS-B-1")]
    assert near == ["0.75", "0.07"] and "0.75 against 0.07 at λ = 1" in text
    for loss, flag, bound in (("JS", "JS-B", math.log(2)), ("Hellinger", "hellinger-B", 1)):
        assert zoo(f"{loss}_{flag}-6.25")["divergence"] == pytest.approx(bound, rel=1e-5)
        assert zoo(f"{loss}_{flag}-100")["divergence"] < 1e-4
    assert "twice the error of the others that have collapsed, 106 at z = posterior mean" in text
    assert f"{zoo('W2_W2-B-4')['squared_error']:.0f}" == "106" and zoo("W2_W2-B-4")["active_units"] == 0
    metrics = REFERENCE / "zoo" / "dataset-mnist_rec-dist-gaussian_loss-W2_seed-1_W2-B-4" / METRICS
    assert f"was {json.loads(metrics.read_text().splitlines()[-1])['reconstruction']:.0f}." in text
    for weight in ("0.25", "1", "4"):
        own, other = zoo(f"dGJS_GJS-B-{weight}"), zoo(f"Bhattacharyya_bhattacharyya-B-{weight}")
        assert [own[name] for name in SAME] == pytest.approx([other[name] for name in SAME], rel=1e-3)
