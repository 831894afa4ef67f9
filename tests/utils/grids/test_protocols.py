"""What notebooks draw: small runs of every grid, read back; and the commands for what is missing."""

import json
import re
import shutil

import pytest

import main as command_line
from utils.datasets import DatasetError
from utils.grids import protocols
from utils.grids.grid import configurations
from utils.grids.protocols import (
    Protocol,
    evaluated,
    every_protocol,
    merged,
    read_grid,
    with_best_skew,
    with_evidence,
    with_models,
)
from utils.grids.saved import read_run, saved_runs
from utils.grids.sweep import check_same_configuration
from utils.runs.folder import CONFIG, EVALUATION, MODEL

STARTS = {"loss": ["tGJS", "tdGJS"], "GJS_A": [0.1, 0.5, 0.9]}
NOISE = {"loss": ["KL", "tGJS"], "noise": [0.5, 1.0]}


@pytest.fixture
def reference(results, monkeypatch):
    """results/reference/, from a working directory where it is called so."""
    monkeypatch.chdir(results)
    return results / "results" / "reference"


@pytest.fixture
def copied(reference, tmp_path):
    """The runs of a grid in a folder of their own, by its name."""

    def copy(grid):
        return shutil.copytree(reference / grid, tmp_path / grid)

    return copy


def change(run, name=CONFIG, **values):
    """Change what a file of a run says."""
    content = json.loads((run / name).read_text())
    (run / name).write_text(json.dumps({**content, **values}))


def only(grid) -> Protocol:
    (protocol,) = every_protocol(grid)
    return protocol


def commands(capsys):
    """The printed commands, as main.py reads them: folder, and flags."""
    lines = re.findall(r"^    python main.py (.*)$", capsys.readouterr().out, re.M)
    return [vars(command_line.build_parser().parse_args(line.split())) for line in lines]


def planned(flags):
    settings = {name: value for name, value in flags.items() if name not in ("experiment", "results_dir", "preset")}
    told = {name: value for name, value in settings.items() if value is not False}
    return {config.experiment: config for config in configurations(told, flags.get("preset"))}


# What is there


def test_a_grid_has_the_runs_that_have_ended_with_what_they_have_in_common(reference):
    protocol = only(read_grid(reference / "table1", "table1"))
    assert protocol.title == "digits, gaussian: 2 epochs, seed 1234"
    assert protocol.settings.items() >= {"epochs": 2, "train_size": 20, "test_size": 10, "noise": 0.0}.items()
    assert len(protocol.runs) == len(saved_runs(reference / "table1")) == 10


def test_runs_with_other_losses_than_the_grids_are_left_out(reference):
    protocol = only(read_grid(reference / "table1", "table1", loss=["KL", "GJS"]))
    assert {run.config.loss for run in protocol.runs} == {"KL", "GJS"}


def test_runs_with_other_settings_are_of_another_protocol(reference):
    each = every_protocol(read_grid(reference / "noise", **NOISE))
    assert [protocol.settings["noise"] for protocol in each] == [0.5, 1.0]
    protocol = only(read_grid(reference / "noise", over="noise", **NOISE))
    assert "noise" not in protocol.settings
    assert list(protocol.over("noise", "KL")) == [0.5, 1.0]


def test_a_run_that_has_not_ended_is_missing(copied, capsys):
    folder = copied("beta")
    change(folder / "dataset-digits_rec-dist-gaussian_loss-betaH_betaH-B-0.5", ended_after=None)
    assert len(only(read_grid(folder, "beta", betaH_B=[0.5, 4.0])).runs) == 1
    assert "not there yet: betaH (β = 0.5)\n" in capsys.readouterr().out


def test_runs_are_found_by_loss_and_options(reference):
    protocol = only(read_grid(reference / "lambda", "lambda"))
    assert protocol.values("GJS_B", "GJS") == [1, 2]
    (run,) = protocol.of("GJS", GJS_A=0.1, GJS_B=2.0)
    assert run.config.loss_options.items() >= {"GJS_A": 0.1, "GJS_B": 2.0}.items()
    series = protocol.over("GJS_A", "GJS", GJS_B=2.0)
    assert list(series) == [0.1, 0.5]
    assert series[0.1] == [run]
    assert [run.config.loss_options["GJS_B"] for run in protocol.of("GJS", over="GJS_A")] == [1, 1], "the default"
    assert protocol.of("KL") == []


