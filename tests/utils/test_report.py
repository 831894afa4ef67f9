"""Reports, from result files written here: nothing is trained but in the last test."""

import csv
import json
import re
import shlex
from dataclasses import asdict, replace
from html.parser import HTMLParser

import numpy as np
import pytest
from scipy import stats

import main as command_line
from utils.config import RunConfig
from utils.experiment import resume_command
from utils.plots import image_grid
from utils.presets import ALPHAS, PRESETS
from utils.report.commands import find_grid, run_command
from utils.report.findings import Place, read_findings
from utils.report.paper_numbers import published
from utils.report.report import CSV, PAGE, TABLE, figures, write_report
from utils.report.tables import Estimate
from utils.results import CONFIG, EVALUATION, RECONSTRUCTIONS, ResultsError
from utils.sweeps import configurations

PARSER = command_line.build_parser()
RECORD = {"git_revision": None, "versions": {}, "machine": {}}


@pytest.fixture
def results(tmp_path, monkeypatch):
    """The results directory, where commands look for it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "results"


def write_run(folder, config, test, train=None, *, ended=True):
    """What a run leaves, less weights, pictures and curves."""
    folder.mkdir(parents=True)
    images = {"train_images": config.train_size or 60_000, "test_images": config.test_size or 10_000}
    data = {"name": config.dataset, "source": "made up", "sha256": {}, "image_shape": [1, 32, 32], **images}
    record = {**asdict(config), **RECORD, "data": data, "ended_after": config.epochs if ended else None}
    (folder / CONFIG).write_text(json.dumps(record))
    if ended:
        errors = {"test": test, "train": test if train is None else train}
        (folder / EVALUATION).write_text(json.dumps({k: {"squared_error": v} for k, v in errors.items()}))


def write_grid(folder, errors, preset=None, **flags):
    """The runs of a grid, with the squared errors (test, or test and train) that a function gives a configuration."""
    for config in configurations(flags, preset):
        found = errors(config)
        write_run(folder / config.experiment, config, *(found if isinstance(found, tuple) else (found,)))


def report(results, name="exp"):
    """Write the report of an experiment; return its findings."""
    write_report(name, results.relative_to(results.parent))
    return read_findings(results.relative_to(results.parent) / name)


def lines_of(findings, block=0):
    return {line.label: line.cells for line in findings.blocks[block].lines}


def table(results, name="exp"):
    with open(results / name / CSV, newline="") as file:
        return list(csv.DictReader(file))


def made_by(command):
    """The configurations of the runs that a command makes, by their folders."""
    assert command.startswith("python main.py ")
    flags = vars(PARSER.parse_args(shlex.split(command)[2:]))
    experiment, preset, parent = flags.pop("experiment"), flags.pop("preset", None), flags.pop("results_dir", "results")
    if preset or any(isinstance(value, list) for value in flags.values()):
        configs = configurations(flags, preset)
        return {f"{parent}/{experiment}/{config.experiment}": config for config in configs}
    return {f"{parent}/{experiment}": RunConfig.from_flags(experiment, flags)}


# Numbers


def test_mean_and_interval_are_students():
    values = {0: 10.0, 1: 11.0, 2: 13.0}
    estimate = Estimate(values)
    low, high = stats.t.interval(0.95, 2, np.mean([10, 11, 13]), stats.sem([10, 11, 13]))
    assert estimate.mean == pytest.approx(34 / 3)
    assert estimate.half_width == pytest.approx((high - low) / 2)
    assert estimate.half_width == pytest.approx(4.302652729911275 * np.sqrt(7 / 3) / np.sqrt(3))
    assert Estimate({5: 2.0}).half_width is None


def test_rows_hold_the_seeds_of_a_configuration(results):
    write_grid(results / "exp", lambda c: 10 + c.seed**2, loss=["KL", "rKL"], seed=[0, 1, 10], dataset="mnist")
    findings = report(results)
    assert [row.label for row in findings.rows] == ["KL", "rKL"]
    assert findings.rows[0].estimate("test").values == {0: 10, 1: 11, 10: 110}
    assert findings.rows[0].estimate("test", "evidence") is None
    assert "| KL | 43.67 ± 142.71 | 43.67 ± 142.71 |" in (results / "exp" / TABLE).read_text()
    assert (
        "| loss | mnist, 3 seeds, test | mnist, 3 seeds, train | mnist, paper |"
        in (results / "exp" / TABLE).read_text()
    )


def test_a_seed_counts_once_and_other_numbers_of_seeds_are_told(results):
    write_grid(results / "exp", lambda c: 10.0, loss=["KL", "rKL", "AE"], dataset="digits", seed=[1, 2])
    write_run(results / "exp" / "again", RunConfig("again", dataset="digits", loss="KL", seed=1), 10.0)
    third = RunConfig("third", dataset="digits", loss="KL", seed=3, evaluate_every=1, importance_samples=8)
    write_run(results / "exp" / "third", third, 10.0)
    write_grid(results / "one", lambda c: 12.5, loss=["KL", "rKL"], dataset="digits")
    text = (report(results), (results / "exp" / TABLE).read_text())[1]
    assert "| KL | 10.00 ± 0.00 (3 seeds) | 10.00 ± 0.00 (3 seeds) |" in text
    assert "| rKL | 10.00 ± 0.00 | 10.00 ± 0.00 |" in text
    report(results, "one")
    assert "| loss | digits, one seed, test | digits, one seed, train |" in (results / "one" / TABLE).read_text()
    assert "| KL | 12.50 | 12.50 |" in (results / "one" / TABLE).read_text()


def test_the_best_alpha_is_chosen_on_train_and_on_test(results):
    errors = {0.1: (9.0, 7.0), 0.3: (8.0, 7.5), 0.5: (8.5, 9.0)}  # test, train
    flags = {"loss": ["KL", "GJS", "dGJS"], "GJS_A": [0.1, 0.3, 0.5], "dataset": "digits"}
    write_grid(results / "exp", lambda c: errors[c.loss_options["GJS_A"]] if c.loss == "GJS" else 20.0, **flags)
    lines = lines_of(report(results))
    assert list(lines) == [
        *("KL", "GJS α = 0.1", "GJS α = 0.3", "GJS α = 0.5", "GJS, best α on train", "GJS, best α on test"),
        *("dGJS α = 0.1", "dGJS α = 0.3", "dGJS α = 0.5", "dGJS, best α on train", "dGJS, best α on test"),
    ]
    on_train, on_test = (lines[f"GJS, best α on {split}"]["digits"] for split in ("train", "test"))
    assert (on_train.alpha, on_train.text("test", 1), on_train.text("train", 1)) == (0.1, "9.00 (α = 0.1)", "7.00")
    assert (on_test.alpha, on_test.text("test", 1), on_test.text("train", 1)) == (0.3, "8.00 (α = 0.3)", "7.50")


def test_other_flags_that_vary_are_labels_and_best_alphas_are_by_them(results):
    flags = {"loss": ["KL", "GJS"], "lr": [1e-3, 1e-4], "GJS_A": [0.1, 0.3], "GJS_B": 2.0, "dataset": "digits"}
    write_grid(results / "exp", lambda c: c.lr * 1e4 + c.loss_options.get("GJS_A", 0), **flags)
    lines = lines_of(report(results))
    assert list(lines)[:3] == ["KL lr = 0.0001", "KL lr = 0.001", "GJS α = 0.1, λ = 2, lr = 0.0001"]
    assert lines["GJS λ = 2, lr = 0.001, best α on test"]["digits"].text("test", 1) == "10.10 (α = 0.1)"
    assert len(lines) == 2 + 4 + 4


def test_csv_has_every_digit(results):
    values = iter(np.random.default_rng(0).uniform(5, 20, 100).tolist())
    write_grid(
        results / "exp", lambda c: (next(values), next(values)), loss=["KL", "rKL"], seed=[0, 1], dataset="mnist"
    )
    findings = report(results)
    for row, line in zip(findings.rows, table(results)):
        assert (line["label"], line["seeds"]) == (row.label, "0 1")
        for split in ("test", "train"):
            estimate = row.estimate(split)
            assert float(line[f"{split}_mean"]) == estimate.mean
            assert float(line[f"{split}_half_width"]) == estimate.half_width
            assert list(map(float, line[f"{split}_values"].split())) == list(estimate.values.values())


# The paper


def test_the_papers_numbers_are_those_of_its_table():
    printed = {  # Table 1, but for the one of JS^G on dSprites, which is the dual's
        ("KL", None): (8.46, 11.98, 13.55, 12.27),
        ("rKL", None): (11.61, 14.42, 14.18, 19.88),
        ("betaH", None): (11.75, 13.32, 10.51, 20.79),
        ("MMD", None): (13.19, 11.10, 11.87, 18.85),
        ("GJS", 0.5): (9.87, 11.29, 9.89, 13.57),
    }
    best = {("GJS", "mnist"): (0.1, 7.52), ("GJS", "fashion"): (0.2, 10.04), ("GJS", "chairs"): (0.2, 11.95)}
    best |= {("dGJS", "mnist"): (0.3, 7.34), ("dGJS", "fashion"): (0.4, 9.58)}
    best |= {("dGJS", "dsprites"): (0.5, 4.97), ("dGJS", "chairs"): (0.4, 11.64)}

    def value(dataset, loss, **options):
        return published(RunConfig("x", dataset=dataset, loss=loss, loss_options=options)).value

    for (loss, alpha), row in printed.items():
        options = {} if alpha is None else {"GJS_A": alpha}
        found = [value(dataset, loss, **options) for dataset in ("mnist", "fashion", "dsprites", "chairs")]
        assert found == pytest.approx(row, abs=0.005001)
    for (loss, dataset), (alpha, expected) in best.items():
        by_alpha = {a: value(dataset, loss, GJS_A=a) for a in ALPHAS}
        assert min(by_alpha, key=by_alpha.get) == alpha
        assert by_alpha[alpha] == pytest.approx(expected, abs=0.005001)


def test_the_papers_numbers_are_for_its_settings_only():
    config = RunConfig("x", dataset="mnist", loss="GJS", loss_options={"GJS_A": 0.1})
    assert published(config).test == 7.523
    assert published(replace(config, epochs=1, rec_dist="gaussian", train_size=10)).test == 7.523
    assert published(replace(config, latent_dim=2)) is None
    assert published(replace(config, loss_options={"GJS_A": 0.15})) is None
    assert published(replace(config, loss_options={"GJS_A": 0.1, "GJS_B": 2.0})).test == 8.512
    assert published(replace(config, loss_options={"GJS_A": 0.1, "GJS_invA": False})).test == 9.191
    assert published(replace(config, loss="tGJS", loss_options={"GJS_A": 0.9})).marks == "a"
    assert published(replace(config, dataset="dsprites")).marks == "bt"
    assert published(RunConfig("x", dataset="digits", loss="KL")) is None


# Commands


def test_the_papers_table_has_columns_without_data_with_their_commands(results):
    flags = {"dataset": "mnist", "epochs": 1, "train_size": 20, "seed": 3}
    write_grid(results / "exp", lambda c: 10.0, "table1", **flags)
    findings = report(results)
    (block,) = findings.blocks
    assert block.datasets == ["mnist", "fashion", "dsprites", "chairs"]
    assert len(findings.missing) == 3 * 24
    whole = made_by(findings.columns["All of chairs, bernoulli"])
    assert len(whole) == 24
    for place in findings.missing:
        if place.dataset == "chairs":
            made = made_by(findings.commands[place])
            assert {(c.dataset, c.epochs, c.train_size, c.seed) for c in made.values()} == {("chairs", 1, 20, 3)}
            assert made.items() <= whole.items()
            whole = {path: config for path, config in whole.items() if path not in made}
    assert whole == {}
    assert list(findings.columns) == [f"All of {name}, bernoulli" for name in ("fashion", "dsprites", "chairs")]
    assert list(findings.whole) == ["All 24 runs"]
    blank = [line for line in table(results) if line["dataset"] == "chairs" and not line["chosen_on"]]
    assert {line["test_mean"] for line in blank} == {""}
    commands = {place.label: findings.commands[place] for place in findings.missing if place.dataset == "chairs"}
    assert {line["label"]: line["command"] for line in blank} == commands
    page = (results / "exp" / PAGE).read_text()
    assert all(f'id="missing-{number}"' in page and f'href="#missing-{number}"' in page for number in range(3 * 24))
    assert (
        "Not at the scale of the paper: mnist has one epoch where the presets have 100, only the first 20 train" in page
    )


def test_a_missing_run_has_the_presets_epochs_of_its_data_set(results):
    write_grid(results / "exp", lambda c: 10.0, "figure3", GJS_A=0.5)
    findings = read_findings(results / "exp")
    made = [config for place in findings.missing for config in made_by(findings.commands[place]).values()]
    epochs = {config.dataset: config.epochs for config in made}
    assert epochs == {"fashion": 100, "dsprites": 50, "chairs": 100}
    assert findings.scale_notice() is None


@pytest.mark.parametrize("preset", PRESETS)
def test_the_command_of_a_preset_is_found(preset, tmp_path):
    configs = configurations({}, preset)
    grid = find_grid(configs)
    assert (grid.preset, grid.flags, grid.runs) == (preset, {}, len(configs))
    assert made_by(grid.command(tmp_path / "exp")) == {f"{tmp_path}/exp/{c.experiment}": c for c in configs}
    some = configurations({"seed": [0, 1], "lr": 1e-3, "dataset": "fashion"}, preset)
    assert find_grid(some).flags == {"dataset": "fashion", "lr": 1e-3, "seed": [0, 1]}
    assert find_grid(some[:-1]) is None
    assert find_grid(some[:-1], exact=False) == find_grid(some)


GRIDS = [
    {"loss": ["KL", "GJS", "dGJS"], "GJS_A": [0.1, 0.3], "seed": [0, 1], "dataset": "mnist", "GJS_B": 2.0},
    {"loss": "CatVAE", "classes": [3, 5], "single_decode": True, "epochs": 3},
    {"loss": "GJS", "GJS_invA": False, "latent_dim": [2, 3], "train_size": 100, "batch_size": 8},
    {"loss": "InfoVAE", "info_alpha": [-0.5, 0.5], "info_divergence": "energy", "dataset": "mixture2d"},
    {"dataset": ["mnist", "folder:my pictures"], "lr": [1e-5, 1e-3], "noise": 0.1, "loss": "KL"},
]


@pytest.mark.parametrize("flags", GRIDS)
def test_commands_make_the_runs_that_they_are_for(flags, results):
    write_grid(results / "exp", lambda c: 10.0, **flags)
    findings = report(results)
    wanted = {f"results/exp/{config.experiment}": config for config in configurations(flags)}
    (whole,) = findings.whole.values()
    assert made_by(whole) == wanted
    for row in findings.rows:
        made = {}
        for command in findings.commands[Place(row.config.rec_dist, row.config.dataset, row.label)].split(" && "):
            made |= made_by(command)
        assert made == {str(m.folder.path): wanted[str(m.folder.path)] for m in row.members}


def test_a_run_that_has_not_ended_is_listed_with_the_command_that_goes_on(results):
    write_grid(results / "exp", lambda c: 10.0, loss=["KL", "rKL"], dataset="digits")
    config = RunConfig("loss-AE", dataset="digits", loss="AE")
    write_run(results / "exp" / "loss-AE", config, 10.0, ended=False)
    report(results)
    command = "python main.py loss-AE --resume --results-dir results/exp"
    assert resume_command(results.relative_to(results.parent) / "exp" / "loss-AE") == command
    text, page = ((results / "exp" / name).read_text() for name in (TABLE, PAGE))
    assert "| AE | not ended | not ended |" in text
    assert f"    {command}\n" in text
    assert f"<code>{command}</code>" in page
    assert "3 runs, 2 of them ended" in page
    parsed = vars(PARSER.parse_args(command.split()[2:]))
    assert (parsed["experiment"], parsed["resume"]) == ("loss-AE", True)
    assert [line["test_mean"] for line in table(results)] == ["10.0", "10.0", ""]


def test_a_single_run_is_a_table_of_one_row(results):
    config = RunConfig("exp", dataset="mnist", loss="dGJS", loss_options={"GJS_A": 0.3}, epochs=20)
    write_run(results / "exp", config, 11.02, 10.5)
    findings = report(results)
    assert "| dGJS α = 0.3 | 11.02 | 10.50 | 7.34ᵇ |" in (results / "exp" / TABLE).read_text()
    assert [line["command"] for line in table(results)] == [run_command(findings.folder, config)]
    assert made_by(run_command(findings.folder, config)) == {"results/exp": config}


# The page


class Page(HTMLParser):
    """What a page consists of, and whether each of its elements is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_the_page_shows_names_as_they_are_and_fetches_nothing(results):
    name = "folder:<script>alert(1)</script>&\"'|*x*"
    config = RunConfig("<b>run", dataset=name, loss="KL")
    write_run(results / "a<i>" / "<b>run", config, 10.0)
    picture = image_grid(np.zeros((2, 3, 1, 32, 32)), title="digits")
    picture.savefig(results / "a<i>" / "<b>run" / RECONSTRUCTIONS, format="png")
    report(results, "a<i>")
    text = (results / "a<i>" / PAGE).read_text()
    page = Page(text)
    assert page.open == []
    assert "<script>alert" not in text and "<b>" not in text and "<i>" not in text
    assert name in page.texts and "a<i>" in page.texts
    assert [attributes for tag, attributes in page.elements if tag == "script"] == [{}]
    addresses = [a for _, attributes in page.elements for key, a in attributes.items() if key in ("src", "href")]
    assert all(address.startswith(("data:image/png;base64,", "#")) for address in addresses)
    assert sum(tag == "img" for tag, _ in page.elements) == 1
    anchors = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    assert {address[1:] for address in addresses if address[0] == "#"} <= anchors
    assert "url(" not in text and "@import" not in text
    text = (results / "a<i>" / TABLE).read_text()
    assert "<" not in re.sub(r"^    .*$", "", text, flags=re.MULTILINE)  # but in commands, which are literal


