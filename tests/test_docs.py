"""What the README, the pages of docs/ and the notebooks show can be done as it stands there."""

import importlib.util
import json
import re
import shlex
from types import SimpleNamespace

import pytest
import torch

import main as command_line
import vae
from pages import DOCS, NOTEBOOKS, PAGES, README, ROOT, blocks, commands, flowing, own_divergence, text_of
from reference_runs import REFERENCE
from registries import OUR_LOSSES, set_free
from utils.grids.grid import configurations
from utils.grids.presets import PRESETS, SCALES
from utils.runs.config import RunConfig
from vae.losses import LOSSES
from vae.models.networks import NETWORKS
from vae.models.priors import PRIORS
from vae.saved import build

BY_NAME = {page.stem: page for page in DOCS}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
# A line of code that ends with the shape of what it gives.
SHAPE_TOLD = re.compile(r"^(\w+\(.*\))  # .*?(\(\d[\d, ]*\))$", re.MULTILINE)
every_page = pytest.mark.parametrize("page", [*PAGES, *NOTEBOOKS], ids=lambda page: str(page.relative_to(ROOT)))


@pytest.fixture
def in_folder(monkeypatch, tmp_path):
    """Runs a text as a module of that name, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(name: str, code: str):
        path = tmp_path / f"{name}.py"
        path.write_text(code, encoding="utf-8")
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return run


def links(page):
    """Where a page leads to in the repository: the file, and the heading in it."""
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", text_of(page)):
        file, _, anchor = link.partition("#")
        yield ((page.parent / file).resolve() if file else page), anchor


@every_page
def test_links_lead_somewhere(page):
    for target, anchor in links(page):
        assert target.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", text_of(target), re.MULTILINE)
            slugs = [re.sub(r"[^\w -]", "", heading).replace(" ", "-").lower() for heading in headings]
            assert anchor in slugs, (target, anchor)


def test_every_page_can_be_reached_from_the_readme():
    reached, new = set(), {README}
    while new:
        reached |= new
        new = {target for page in new for target, _ in links(page) if target.suffix == ".md"} - reached
    assert reached >= set(PAGES)


@every_page
def test_every_command_can_be_given(page, monkeypatch, in_folder):
    set_free(monkeypatch, LOSSES, "Fisher")
    in_folder("fisher", own_divergence())
    set_free(monkeypatch, NETWORKS, "pooled")
    in_folder("pooled", *blocks(BY_NAME["networks"], "python"))
    for words in commands(page):
        program, *arguments = words
        if program == "make":
            assert all(f"\n{target}:" in MAKEFILE for target in arguments), words
        elif "main.py" in arguments:
            read(arguments[arguments.index("main.py") + 1 :])
        for word in arguments:
            if re.fullmatch(r"[\w/-]+\.(py|txt|ipynb)", word):
                assert (ROOT / word).exists(), words


def read(flags):
    """Read the flags of main.py as it would, up to the configuration of every run; gives these."""
    if flags == ["--help"]:
        return []
    command = command_line.read_command(flags, None)
    command_line.check_command(command)
    if command.several:
        return configurations(command.settings, command.preset, scale=command.scale or "paper")
    return [RunConfig.from_flags(command.experiment, command.settings)]


def test_commands_are_found_in_blocks_and_in_the_text(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "```\nA=1 python main.py x \\\n    --seed 1  # why\n```\n`python main.py y\n--seed 2`, `--seed 3`\n"
    )
    assert commands(page) == [shlex.split(f"python main.py {own}") for own in ("x --seed 1", "y --seed 2")]
    assert len(commands(README)) > 10


@pytest.mark.parametrize("flags", ["--seeds 1", "--loss KL --GJS-A 0.3", "--jobs 2", "--preset table2"])
def test_a_command_that_is_wrong_is_found(flags):
    with pytest.raises((Exception, SystemExit)):
        read(["x", *flags.split()])


def losses_table() -> str:
    """The table of objectives, from the registry: the project's own, and no one else's."""
    rows = ["| `--loss` | divergence with its weight | what it is | options |", "|---|---|---|---|"]
    for name, loss in ((name, loss) for name, loss in LOSSES.items() if name in OUR_LOSSES):
        options = ", ".join(f"`{option.flag}` {option.default}" for option in loss.options)
        rows.append(f"| `{name}` | {loss.formula} | {loss.summary} | {options} |")
    return "\n".join(rows)


def test_the_table_of_objectives_is_the_registrys():
    table = losses_table()
    assert table in text_of(BY_NAME["objectives"]), f"docs/objectives.md should hold this table:\n{table}"


def test_every_room_is_in_the_layout():
    rooms = [path.parent for name in ("vae", "utils") for path in (ROOT / name).glob("*/__init__.py")]
    text = text_of(BY_NAME["layout"])
    assert len(rooms) >= 10
    assert [room for room in rooms if f"`{room.relative_to(ROOT)}/`" not in text] == []


def test_the_defaults_of_a_run_are_those_it_tells():
    (told,) = re.findall(r"have the authors' defaults: `([^`]+)`", flowing(BY_NAME["runs"]))
    assert read(["x", *shlex.split(told)]) == read(["x"])


def test_the_presets_are_those_of_the_table():
    assert re.findall(r"^\| `(\w+)` \|", text_of(BY_NAME["sweeps"]), re.MULTILINE) == list(PRESETS)
    scales = re.findall(r"^\| `--scale (\w+)` \|", text_of(BY_NAME["sweeps"]), re.MULTILINE)
    assert scales == list(SCALES)


def test_grids_have_as_many_runs_as_is_said():
    text = flowing(BY_NAME["sweeps"])
    grid, preset = (own[2:] for own in commands(BY_NAME["sweeps"]) if "--jobs" in own and own[2] in ("skew", "fig3"))
    assert len(read(grid)) == 10 and "trains ten" in text
    assert f"trains {len(read(preset))} runs" in text
    assert f"The whole table is {len(read(['x', '--preset', 'table1']))} runs" in text


def test_the_speed_is_that_of_the_benchmarks_reports():
    text = flowing(BY_NAME["speed"])

    def ratio(cpu: str, kind: str) -> str:
        report = json.loads((ROOT / f"benchmarks/epoch-{cpu}.json").read_text(encoding="utf-8"))
        return f"{report['epoch'][kind]['ratio']:.2f} times"

    assert f"An epoch takes {ratio('avx512', 'eager')} as long as with [pythae]" in text
    assert f"{ratio('avx512', 'compile')} compiled, {ratio('avx512', 'compile + bf16')} with `--precision bf16`" in text
    assert f"without AVX-512 {ratio('avx2', 'eager')}" in text


def test_the_scores_of_classes_are_those_of_the_runs():
    runs = [f"infocatvae-mnist-seed-{seed}" for seed in (1234, 1, 2)]
    tests = [json.loads((REFERENCE / run / "evaluation.json").read_text(encoding="utf-8"))["test"] for run in runs]
    accuracies, informations = (
        [test[name] for test in tests] for name in ("clustering_accuracy", "normalised_mutual_information")
    )
    text = flowing(BY_NAME["classes"])
    mean = f"mean {sum(accuracies) / 3:.2f}"
    for values, of in ((accuracies, "accuracies"), (informations, "normalised mutual informations")):
        first, second, third = (f"{value:.2f}" for value in values)
        assert f"{of} of {first}, {second} and {third}" in text
    assert mean in text and all(test["used_classes"] == 10 for test in tests) and "All ten classes are in use" in text
    fashion = json.loads((REFERENCE / "infocatvae-fashion" / "evaluation.json").read_text(encoding="utf-8"))["test"]
    values = [f"{fashion[name]:.2f}" for name in ("clustering_accuracy", "normalised_mutual_information")]
    assert f"an accuracy of {values[0]} and a mutual information of {values[1]}" in text


@pytest.mark.slow
def test_the_page_from_python_runs_from_top_to_bottom(in_folder):
    page = BY_NAME["python"]
    (command,) = (words[2:] for words in commands(page) if "main.py" in words)
    command_line.main([*command, "--no-progress-bar", "--train-size", "20", "--test-size", "10"], draw=None)
    code, shapes = SHAPE_TOLD.subn(r"assert tuple((\1).shape) == \2", "\n".join(blocks(page, "python")))
    assert shapes == 3
    found = in_folder("from_python", code)
    assert found.trainer.epoch == 3
    assert found.quantities.keys() >= {"squared_error", "elbo", "active_units"}
    assert found.samples.shape == (16, 1, 32, 32) and found.seen.shape == found.test.shape
    assert found.between.shape == (8, 1, 32, 32)
    assert found.config.loss == "tGJS" and isinstance(found.loss, vae.LOSSES["tGJS"])


def named_in(page: str, before: str) -> set[str]:
    """The losses that a sentence of a page names, up to some words of it."""
    sentence = re.split(r"[.:|]\s", flowing(BY_NAME[page]).split(before)[0])[-1]
    return set(re.findall(r"`(\w+)`", sentence)) & set(OUR_LOSSES)


def test_the_losses_are_told_that_train_alone_take_any_prior_or_a_full_covariance():
    ours = {name: LOSSES[name] for name in OUR_LOSSES}
    assert named_in("sweeps", " train alone, one after") == {name for name in ours if not ours[name].batchable}
    mixtures = {name for name in ours if ours[name].priors and issubclass(PRIORS["mixture"], ours[name].priors)}
    assert named_in("objectives", " can be computed with any of them") == mixtures
    full = named_in("objectives", " are in closed form for it") | named_in("objectives", " take its samples")
    assert full == {name for name in ours if ours[name].full_covariance}


EXAMPLES = [page for page in DOCS if blocks(page, "python") and page.stem != "python"]


@pytest.mark.parametrize("page", EXAMPLES, ids=lambda page: page.stem)
def test_the_examples_of_a_page_run_from_top_to_bottom(page, monkeypatch, in_folder):
    code = "\n".join(blocks(page, "python"))
    for registry, name in re.findall(r'^@(?:(\w+)\.)?register\("(\w+)"', code, re.MULTILINE):
        set_free(monkeypatch, {"NETWORKS": NETWORKS, "PRIORS": PRIORS, "": LOSSES}[registry], name)
    in_folder(f"example_of_{page.stem}", code)


def test_the_example_of_a_prior_of_ones_own_works(monkeypatch, in_folder):
    set_free(monkeypatch, PRIORS, "laplace")
    (example,) = blocks(BY_NAME["own"], "python")
    in_folder("laplace_prior", example)
    chosen = {"prior": "laplace", "prior_components": None, "loss": "KL", "loss_options": {}}
    model, loss = build(SimpleNamespace(latent_dim=3, rec_dist="gaussian", **chosen), (1, 32, 32), 8)
    terms = loss(model, torch.rand(8, 1, 32, 32))
    assert terms.total.item() == pytest.approx((terms.reconstruction + terms.divergence).item())
    assert model.prior.log_prob(torch.zeros(3)).item() == pytest.approx(-3 * torch.tensor(2.0).log().item())
