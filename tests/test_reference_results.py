"""What results/reference/README.md says of the reference runs is what their files say."""

import json
from functools import partial
from typing import Any

import pytest

from reference_runs import REFERENCE, evaluation, of_table
from utils.grids.presets import ALPHAS
from utils.runs.folder import METRICS

TEXT = (REFERENCE / "README.md").read_text(encoding="utf-8")
FLOWING = " ".join(TEXT.split())
COLUMNS = {"b": ("mnist", "bernoulli"), "g": ("mnist", "gaussian"), "f": ("fashion", "gaussian")}
TITLES = {"b": "MNIST, with `bernoulli`", "g": "MNIST, with `gaussian`", "f": "Fashion-MNIST, with `gaussian`"}
HEAD = [f"| α | {' | '.join(map(str, ALPHAS))} |", "|---|---|---|---|---|---|---|---|---|---|"]


def result(column: str, run: str, split: str = "test") -> dict[str, Any]:
    return of_table(*COLUMNS[column], run)[split]


def error(column: str, run: str, split: str = "test") -> float:
    return result(column, run, split)["squared_error"]


def evidence(run: str, column: str = "b") -> dict[str, Any]:
    return result(column, run)["evidence"]


def skewed(loss: str, alpha: float) -> str:
    return f"{loss}_GJS-A-{alpha}"


def table_of_errors(column: str) -> str:
    """The squared errors of one column of Table 1, for every α."""
    tests = {loss: result(column, loss) for loss in ("KL", "rKL", "betaH", "MMD", "tGJS", "tdGJS")}
    errors = {loss: f"{loss} {test['squared_error']:.2f}" for loss, test in tests.items()}
    learnt = [f"{errors.pop(loss)} (α = {tests[loss]['alpha']:.2f})" for loss in ("tGJS", "tdGJS")]
    rows = [f"{TITLES[column]}: {', '.join(errors.values())}; with learnt α, {', '.join(learnt)}.", "", *HEAD]
    for loss in ("GJS", "dGJS"):
        rows.append(f"| {loss} | {' | '.join(f'{error(column, skewed(loss, alpha)):.2f}' for alpha in ALPHAS)} |")
    return "\n".join(rows)


@pytest.mark.parametrize("column", COLUMNS)
def test_the_tables_of_errors_are_those_of_the_runs(column):
    assert table_of_errors(column) in TEXT, f"README.md should hold this:\n{table_of_errors(column)}"


def table_of_evidence() -> str:
    """The evidence of the models of MNIST trained with bernoulli, and prior sampling."""
    rows = HEAD.copy()
    for loss in ("GJS", "dGJS"):
        found = [evidence(skewed(loss, alpha)) for alpha in ALPHAS]
        for label, name in ((loss, "mean"), (f"{loss}, prior sampling", "prior_sampling")):
            rows.append(f"| {label} | {' | '.join(f'{one[name]:.1f}' for one in found)} |")
    return "\n".join(rows)


def both(name: str, found: dict) -> str:
    return f"{name} {found['mean']:.1f} ({found['prior_sampling']:.1f})"


def test_the_evidence_is_that_of_the_runs():
    assert table_of_evidence() in TEXT, f"README.md should hold this:\n{table_of_evidence()}"
    assert ", ".join(both(loss, evidence(loss)) for loss in ("KL", "rKL", "MMD")) in FLOWING
    fashion = {"KL": "KL", "MMD": "MMD", "GJS 0.2": "GJS_GJS-A-0.2", "dGJS 0.4": "dGJS_GJS-A-0.4"}
    texts = [both(name, evidence(run, "f")) for name, run in fashion.items()]
    assert ", ".join(texts) in FLOWING
    halves = [
        abs(end - one["mean"]) for run in fashion.values() for one in [evidence(run, "f")] for end in one["interval"]
    ]
    assert f"to ±{max(halves):.1f}: {texts[0]}" in FLOWING