def test_the_page_has_the_pictures_of_each_run(results):
    write_grid(results / "exp", lambda c: 10.0, loss=["KL", "rKL"], dataset="digits")
    for name in ("reconstructions", "traversals", "curves", "samples"):
        figure = image_grid(np.zeros((1, 2, 1, 8, 8)), title=name)
        for run in ("loss-KL", "loss-rKL"):
            figure.savefig(results / "exp" / run / f"{name}.png", format="png")
    report(results)
    alternatives = [a["alt"] for tag, a in Page((results / "exp" / PAGE).read_text()).elements if tag == "img"]
    expected = [
        f"{name}.png of loss-{loss}" for loss in ("KL", "rKL") for name in ("reconstructions", "traversals", "curves")
    ]
    assert alternatives == expected


def test_the_page_has_every_number_of_an_evaluation(results):
    config = RunConfig("exp", dataset="digits", loss="KL", importance_samples=8)
    write_run(results / "exp", config, 10.0)
    evaluation = json.loads((results / "exp" / EVALUATION).read_text())
    evaluation["test"]["evidence"] = {"mean": -123.456789, "interval": [-124.0, -122.5], "images": 10}
    (results / "exp" / EVALUATION).write_text(json.dumps(evaluation))
    report(results)
    texts = Page((results / "exp" / PAGE).read_text()).texts
    for name, value in {
        "evidence mean": "-123.46",
        "evidence interval": "-124, -122.5",
        "evidence images": "10",
    }.items():
        assert texts[texts.index(name) + 1] == value


