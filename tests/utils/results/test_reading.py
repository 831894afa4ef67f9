"""What notebooks draw: small runs of every grid, read back; and the commands for what is missing."""

import re
import shutil

import pytest

from saved_groups import change, only
from utils.datasets import DatasetError
from utils.flags import build_parser
from utils.grids.grid import configurations
from utils.grids.saved import read_run, saved_runs
from utils.grids.sweep import check_same_configuration
from utils.results import reading
from utils.results.groups import merged
from utils.results.reading import read_groups, with_evidence, with_models
from utils.runs.folder import EVALUATION, MODEL

STARTS = {"loss": ["tGJS", "tdGJS"], "GJS_A": [0.1, 0.5, 0.9]}
NOISE = {"loss": ["KL", "tGJS"], "noise": [0.5, 1.0]}


def commands(capsys):
    """The printed commands, as main.py reads them: folder, and flags."""
    lines = re.findall(r"^    python main.py (.*)$", capsys.readouterr().out, re.M)
    return [vars(build_parser().parse_args(line.split())) for line in lines]


def planned(flags):
    settings = {name: value for name, value in flags.items() if name not in ("experiment", "results_dir", "preset")}
    told = {name: value for name, value in settings.items() if value is not False}
    return {config.experiment: config for config in configurations(told, flags.get("preset"))}


# What is there


def test_a_grid_has_the_runs_that_have_ended_with_what_they_have_in_common(reference):
    group = only(read_groups(reference / "table1", "table1"))
    assert group.title == "digits, gaussian: 2 epochs, seed 1234"
    assert group.settings.items() >= {"epochs": 2, "train_size": 20, "test_size": 10, "noise": 0.0}.items()
    assert len(group.runs) == len(saved_runs(reference / "table1")) == 10


def test_runs_with_other_losses_than_the_grids_are_left_out(reference):
    group = only(read_groups(reference / "table1", "table1", loss=["KL", "GJS"]))
    assert {run.config.loss for run in group.runs} == {"KL", "GJS"}


def test_a_loss_that_the_preset_does_not_have_is_read_where_no_losses_are_asked_for(copied, capsys):
    folder = copied("table1")
    for divergence in ("mmd", "energy"):
        shutil.copytree(folder / "dataset-digits_rec-dist-gaussian_loss-KL", folder / divergence)
        options = {"info_alpha": 0.0, "info_lambda": 500.0, "info_divergence": divergence}
        change(folder / divergence, loss="InfoVAE", loss_options=options)
    assert len(only(read_groups(folder, "table1")).runs) == 12
    assert "\n    besides: InfoVAE (info-divergence = energy; info-divergence = mmd)\n" in capsys.readouterr().out
    assert len(only(read_groups(folder, "table1", loss=["KL", "GJS"])).runs) == 3
    assert "besides" not in capsys.readouterr().out


def test_runs_with_other_settings_are_of_another_group(reference):
    each = read_groups(reference / "noise", **NOISE)
    assert [group.settings["noise"] for group in each] == [0.5, 1.0]
    group = only(read_groups(reference / "noise", over="noise", **NOISE))
    assert "noise" not in group.settings
    assert list(group.series("KL", over="noise")) == [0.5, 1.0]


def test_a_run_that_has_not_ended_is_missing(copied, capsys):
    folder = copied("beta")
    change(folder / "dataset-digits_rec-dist-gaussian_loss-betaH_betaH-B-0.5", ended_after=None)
    assert len(only(read_groups(folder, "beta", betaH_B=[0.5, 4.0])).runs) == 1
    assert "not there yet: betaH (β = 0.5)\n" in capsys.readouterr().out


def test_of_a_grid_to_set_beside_another_only_what_compares_is_read(reference, copied, capsys):
    folder = copied("table1")
    for run in saved_runs(folder):
        shutil.copytree(run.folder.path, folder / f"{run.config.experiment}-bernoulli")
        change(folder / f"{run.config.experiment}-bernoulli", rec_dist="bernoulli")
    beta = read_groups(reference / "beta", "beta")
    capsys.readouterr()
    kl = read_groups(folder, "table1", loss=["KL"], like=beta)
    assert only(kl).settings == only(beta).settings
    assert len(only(merged(beta, kl)).runs) == 2 + 1
    assert capsys.readouterr().out.splitlines()[0].startswith("digits, gaussian: 1 run, ")
    assert read_groups(folder, "table1", loss=["KL"], like=[]) == []
    assert capsys.readouterr().out == ""


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
    read_groups(f"results/reference/{grid}", preset, **flags)
    own, absent = commands(capsys)
    assert (own["experiment"], str(own["results_dir"])) == (grid, "results/reference")
    configs = planned(own)
    for run in saved_runs(reference / grid):
        if not run.config.importance_samples:  # which a part of table1 has
            check_same_configuration(run, configs[run.folder.path.name], None)
    assert {config.dataset for config in planned(absent).values()} <= {"mnist", "fashion", "dsprites"}


