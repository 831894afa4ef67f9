"""The commands of a report: each makes the runs that it is for."""

from html import escape
from pathlib import Path

import pytest

from utils.grids.commands import find_grid, run_command
from utils.grids.grid import configurations
from utils.grids.presets import PRESETS
from utils.report.findings import CellKey, read_findings
from utils.runs.config import RunConfig
from utils.runs.folder import REPORT, TABLE
from utils.runs.runtime import Runtime, resume_command
from written_runs import PARSER, made_by, report, table, write_grid, write_run


@pytest.fixture
def results(tmp_path, monkeypatch):
    """The results directory, where commands look for it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "results"


@pytest.mark.slow
def test_the_papers_table_has_columns_without_data_with_their_commands(results):
    flags = {"dataset": "mnist", "epochs": 1, "train_size": 20, "seed": 3}
    write_grid(results / "exp", lambda c: 10.0, "table1", **flags)
    findings = report(results)
    (errors,) = findings.tables
    assert errors.datasets == ["mnist", "fashion", "dsprites", "chairs"]
    assert len(findings.missing) == 3 * 24
    whole = made_by(findings.column_commands["All of chairs, bernoulli"])
    assert len(whole) == 24
    for place in findings.missing:
        if place.dataset == "chairs":
            made = made_by(findings.commands[place])
            assert {(c.dataset, c.epochs, c.train_size, c.seed) for c in made.values()} == {("chairs", 1, 20, 3)}
            assert made.items() <= whole.items()
            whole = {path: config for path, config in whole.items() if path not in made}
    assert whole == {}
    assert list(findings.column_commands) == [f"All of {name}, bernoulli" for name in ("fashion", "dsprites", "chairs")]
    assert list(findings.whole) == ["All 24 runs"]
    blank = [line for line in table(results) if line["dataset"] == "chairs" and not line["chosen_on"]]
    assert {line["test_mean"] for line in blank} == {""}
    commands = {place.label: findings.commands[place] for place in findings.missing if place.dataset == "chairs"}
    assert {line["label"]: line["command"] for line in blank} == commands
    page = (results / "exp" / REPORT).read_text()
    assert 'id="missing-' not in page, "of data sets without runs the page has one command each"
    assert all(escape(command, quote=False) in page for command in findings.column_commands.values())
    assert (
        "Not at the scale of the paper: mnist has 1 epoch where the presets have 100, only the first 20 train" in page
    )


def test_a_missing_run_has_the_presets_epochs_of_its_data_set(results):
    write_grid(results / "exp", lambda c: 10.0, "figure3", GJS_A=0.5)
    findings = read_findings(results / "exp")
    made = [config for place in findings.missing for config in made_by(findings.commands[place]).values()]
    epochs = {config.dataset: config.epochs for config in made}
    assert epochs == {"fashion": 100, "dsprites": 50, "chairs": 100}
    assert findings.scale_notice() is None


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("flags", GRIDS)
def test_commands_make_the_runs_that_they_are_for(flags, results):
    write_grid(results / "exp", lambda c: 10.0, **flags)
    findings = report(results)
    wanted = {f"results/exp/{config.experiment}": config for config in configurations(flags)}
    (whole,) = findings.whole.values()
    assert made_by(whole) == wanted
    for own in findings.replicates:
        made = {}
        for command in findings.commands[CellKey(own.config.rec_dist, own.config.dataset, own.label)].split(" && "):
            made |= made_by(command)
        assert made == {str(run.folder.path): wanted[str(run.folder.path)] for run in own.runs}


def test_a_run_that_has_not_ended_is_listed_with_the_command_that_goes_on(results, monkeypatch):
    write_grid(results / "exp", lambda c: 10.0, loss=["KL", "rKL"], dataset="digits")
    config = RunConfig("loss-AE", dataset="digits", loss="AE")
    write_run(results / "exp" / "loss-AE", config, 10.0, ended=False)
    report(results)
    command = "python main.py loss-AE --resume --results-dir results/exp"
    assert resume_command(results.relative_to(results.parent) / "exp" / "loss-AE") == command
    elsewhere = Runtime(data_dir=Path("my data"), device="cpu")
    assert resume_command(Path("results/exp"), elsewhere) == (
        "python main.py exp --resume --data-dir 'my data' --device cpu"
    )
    often = Runtime(checkpoint_every=3, checkpoint_minutes=0.5, tensorboard=True, pages=("--explore",))
    assert resume_command(Path("results/exp"), often) == (
        "python main.py exp --resume --checkpoint-every 3 --checkpoint-minutes 0.5 --tensorboard --explore"
    )
    monkeypatch.setenv("VAE_DATA", "my data")
    assert resume_command(Path("results/exp"), elsewhere) == "python main.py exp --resume --device cpu"
    there = resume_command(Path("results/exp"), Runtime(data_dir=Path("data")))
    assert there == "python main.py exp --resume --data-dir data"
    text, page = ((results / "exp" / name).read_text() for name in (TABLE, REPORT))
    assert "| AE | not ended | not ended |" in text
    assert f"    {command}\n" in text
    assert f"<code>{command}</code>" in page
    assert "3 runs, 2 of them ended" in page
    parsed = vars(PARSER.parse_args(command.split()[2:]))
    assert (parsed["experiment"], parsed["resume"]) == ("loss-AE", True)
    assert [line["test_mean"] for line in table(results)] == ["10.0", "10.0", ""]


def test_a_single_run_is_a_table_of_one_row(results):
    config = RunConfig.from_flags("exp", {"dataset": "mnist", "loss": "dGJS", "GJS_A": 0.3, "epochs": 20})
    write_run(results / "exp", config, 11.02, 10.5)
    findings = report(results)
    assert "| dGJS α = 0.3 | 11.02 | 10.50 | 7.34ᵇ |" in (results / "exp" / TABLE).read_text()
    assert [line["command"] for line in table(results)] == [run_command(findings.folder, config)]
    assert made_by(run_command(findings.folder, config)) == {"results/exp": config}


def test_the_command_of_a_run_tells_its_network_and_what_of_it_is_not_usual(results):
    flags = {"loss": "KL", "dataset": "digits", "network": "resnet", "width": 4}
    config = RunConfig.from_flags("exp", flags)
    made = run_command(results / "exp", config)
    assert made.endswith(" --dataset digits --loss KL --network resnet --width 4")
    assert list(made_by(made).values()) == [config]


def test_the_command_of_a_grid_tells_its_network(results):
    flags = {"loss": ["KL", "GJS"], "dataset": "digits", "network": "resnet", "width": 4}
    found = find_grid(configurations(flags))
    assert found.flags == flags
