"""What the README says of the code is what the code says."""

import importlib
import json
import re
from pathlib import Path

import pytest
import torch

import main as command_line
from reference_runs import of_table
from registries import OUR_LOSSES, set_free
from utils.flags import build_parser
from utils.grids.presets import ALPHAS
from utils.results.paper_numbers import NUMBERS
from utils.runs.config import RunConfig
from vae.losses import LOSSES, build_loss
from vae.models import build_model

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def losses_table() -> str:
    """The README's table of objectives, from the registry: the project's own, and no one else's."""
    rows = ["| `--loss` | divergence with its weight | what it is | options |", "|---|---|---|---|"]
    for name, loss in ((name, loss) for name, loss in LOSSES.items() if name in OUR_LOSSES):
        options = ", ".join(f"`{option.flag}` {option.default}" for option in loss.options)
        rows.append(f"| `{name}` | {loss.formula} | {loss.summary} | {options} |")
    return "\n".join(rows)


def test_the_table_of_objectives_is_the_registrys():
    assert losses_table() in README, f"README.md should hold this table:\n{losses_table()}"


def test_the_example_of_a_divergence_of_ones_own_works(monkeypatch, tmp_path):
    example = re.search(r"```python\n# vae/losses/wasserstein.py\n(.*?)```", README, re.DOTALL)[1]
    (tmp_path / "wasserstein.py").write_text(example, encoding="utf-8")
    set_free(monkeypatch, LOSSES, "W2")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("wasserstein")
    loss = build_loss("W2", dataset_size=8, latent_dim=3, W2_B=2.0)
    terms = loss(build_model((1, 32, 32), latent_dim=3), torch.rand(8, 1, 32, 32))
    assert terms.total.item() == pytest.approx((terms.reconstruction + 2 * terms.divergence).item())


def test_the_example_of_loading_a_model_works(monkeypatch, tmp_path):
    example = re.search(r"```python\n(import vae\n.*?)```", README, re.DOTALL)[1]
    monkeypatch.chdir(tmp_path)
    command_line.main(["exp", "--train-size", "8", "--test-size", "4", "--epochs", "1", "--no-progress-bar"])
    (tmp_path / "loading.py").write_text(example, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    loading = importlib.import_module("loading")
    assert loading.images.shape == loading.seen.shape == (16, 1, 64, 64)
    assert loading.config.loss == "GJS"
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


def test_the_speed_is_that_of_the_benchmarks_reports():
    text = README.replace("\n", " ")

    def ratio(cpu: str, kind: str) -> str:
        report = json.loads((ROOT / f"benchmarks/epoch-{cpu}.json").read_text(encoding="utf-8"))
        return f"{report['epoch'][kind]['ratio']:.2f} times"

    assert f"An epoch takes {ratio('avx512', 'eager')} as long as with [pythae]" in text
    assert f"{ratio('avx512', 'compile')} compiled, {ratio('avx512', 'compile + bf16')} with `--precision bf16`" in text
    assert f"without AVX-512 {ratio('avx2', 'eager')}" in text


@pytest.mark.parametrize("folder", [".", "benchmarks", "data", "results/reference"])
def test_links_lead_somewhere(folder):
    path = ROOT / folder / "README.md"
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", path.read_text(encoding="utf-8")):
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = [re.sub(r"[^\w -]", "", heading).replace(" ", "-").lower() for heading in headings]
            assert anchor in slugs, link
