"""What the README says of the code is what the code says."""

import importlib
import re

import pytest
import torch

import main as command_line
from pages import README as PAGE
from pages import ROOT, blocks, flowing, own_divergence
from reference_runs import of_table
from registries import set_free
from utils.flags import build_parser
from utils.grids.presets import ALPHAS
from utils.results.paper_numbers import NUMBERS
from utils.runs.config import RunConfig
from vae.losses import LOSSES, build_loss
from vae.models import build_model

README = PAGE.read_text(encoding="utf-8")


def test_it_is_read_in_five_minutes():
    assert len(README.splitlines()) <= 220


def test_the_example_of_a_divergence_of_ones_own_works(monkeypatch, tmp_path):
    (tmp_path / "wasserstein.py").write_text(own_divergence(), encoding="utf-8")
    set_free(monkeypatch, LOSSES, "W2")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("wasserstein")
    loss = build_loss("W2", dataset_size=8, latent_dim=3, W2_B=2.0)
    terms = loss(build_model((1, 32, 32), latent_dim=3), torch.rand(8, 1, 32, 32))
    assert terms.total.item() == pytest.approx((terms.reconstruction + 2 * terms.divergence).item())


def test_the_example_of_loading_a_model_works(monkeypatch, tmp_path):
    (example,) = (block for block in blocks(PAGE, "python") if block.startswith("import vae\n"))
    monkeypatch.chdir(tmp_path)
    command_line.main(["exp", "--train-size", "8", "--test-size", "4", "--epochs", "1", "--no-progress-bar"])
    (tmp_path / "loading.py").write_text(example, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    loading = importlib.import_module("loading")
    assert loading.images.shape == loading.seen.shape == (16, 1, 64, 64)
    assert loading.config.loss == "GJS"
    assert loading.mean.shape == loading.logvar.shape == (16, 10)


def test_the_flags_of_quickstart_are_right():
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    flags = re.search(r"main.py (quickstart .*?) \$\$mode", recipe)[1].split()
    parsed = vars(build_parser().parse_args(flags))
    assert RunConfig.from_flags(parsed.pop("experiment"), parsed).dataset == "dsprites"


def results_table() -> str:
    """The README's table of results, from the reference runs and the paper's numbers."""
    columns = (("mnist", "bernoulli"), ("mnist", "gaussian"), ("fashion", "gaussian"))
    rows = [
        "| | MNIST, `bernoulli` | the paper | MNIST, `gaussian` | Fashion-MNIST, `gaussian` | the paper |",
        "|---|---|---|---|---|---|",
    ]

    def row(label: str, ours: list[str], paper: list[str]) -> None:
        rows.append(f"| {label} | {ours[0]} | {paper[0]} | {ours[1]} | {ours[2]} | {paper[1]} |")

    for loss, label, options in (
        ("KL", "KL", ()),
        ("rKL", "rKL", ()),
        ("betaH", "betaH, β = 4", (("betaH_B", 4),)),
        ("MMD", "MMD, weight 500", (("MMD_B", 500),)),
    ):
        ours = [f"{of_table(*column, loss)['test']['squared_error']:.2f}" for column in columns]
        paper = [NUMBERS[dataset, loss, options] for dataset in ("mnist", "fashion")]
        row(label, ours, [f"{number.test:.2f}" + "¹" * ("m" in number.marks) for number in paper])
    for loss in ("GJS", "dGJS"):
        best = []
        for column in columns:
            runs = {alpha: of_table(*column, f"{loss}_GJS-A-{alpha}") for alpha in ALPHAS}
            alpha = min(runs, key=lambda alpha: runs[alpha]["train"]["squared_error"])
            best.append(f"{runs[alpha]['test']['squared_error']:.2f} (α = {alpha})")
        paper = [
            {alpha: NUMBERS[dataset, loss, (("GJS_A", alpha), ("GJS_B", 1), ("GJS_invA", True))] for alpha in ALPHAS}
            for dataset in ("mnist", "fashion")
        ]
        alphas = [min(numbers, key=lambda alpha: numbers[alpha].test) for numbers in paper]
        row(f"{loss}, best α", best, [f"{numbers[a].test:.2f} (α = {a})" for numbers, a in zip(paper, alphas)])
    for loss in ("tGJS", "tdGJS"):
        tests = [of_table(*column, loss)["test"] for column in columns]
        row(f"{loss}, learnt α", [f"{x['squared_error']:.2f} (α = {x['alpha']:.2f})" for x in tests], ["", ""])
    return "\n".join(rows)


def test_the_table_of_results_is_that_of_the_reference_runs():
    assert results_table() in README, f"README.md should hold this table:\n{results_table()}"


def test_what_is_said_of_the_table_holds():
    text = flowing(PAGE)
    columns = [("mnist", "bernoulli"), ("mnist", "gaussian"), ("fashion", "gaussian")]
    for column in columns:
        kl = of_table(*column, "KL")["test"]["squared_error"]
        below = [a for a in ALPHAS if of_table(*column, f"dGJS_GJS-A-{a}")["test"]["squared_error"] < kl]
        assert below == ALPHAS[1:]  # "for nearly every"
        assert of_table(*column, "MMD")["test"]["squared_error"] < kl
    lost = {
        name: of_table(*column, "KL")["test"]["evidence"]["mean"] - of_table(*column, run)["test"]["evidence"]["mean"]
        for name, column, run in (
            ("GJS", columns[0], "GJS_GJS-A-0.9"),
            ("dGJS", columns[2], "dGJS_GJS-A-0.4"),
        )
    }
    assert f"at α = 0.9 by {lost['GJS']:.0f} nats" in text
    assert "half a nat on Fashion-MNIST" in text and lost["dGJS"] == pytest.approx(0.5, abs=0.1)