def test_the_intervals_of_the_evidence_are_no_wider_than_it_says():
    runs = ["KL", "rKL", "MMD", *(skewed(loss, alpha) for loss in ("GJS", "dGJS") for alpha in ALPHAS)]
    halves = [abs(end - one["mean"]) for one in map(evidence, runs) for end in one["interval"]]
    assert f"95 % intervals of the evidence are ±{max(halves):.1f}" in FLOWING


def below(column: str, loss: str, alpha: float) -> str:
    """By how much a run's error is below that of KL."""
    return f"{error(column, 'KL') - error(column, skewed(loss, alpha)):.2f}"


def best(loss: str, split: str = "test") -> list[float]:
    """The best α of each column."""
    return [min(ALPHAS, key=lambda alpha: error(column, skewed(loss, alpha), split)) for column in COLUMNS]


def lost(loss: str, alpha: float, name: str = "mean", column: str = "b") -> float:
    """By how many nats the evidence, or prior sampling, is below that of KL."""
    return evidence("KL", column)[name] - evidence(skewed(loss, alpha), column)[name]


def weighted(alpha: float) -> str:
    """By how much the weight 4 makes the error of JS^G larger."""
    run = f"dataset-mnist_rec-dist-bernoulli_loss-GJS_GJS-A-{alpha}_GJS-B-4"
    return f"{evaluation('lambda', run)['test']['squared_error'] - error('b', skewed('GJS', alpha)):.2f}"


def beta_vae(beta: str) -> float:
    run = f"dataset-mnist_rec-dist-bernoulli_loss-betaH_betaH-B-{beta}"
    return evaluation("beta", run)["test"]["squared_error"]


def gap(column: str, run: str) -> float:
    return abs(error(column, run) - error(column, run, "train"))


def figures_of_claims() -> list[str]:
    """What the text says in figures of each of the paper's claims."""
    g, f, b = (partial(below, column) for column in "gfb")
    (b_js, g_js, f_js), (b_dual, g_dual, f_dual) = best("GJS"), best("dGJS")
    ends = {(column, loss): f"{error(column, skewed(loss, 0.9)):.2f}" for column in "bgf" for loss in ("GJS", "dGJS")}
    kl, rkl, mmd, betas = ({c: f"{error(c, loss):.2f}" for c in "bgf"} for loss in ("KL", "rKL", "MMD", "betaH"))
    runs = ["KL", "rKL", "MMD", "betaH", "tGJS", "tdGJS", *(skewed(x, a) for x in ("GJS", "dGJS") for a in ALPHAS)]
    dead = [10 - round(result(column, "betaH")["active_units"]) for column in "gf"]
    prior = partial(lost, name="prior_sampling")
    small, one, large = (f"{beta_vae(beta):.2f}" for beta in ("0.25", "1", "4"))
    dual = f"{error('b', skewed('dGJS', b_dual)):.2f}"
    return [
        f"with `gaussian` by {g('dGJS', 0.3)} at 0.3 and {g('dGJS', 0.9)} at 0.9, on Fashion-MNIST by {f('dGJS', 0.4)} "
        f"at 0.4 and {f('dGJS', 0.9)} at 0.9, with `bernoulli` by {b('dGJS', 0.2)} at 0.2 and {b('dGJS', 0.5)} at 0.5",
        f"{b_js} and {b_dual} with `bernoulli`, {g_js} and {g_dual} with `gaussian`, {f_js} and {f_dual} on Fashion",
        f"JS^G goes up to {ends['b', 'GJS']}, {ends['g', 'GJS']} and {ends['f', 'GJS']} at 0.9, towards KL(p‖q) with "
        f"{rkl['b']}, {rkl['g']} and {rkl['f']}; the dual to {ends['b', 'dGJS']}, {ends['g', 'dGJS']} and "
        f"{ends['f', 'dGJS']}, towards KL(q‖p) with {kl['b']}, {kl['g']} and {kl['f']}",
        f"at most {max(gap(column, run) for column in COLUMNS for run in runs):.2f}",
        f"{small} at β = 0.25, {one} at 1 and {large} at 4; the dual's best is {dual}",
        f"λ = 4 adds {weighted(0.1)} at α = 0.1, {weighted(0.5)} at 0.5 and {weighted(0.9)} at 0.9",
        f"with `gaussian` by {g('GJS', 0.1)} at 0.1 and up to 0.4, on Fashion-MNIST by {f('GJS', 0.2)} at 0.2 and up "
        f"to 0.6; with `bernoulli` by {b('GJS', 0.1)} at 0.1",
        f"{betas['g']} with {dead[0]} of 10 latent dimensions unused, on Fashion-MNIST {betas['f']} with {dead[1]}",
        f"{lost('GJS', 0.1):.1f} nats below that of KL(q‖p) at 0.1, {lost('GJS', 0.2):.1f} at 0.2, "
        f"{lost('GJS', 0.4):.1f} at 0.4 and {lost('GJS', 0.9):.1f} at 0.9",
        f"up to {-min(prior('GJS', alpha) for alpha in ALPHAS):.0f} nats above it",
        f"{lost('GJS', 0.2, column='f'):.1f} nats at 0.2, by prior sampling {prior('GJS', 0.2, column='f'):.1f}",
        f"to {max(abs(lost('dGJS', alpha)) for alpha in ALPHAS[1:]):.1f} nats for every α from 0.2 on",
        f"{lost('dGJS', 0.4, column='f'):.1f} nats at 0.4",
        f"{mmd['b']} against {kl['b']}, {mmd['g']} against {kl['g']} and {mmd['f']} against {kl['f']}",
    ]