def test_figures_have_a_curve_for_each_skewed_loss_and_lines_for_others(results):
    flags = {"loss": ["KL", "GJS", "dGJS"], "GJS_A": [0.1, 0.3], "dataset": "mnist", "seed": [0, 1]}
    write_grid(results / "exp", lambda c: (c.loss_options.get("GJS_A", 2.0) + c.seed, 1.0), **flags)
    found = figures(report(results))
    (name,) = found
    assert (results / "exp" / name).read_bytes().startswith(b"\x89PNG")
    for axes in found[name].axes:
        lines = [line for line in axes.lines if list(line.get_xdata()) == [0, 1]]
        horizontal = {line.get_linestyle(): line.get_ydata()[0] for line in lines}
        assert horizontal["-"] == 2.5 and horizontal["--"] == 1.0
        test, train = (container.lines[0] for container in axes.containers)
        assert (test.get_linestyle(), train.get_linestyle()) == ("-", "--")
        assert test.get_xdata().tolist() == [0.1, 0.3]
        assert test.get_ydata() == pytest.approx([0.6, 0.8])


def test_the_same_files_give_the_same_report(results):
    write_grid(results / "exp", lambda c: 10.0, "figure3", GJS_A=[0.1, 0.3], loss="GJS")
    report(results)
    first = {path.name: path.read_bytes() for path in (results / "exp").iterdir() if path.is_file()}
    report(results)
    assert {path.name: path.read_bytes() for path in (results / "exp").iterdir() if path.is_file()} == first


