"""What the README says of the code is what the code says."""

import importlib
import json
import re
from pathlib import Path

import pytest
import torch

import main as command_line
from utils.config import RunConfig
from vae.losses import LOSSES, base, build_loss
from vae.models import build_model

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def losses_table() -> str:
    """The README's table of objectives, from the registry."""
    rows = ["| `--loss` | divergence with its weight | what it is | options |", "|---|---|---|---|"]
    for name, loss in LOSSES.items():
        options = ", ".join(f"`{option.flag}` {option.default}" for option in loss.options)
        rows.append(f"| `{name}` | {loss.formula} | {loss.summary} | {options} |")
    return "\n".join(rows)


def test_the_table_of_objectives_is_the_registrys():
    assert losses_table() in README, f"README.md should hold this table:\n{losses_table()}"


def test_the_example_of_a_divergence_of_ones_own_works(monkeypatch, tmp_path):
    example = re.search(r"```python\n# vae/losses/wasserstein.py\n(.*?)```", README, re.DOTALL)[1]
    (tmp_path / "wasserstein.py").write_text(example, encoding="utf-8")
    monkeypatch.setattr(base, "LOSSES", {name: loss for name, loss in LOSSES.items() if name != "W2"})  # who tries it
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("wasserstein")
    loss = build_loss("W2", dataset_size=8, latent_dim=3, W2_B=2.0)
    terms = loss(build_model((1, 32, 32), latent_dim=3), torch.rand(8, 1, 32, 32))
    assert terms.total.item() == pytest.approx((terms.reconstruction + 2 * terms.divergence).item())


