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
ZOO = ("mnist", "fashion")


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


def zoo(run: str, data: str = "mnist") -> dict[str, Any]:
    """The test split's evaluation of a run of the zoo, such as "GJS_GJS-B-1"."""
    return evaluation("zoo", zoo_name(run, data))["test"]


def zoo_name(run: str, data: str) -> str:
    loss, _, weight = run.partition("_")
    return f"dataset-{data}_rec-dist-gaussian_loss-{loss}_seed-1" + (f"_{weight}" if weight else "")


def whole_zoo(data: str) -> dict[str, dict[str, Any]]:
    """Every run of the zoo on a data set, by the name of its folder from its loss on."""
    paths = (REFERENCE / "zoo").glob(f"dataset-{data}_*/evaluation.json")
    return {path.parent.name.split("loss-")[1]: json.loads(path.read_text())["test"] for path in paths}


def error_while_training(run: str) -> float:
    """Of the last epoch of a run of the zoo on MNIST."""
    metrics = REFERENCE / "zoo" / zoo_name(run, "mnist") / METRICS
    return json.loads(metrics.read_text().splitlines()[-1])["reconstruction"]


def test_the_zoo_has_the_evidence_that_its_notebook_tells():
    text = notebook_text("zoo")
    log_p = {data: {name: one["evidence"]["mean"] for name, one in whole_zoo(data).items()} for data in ZOO}
    best = {data: max(found.values()) for data, found in log_p.items()}
    for data, found in log_p.items():
        assert set(sorted(found, key=found.get, reverse=True)[:2]) == {"IWAE_seed-1", "VR_seed-1"}, data
    told = [f"−{-log_p[data][loss]:.1f}" for data in ZOO for loss in ("IWAE_seed-1", "VR_seed-1")]
    assert told == ["−612.4", "−612.4", "−609.0", "−608.9"]
    assert "−612.4 nats on MNIST, −609.0 and −608.9 on Fashion-MNIST" in text
    for runs, within in ((NEAR, (1.1, 1.5)), (AGGREGATE, (2, 1.6))):
        for data, bound in zip(ZOO, within):
            assert max(best[data] - zoo(run, data)["evidence"]["mean"] for run in runs) < bound
    assert "are within 1.1 of the best on MNIST and 1.5 on Fashion-MNIST" in text
    assert "`MMD`, `SW` and `WAE` within 2 and 1.6" in text
    collapsed = [one["evidence"]["mean"] for one in whole_zoo("mnist").values() if one["active_units"] == 0]
    assert f"−{-max(collapsed):.0f} to −{-min(collapsed):.0f}" == "−635 to −639"
    assert "−635 to −639, `AE` −636" in text and f"{zoo('AE')['evidence']['mean']:.0f}" == "-636"
    assert min(log_p["mnist"], key=log_p["mnist"].get) == "JS_seed-1_JS-B-25"
    assert f"{zoo('JS_JS-B-25')['evidence']['mean']:.0f}" == "-649" and zoo("JS_JS-B-25")["active_units"] == 10
    assert "Lowest is `JS` with 25, −649, with all units active" in text
    assert min(one["active_units"] for one in whole_zoo("fashion").values()) == 1
    lowest = sorted(log_p["fashion"].items(), key=lambda item: item[1])[:2]
    assert [(name.partition("_")[0], name[-3:], f"{value:.0f}") for name, value in lowest] == [
        ("Hellinger", "-25", "-639"),
        ("Hellinger", "100", "-637"),
    ]
    assert "`Hellinger` with 25, −639, and with 100, −637" in text


def test_the_zoo_has_the_aggregate_posteriors_that_its_notebook_tells():
    text = notebook_text("zoo")
    for data, farthest in zip(ZOO, (0.08, 0.01)):
        usual = rate(zoo("KL", data))
        assert {round(rate(zoo(run, data)) / usual) for run in AGGREGATE} == {4, 5, 6}, "four to six times"
        assert max(round(zoo(run, data)["aggregate_distance"], 2) for run in AGGREGATE) == farthest
    assert "four to six times that of `KL`" in text and "(at most 0.08 on MNIST, 0.01 on Fashion-MNIST)" in text
    near = [f"{zoo(f'{loss}_GJS-B-1', data)['aggregate_distance']:.2f}" for data in ZOO for loss in ("GJS", "dGJS")]
    assert near == ["0.75", "0.07", "0.47", "0.02"]
    assert "0.75 against 0.07 on MNIST, 0.47 against 0.02 on Fashion-MNIST" in text


def test_the_zoo_has_the_bounded_divergences_that_its_notebook_tells():
    text = notebook_text("zoo")
    found = {}
    for loss, flag, bound in (("JS", "JS-B", math.log(2)), ("Hellinger", "hellinger-B", 1)):
        for data in ZOO:
            assert zoo(f"{loss}_{flag}-6.25", data)["divergence"] == pytest.approx(bound, rel=1e-5)
        assert zoo(f"{loss}_{flag}-100")["divergence"] < 1e-4
        found[loss] = [zoo(f"{loss}_{flag}-{weight}", "fashion") for weight in (25, 100)]
    assert [f"{one['divergence']:.2f}" for one in (found["JS"][1], found["Hellinger"][1])] == ["0.06", "0.04"]
    assert [f"{one['squared_error']:.0f}" for one in (found["JS"][1], found["Hellinger"][1])] == ["55", "59"]
    assert "0.06 and 0.04 on Fashion-MNIST, where the error is 55 and 59" in text
    assert found["JS"][0]["divergence"] == pytest.approx(math.log(2), rel=1e-5)
    assert f"{found['Hellinger'][0]['divergence']:.2f}" == "0.85" and "and `Hellinger` at 0.85" in text


def test_the_zoo_has_the_decoders_that_its_notebook_tells():
    text = notebook_text("zoo")
    assert "twice the error of the others that have collapsed on MNIST, 106 at z = posterior mean" in text
    assert f"{zoo('W2_W2-B-4')['squared_error']:.0f}" == "106" and zoo("W2_W2-B-4")["active_units"] == 0
    assert f"it was {error_while_training('W2_W2-B-4'):.0f}." in text
    energy = zoo("energy_energy-B-500")["squared_error"], error_while_training("energy_energy-B-500")
    assert [f"{error:.0f}" for error in energy] == ["75", "49"] and "λ = 500 has some of that, 75 and 49" in text


@pytest.mark.parametrize("weight", ["0.25", "1", "4"])
def test_one_objective_by_two_names_has_the_same_runs_in_the_zoo(weight):
    for data in ZOO:
        own, other = zoo(f"dGJS_GJS-B-{weight}", data), zoo(f"Bhattacharyya_bhattacharyya-B-{weight}", data)
        assert [own[name] for name in SAME] == pytest.approx([other[name] for name in SAME], rel=1e-3)