def test_the_figures_of_the_papers_claims_are_those_of_the_runs():
    assert not [figures for figures in figures_of_claims() if figures not in FLOWING]


def test_what_is_said_of_alphas_without_figures_holds():
    for column, above, until in (("b", [0.1], 0.1), ("g", [0.1], 0.4), ("f", [0.1], 0.6)):
        kl = error(column, "KL")
        dual = [alpha for alpha in ALPHAS if error(column, skewed("dGJS", alpha)) > kl]
        js = [alpha for alpha in ALPHAS if error(column, skewed("GJS", alpha)) < kl]
        assert (dual, js) == (above, [alpha for alpha in ALPHAS if alpha <= until])
    assert all(best(loss) == best(loss, "train") for loss in ("GJS", "dGJS"))
    assert all(result(column, "rKL")["active_units"] == 10 for column in COLUMNS)
    for loss in ("GJS", "dGJS"):
        assert error("f", f"t{loss}") < min(error("f", skewed(loss, alpha)) for alpha in ALPHAS)


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


def test_the_sums_that_the_notebook_of_rate_and_distortion_tells_are_those_of_the_runs():
    name = "dataset-mnist_rec-dist-bernoulli_loss-"
    found = []
    for folder, run in (("beta", "betaH_betaH-B-2"), ("table1", "KL")):
        last = json.loads((REFERENCE / folder / (name + run) / METRICS).read_text(encoding="utf-8").splitlines()[-1])
        while_training = last["reconstruction"] + last["divergence"]
        found.append((-evaluation(folder, name + run)["test"]["elbo"], while_training))
    notebook = json.loads((REFERENCE.parent.parent / "notebooks" / "rate_distortion.ipynb").read_text(encoding="utf-8"))
    text = " ".join("".join(notebook["cells"][0]["source"]).split())
    (test, training), (kl_test, kl_training) = found
    assert f"{test:.1f} against {kl_test:.1f}; while training, with z sampled, it is {training:.1f}" in text
    assert f"{training:.1f} against {kl_training:.1f}" in text


def test_the_table_beside_the_authors_code_is_the_benchmarks(capsys, monkeypatch):
    monkeypatch.syspath_prepend(REFERENCE.parent.parent / "benchmarks")
    import reference

    reference.print_table(REFERENCE)
    table = capsys.readouterr().out
    assert len(table.splitlines()) == 2 + len(reference.AUTHORS) and table in TEXT