def test_the_example_of_loading_a_model_works(monkeypatch, tmp_path):
    example = re.search(r"```python\n(from utils.experiment import load_model.*?)```", README, re.DOTALL)[1]
    monkeypatch.chdir(tmp_path)
    command_line.main(["exp", "--train-size", "8", "--test-size", "4", "--epochs", "1", "--no-progress-bar"])
    (tmp_path / "loading.py").write_text(example, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    loading = importlib.import_module("loading")
    assert loading.images.shape == (16, 1, 64, 64)
    assert loading.mean.shape == loading.logvar.shape == (16, 10)


def test_the_example_of_a_divergence_works(monkeypatch, tmp_path, capsys):
    example = re.search(r"```python\n(import torch\nfrom vae.divergences.*?)```", README, re.DOTALL)[1]
    (tmp_path / "divergence.py").write_text(
        example.replace("geometric_js_divergence(mean", "value = geometric_js_divergence(mean")
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert importlib.import_module("divergence").value.shape == (64,)


def test_the_flags_of_quickstart_are_right():
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    flags = re.search(r"main.py (quickstart .*?) \$\$mode", recipe)[1].split()
    parsed = vars(command_line.build_parser().parse_args(flags))
    assert RunConfig.from_flags(parsed.pop("experiment"), parsed).dataset == "dsprites"


def measured(run, folder="table1", likelihood="bernoulli", dataset="mnist"):
    """The test split's evaluation of a reference run."""
    name = f"dataset-{dataset}_rec-dist-{likelihood}_loss-{run}"
    return json.loads((ROOT / "results/reference" / folder / name / "evaluation.json").read_text())["test"]


@pytest.mark.parametrize("loss", ["GJS", "dGJS"])
def test_the_numbers_of_the_papers_claims_are_those_of_the_reference_runs(loss):
    runs = [f"{loss}_GJS-A-0.{tenth}" for tenth in range(1, 10)]
    bernoulli = [measured(run) for run in runs]
    gaussian, fashion = (
        [measured(run, likelihood="gaussian", dataset=name) for run in runs] for name in ("mnist", "fashion")
    )
    for row, values in (
        (loss, [f"{test['squared_error']:.2f}" for test in bernoulli]),
        (loss, [f"{test['squared_error']:.2f}" for test in gaussian]),
        (loss, [f"{test['squared_error']:.2f}" for test in fashion]),
        (loss, [f"{test['evidence']['mean']:.1f}" for test in bernoulli]),
        (f"{loss}, prior sampling", [f"{test['evidence']['prior_sampling']:.1f}" for test in bernoulli]),
    ):
        assert f"| {row} | {' | '.join(values)} |" in README


def test_the_numbers_that_the_papers_claims_are_held_against_are_those_of_the_reference_runs():
    for likelihood, dataset in (("bernoulli", "mnist"), ("gaussian", "mnist"), ("gaussian", "fashion")):
        losses = ("KL", "rKL", "betaH", "MMD", "tGJS", "tdGJS")
        tests = {loss: measured(loss, likelihood=likelihood, dataset=dataset) for loss in losses}
        errors = {loss: f"{loss} {test['squared_error']:.2f}" for loss, test in tests.items()}
        learnt = [f"{errors.pop(loss)} (α = {tests[loss]['alpha']:.2f})" for loss in ("tGJS", "tdGJS")]
        assert f"{', '.join(errors.values())}; with learnt α, {', '.join(learnt)}." in README
    kl, rkl, mmd = (measured(loss)["evidence"] for loss in ("KL", "rKL", "MMD"))
    assert (
        f"KL {kl['mean']:.1f} (prior sampling {kl['prior_sampling']:.1f}), rKL {rkl['mean']:.1f} "
        f"({rkl['prior_sampling']:.1f}), MMD {mmd['mean']:.1f} ({mmd['prior_sampling']:.1f})."
    ) in README
    fashion = {
        name: measured(run, likelihood="gaussian", dataset="fashion")["evidence"]
        for name, run in (("KL", "KL"), ("MMD", "MMD"), ("GJS 0.2", "GJS_GJS-A-0.2"), ("dGJS 0.4", "dGJS_GJS-A-0.4"))
    }
    texts = [f"{name} {found['mean']:.1f} ({found['prior_sampling']:.1f})" for name, found in fashion.items()]
    assert ", ".join(texts).replace("(", "(prior sampling ", 1) in README
    small, one, large = (measured(f"betaH_betaH-B-{beta}", "beta")["squared_error"] for beta in ("0.25", "1", "4"))
    assert f"β = 1, {one:.2f}, to {large:.2f} at 4, and hardly below: {small:.2f} at 0.25 " in README


def test_the_numbers_of_grids_beside_the_table_are_those_of_the_reference_runs():
    text = README.replace("\n", " ")

    def of_grid(run, folder):
        return json.loads((ROOT / "results/reference" / folder / run / "evaluation.json").read_text())["test"]

    for sd in (1, 2):
        runs = {loss: of_grid(f"loss-{loss}_noise-{sd}", "noise") for loss in ("KL", "rKL", "MMD", "tGJS", "tdGJS")}
        assert ", ".join(f"{loss} {test['squared_error']:.2f}" for loss, test in runs.items()) in text
        assert f"to {runs['tGJS']['alpha']:.2f} and {runs['tdGJS']['alpha']:.2f}" in text
    learnt = [measured("tGJS", likelihood="gaussian"), measured("tdGJS", likelihood="gaussian")]
    for loss, from_half, words in (("tGJS", learnt[0], "it comes to "), ("tdGJS", learnt[1], "that of the dual to ")):
        ends = [of_grid(f"loss-{loss}_GJS-A-{start}", "alpha-starts")["alpha"] for start in ("0.1", "0.9")]
        assert f"{words}{ends[0]:.3f}, {from_half['alpha']:.3f} and {ends[1]:.3f}" in text
    more = [
        of_grid(f"dataset-mnist_rec-dist-bernoulli_loss-GJS_GJS-A-{alpha}_GJS-B-4", "lambda")["squared_error"]
        - measured(f"GJS_GJS-A-{alpha}")["squared_error"]
        for alpha in ("0.1", "0.5", "0.9")
    ]
    assert "λ = 4 adds {:.2f} at α = 0.1, {:.2f} at 0.5 and {:.2f} at 0.9 ".format(*more) in text


def test_the_figures_of_speed_are_those_of_the_benchmarks_reports():
    text = README[README.index("## Speed") :]
    for cpu, words in (("avx512", "with AVX-512"), ("avx2", "without")):
        report = json.loads((ROOT / f"benchmarks/epoch-{cpu}.json").read_text())
        assert f"an epoch of {report['settings']['images']:,} images" in text
        kinds = ("eager", "compile", "bf16", "compile + bf16", "plain DataLoader loop")
        ratios = " | ".join(f"{report['epoch'][kind]['ratio']:.2f}" for kind in kinds)
        assert f"| [{words}](benchmarks/epoch-{cpu}.json) | {ratios} |" in text
        seconds = {kind: report["epoch"][kind]["seconds"] for kind in kinds}
        if cpu == "avx512":
            steps = report["settings"]["images"] / report["settings"]["batch_size"]
            assert round((seconds["eager"] - seconds["compile"]) / steps * 1000) == 2
            assert "each step gains two thousandths of a second" in text
        else:
            assert round(seconds["bf16"] / seconds["eager"]) == 9
            assert "takes nine times as long as in float32" in text.replace("\n", " ")
    command = json.loads((ROOT / "benchmarks/one_epoch.json").read_text())
    assert f"takes {command['medians']['ratio']:.2f} times as long as pythae's first training epoch" in text
    assert f"at most {max(row['peak_mib'] for row in command['rounds']):.0f} MiB" in text