def test_runs_that_differ_in_their_seed_stand_together(copied, capsys):
    folder = copied("beta")
    shutil.copytree(folder / "dataset-digits_rec-dist-gaussian_loss-betaH_betaH-B-4", folder / "another")
    change(folder / "another", seed=7)
    protocol = only(read_grid(folder, "beta"))
    assert sorted(run.config.seed for run in protocol.over("betaH_B", "betaH")[4.0]) == [7, 1234]
    assert "seed 7, 1234" in capsys.readouterr().out


def test_grids_are_merged_where_they_share_all_settings(reference):
    grids = [read_grid(reference / name, name) for name in ("table1", "lambda", "beta")]
    assert len(only(merged(*grids)).runs) == 10 + 4 + 2
    noisy = read_grid(reference / "noise", **NOISE)
    assert len(merged(*grids, noisy)["digits"]) == 3


def test_of_a_grid_to_set_beside_another_only_what_compares_is_read(reference, copied, capsys):
    folder = copied("table1")
    for run in saved_runs(folder):
        shutil.copytree(run.folder.path, folder / f"{run.config.experiment}-bernoulli")
        change(folder / f"{run.config.experiment}-bernoulli", rec_dist="bernoulli")
    beta = read_grid(reference / "beta", "beta")
    capsys.readouterr()
    kl = read_grid(folder, "table1", loss=["KL"], like=beta)
    assert only(kl).settings == only(beta).settings
    assert len(only(merged(beta, kl)).runs) == 2 + 1
    assert capsys.readouterr().out.splitlines()[0].startswith("digits, gaussian: one run, ")
    assert read_grid(folder, "table1", loss=["KL"], like={}) == {}
    assert capsys.readouterr().out == ""


def test_a_quantity_is_what_the_evaluation_says(reference):
    runs = only(read_grid(reference / "beta", "beta")).runs
    for split in ("train", "test"):
        said = [json.loads((run.folder / EVALUATION).read_text())[split]["squared_error"] for run in runs]
        assert evaluated(runs, "squared_error", split) == said


# What is missing


@pytest.mark.parametrize(
    "grid, preset, flags",
    [
        ("table1", "table1", {}),
        ("lambda", "lambda", {}),
        ("beta", "beta", {}),
        ("alpha-starts", None, {**STARTS, "dataset": ["mnist"], "rec_dist": ["gaussian"]}),
        ("noise", None, {**NOISE, "over": "noise", "dataset": ["mnist"]}),
    ],
)
def test_the_command_makes_what_is_missing_and_leaves_what_is_there(reference, capsys, grid, preset, flags):
    read_grid(f"results/reference/{grid}", preset, **flags)
    own, absent = commands(capsys)
    assert (own["experiment"], str(own["results_dir"])) == (grid, "results/reference")
    configs = planned(own)
    for member in saved_runs(reference / grid):
        if not member.config.importance_samples:  # which a part of table1 has
            check_same_configuration(member, configs[member.folder.path.name], None)
    assert {config.dataset for config in planned(absent).values()} <= {"mnist", "fashion", "dsprites"}


def test_the_command_of_a_grid_on_several_data_sets_is_for_all_of_them(copied, capsys):
    """Its runs are named after the data set."""
    folder = copied("noise")
    for run in list(folder.iterdir()):
        for dataset in ("mnist", "fashion"):
            shutil.copytree(run, folder / f"dataset-{dataset}_{run.name}")
            change(folder / f"dataset-{dataset}_{run.name}", dataset=dataset)
        shutil.rmtree(run)
    read_grid(folder, over="noise", dataset=["mnist"], **NOISE)
    first, second = (planned(flags) for flags in commands(capsys))
    assert first.keys() == second.keys() == {run.name for run in folder.iterdir()}