# The command line


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (CONFIG, "{", "config.json is damaged"),
        (CONFIG, "[]", "config.json is damaged (it holds a list instead of an object)"),
        (EVALUATION, "{", "evaluation.json is damaged"),
        (EVALUATION, "[1]", "evaluation.json is damaged (it holds a list instead of an object): --is-eval-only"),
        (EVALUATION, '{"test": {}}', "evaluation.json has no squared error of each split"),
    ],
)
def test_a_damaged_file_is_one_line_and_nothing_is_written(file, content, message, results, capsys):
    write_grid(results / "exp", lambda c: 10.0, loss=["KL", "rKL"], dataset="digits")
    (results / "exp" / "loss-KL" / file).write_text(content)
    with pytest.raises(SystemExit) as exit:
        command_line.main(["exp", "--report"])
    out, err = capsys.readouterr()
    assert (exit.value.code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert not (results / "exp" / PAGE).exists()


def test_no_such_experiment(results):
    with pytest.raises(ResultsError, match="results/exp does not exist: check the name, or give the flags of runs"):
        report(results)
    (results / "exp").mkdir(parents=True)
    with pytest.raises(ResultsError, match="results/exp holds no runs: check the name, or give the flags of runs"):
        report(results)
    with pytest.raises(ResultsError, match=re.escape("experiment name '../exp': expected one folder name")):
        report(results, "../exp")


def test_runs_are_made_and_then_reported(results, capsys):
    flags = "--dataset digits --loss GJS --GJS-A 0.1 0.3 -e 1 -b 8 --train-size 16 --test-size 8 --no-cuda".split()
    command_line.main(["exp", *flags, "--report"])
    assert (
        "report of 2 of 2 runs in results/exp/report.html, beside it table.md, table.csv, alpha_"
        in capsys.readouterr().out
    )
    first = (results / "exp" / PAGE).read_bytes()
    assert first.count(b"<img") == 1 + 2 * 3
    command_line.main(["exp", "--report"])
    assert (results / "exp" / PAGE).read_bytes() == first