def test_the_command_of_a_grid_on_several_data_sets_is_for_all_of_them(copied, capsys):
    """Its runs are named after the data set."""
    folder = copied("noise")
    for run in list(folder.iterdir()):
        for dataset in ("mnist", "fashion"):
            shutil.copytree(run, folder / f"dataset-{dataset}_{run.name}")
            change(folder / f"dataset-{dataset}_{run.name}", dataset=dataset)
        shutil.rmtree(run)
    read_groups(folder, over="noise", dataset=["mnist"], **NOISE)
    first, second = (planned(flags) for flags in commands(capsys))
    assert first.keys() == second.keys() == {run.name for run in folder.iterdir()}


def test_missing_runs_are_named(reference, capsys):
    read_groups(reference / "alpha-starts", **STARTS)
    assert "not there yet: tGJS (α = 0.5), tdGJS (α = 0.5)\n" in capsys.readouterr().out


def test_flags_that_all_runs_have_are_in_the_command(copied, capsys):
    folder = copied("beta")
    for run in folder.iterdir():
        change(run, seed=5, importance_samples=20, lr=0.01)
    read_groups(folder, "beta")
    assert commands(capsys)[0].items() >= {"seed": 5, "importance_samples": 20, "lr": 0.01}.items()


def test_runs_that_were_compiled_and_others_are_one_group_with_a_command_each(copied, capsys):
    folder = copied("beta")
    for seed in (7, 8):
        for run in saved_runs(folder):
            if run.config.seed == 1234:
                other = shutil.copytree(run.folder.path, folder / f"{run.config.experiment}_seed-{seed}")
                change(other, seed=seed, compile=False)
    group = only(read_groups(folder, "beta"))
    assert group.seeds == [7, 8, 1234]
    first, second, *_ = commands(capsys)
    assert {(flags.get("compile"), str(flags.get("seed"))) for flags in (first, second)} == {
        (None, "None"),
        (False, "[7, 8]"),
    }


def test_where_there_is_nothing_the_command_makes_the_grid(tmp_path, capsys):
    assert read_groups(tmp_path / "beta", "beta") == []
    (flags,) = commands(capsys)
    assert len(planned(flags)) == 7


# Models and evidence


def test_runs_without_models_are_left_out(copied, capsys):
    folder = copied("beta")
    (folder / "dataset-digits_rec-dist-gaussian_loss-betaH_betaH-B-4" / MODEL).unlink()
    groups = read_groups(folder, "beta")
    capsys.readouterr()
    group = only(with_models(groups))
    assert list(group.series("betaH")) == [0.5]
    assert len(group.test) == 10
    assert f"no {MODEL}: betaH (β = 4)\n" in capsys.readouterr().out
    (folder / "dataset-digits_rec-dist-gaussian_loss-betaH_betaH-B-0.5" / MODEL).unlink()
    assert with_models(groups) == []


def test_models_that_some_seeds_lack_are_told_apart(copied, capsys):
    folder = copied("beta")
    half, four = (folder / f"dataset-digits_rec-dist-gaussian_loss-betaH_betaH-B-{beta}" for beta in (0.5, 4))
    shutil.copytree(four, folder / "another")
    change(folder / "another", seed=7)
    for run in (half, folder / "another"):
        (run / MODEL).unlink()
    assert only(with_models(read_groups(folder, "beta"))).seeds == [1234]
    said = f"no {MODEL}: betaH (β = 0.5)\ndigits, gaussian: no {MODEL} of some seeds: betaH (β = 4)\n    the command"
    assert said in capsys.readouterr().out


def test_a_data_set_that_is_not_there_is_left_out(reference, capsys, monkeypatch):
    def load_split(*_):
        raise DatasetError("there is no such file")

    monkeypatch.setattr(reading, "load_split", load_split)
    assert with_models(read_groups(reference / "beta", "beta")) == []
    assert "digits: left out, there is no such file\n" in capsys.readouterr().out


def test_runs_without_evidence_are_left_out(reference, capsys):
    groups = read_groups(reference / "table1", "table1", loss=["KL", "rKL", "GJS"])
    group = only(with_evidence(groups))
    assert [run.config.loss for run in group.runs] == ["GJS", "GJS", "KL"]
    assert "digits, gaussian: no evidence from 2 samples: rKL\n" in capsys.readouterr().out
    assert read_run(group.runs[0].folder.path).evaluation["test"]["evidence"]["importance_samples"] == 2


def test_evidence_is_compared_from_the_same_number_of_samples(reference, tmp_path, capsys):
    folder = shutil.copytree(reference / "table1", tmp_path / "table1")
    path = folder / "dataset-digits_rec-dist-gaussian_loss-KL" / EVALUATION
    path.write_text(path.read_text().replace('"importance_samples": 2', '"importance_samples": 3'))
    group = only(with_evidence(read_groups(folder, "table1", loss=["KL", "GJS"])))
    assert [run.config.loss for run in group.runs] == ["GJS", "GJS"]
    assert "no evidence from 2 samples: KL\n    the command above makes it" in capsys.readouterr().out