def test_missing_runs_are_named(reference, capsys):
    read_grid(reference / "alpha-starts", **STARTS)
    assert "not there yet: tGJS (α = 0.5), tdGJS (α = 0.5)\n" in capsys.readouterr().out


def test_flags_that_all_runs_have_are_in_the_command(copied, capsys):
    folder = copied("beta")
    for run in folder.iterdir():
        change(run, seed=5, importance_samples=20, lr=0.01)
    read_grid(folder, "beta")
    assert commands(capsys)[0].items() >= {"seed": 5, "importance_samples": 20, "lr": 0.01}.items()


def test_where_there_is_nothing_the_command_makes_the_grid(tmp_path, capsys):
    assert read_grid(tmp_path / "beta", "beta") == {}
    (flags,) = commands(capsys)
    assert len(planned(flags)) == 7


# Models and evidence


def test_runs_without_models_are_left_out(copied, capsys):
    folder = copied("beta")
    (folder / "dataset-digits_rec-dist-gaussian_loss-betaH_betaH-B-4" / MODEL).unlink()
    grid = read_grid(folder, "beta")
    capsys.readouterr()
    protocol = only(with_models(grid))
    assert list(protocol.over("betaH_B", "betaH")) == [0.5]
    assert len(protocol.test) == 10
    assert f"no {MODEL}: betaH (β = 4)\n" in capsys.readouterr().out
    (folder / "dataset-digits_rec-dist-gaussian_loss-betaH_betaH-B-0.5" / MODEL).unlink()
    assert with_models(grid) == {}


def test_a_data_set_that_is_not_there_is_left_out(reference, capsys, monkeypatch):
    def load_dataset(*_):
        raise DatasetError("there is no such file")

    monkeypatch.setattr(protocols, "load_dataset", load_dataset)
    assert with_models(read_grid(reference / "beta", "beta")) == {}
    assert "digits: left out, there is no such file\n" in capsys.readouterr().out


def test_runs_without_evidence_are_left_out(reference, capsys):
    grid = read_grid(reference / "table1", "table1", loss=["KL", "rKL", "GJS"])
    protocol = only(with_evidence(grid))
    assert [run.config.loss for run in protocol.runs] == ["GJS", "GJS", "KL"]
    assert "digits, gaussian: no evidence from 2 samples: rKL\n" in capsys.readouterr().out
    assert read_run(protocol.runs[0].folder.path).evaluation["test"]["evidence"]["importance_samples"] == 2


def test_evidence_is_compared_from_the_same_number_of_samples(reference, tmp_path, capsys):
    folder = shutil.copytree(reference / "table1", tmp_path / "table1")
    path = folder / "dataset-digits_rec-dist-gaussian_loss-KL" / EVALUATION
    path.write_text(path.read_text().replace('"importance_samples": 2', '"importance_samples": 3'))
    protocol = only(with_evidence(read_grid(folder, "table1", loss=["KL", "GJS"])))
    assert [run.config.loss for run in protocol.runs] == ["GJS", "GJS"]
    assert "no evidence from 2 samples: KL\n    the command above makes it" in capsys.readouterr().out


def test_the_best_skew_is_that_of_the_least_error_on_training_images(reference, tmp_path):
    folder = shutil.copytree(reference / "table1", tmp_path / "table1")
    for alpha, error in ((0.1, 7.0), (0.5, 6.0)):
        path = folder / f"dataset-digits_rec-dist-gaussian_loss-GJS_GJS-A-{alpha}" / EVALUATION
        evaluation = json.loads(path.read_text())
        evaluation["train"]["squared_error"], evaluation["test"]["squared_error"] = error, -error
        path.write_text(json.dumps(evaluation))
    grid = read_grid(folder, "table1")
    before, after = only(grid), only(with_best_skew(grid))
    assert list(before.over("GJS_A", "GJS")) == [0.1, 0.5]
    assert list(after.over("GJS_A", "GJS")) == [0.5]
    assert len(after.over("GJS_A", "dGJS")) == 1
    assert [run for run in before.runs if run.config.loss not in ("GJS", "dGJS")] == after.runs[: len(after.runs) - 2]
