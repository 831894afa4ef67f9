"""The table that the command of a grid ends with."""

import json

import pytest

from utils.grids.duration import Forecast
from utils.grids.saved import saved_runs
from utils.grids.tally import Tally, summary
from utils.runs.config import RunConfig
from utils.runs.folder import EVALUATION
from utils.runs.runtime import Runtime
from written_runs import write_grid

ERRORS = {"KL": 14.11, "rKL": 19.38, "AE": 10.5}


def test_each_run_has_a_line_and_the_best_of_each_data_set_is_marked(tmp_path):
    write_grid(tmp_path, lambda config: ERRORS[config.loss], loss=["KL", "rKL"], dataset=["digits", "mnist"])
    head, *lines = summary(saved_runs(tmp_path)).splitlines()
    assert head.split("  ")[0] == "run" and "squared error" in head and "KL(q‖p)" in head
    assert [line.split()[0] for line in lines] == [run.folder.path.name for run in saved_runs(tmp_path)]
    marked = [line.split()[0] for line in lines if "*" in line]
    assert marked == ["dataset-digits_loss-KL", "dataset-mnist_loss-KL"]
    assert len({line.index(".") for line in lines}) == 1, "numbers stand below each other"


def test_a_run_has_its_kl_divergence_where_it_was_measured(tmp_path):
    write_grid(tmp_path, lambda config: 10.0, loss=["KL", "AE"], dataset="digits")
    file = tmp_path / "loss-KL" / EVALUATION
    measured = {"squared_error": 10.0, "elbo": -30.0, "reconstruction": 10.0, "divergence": 20.0}
    file.write_text(json.dumps({"test": measured, "train": measured}))
    (line,) = (line for line in summary(saved_runs(tmp_path)).splitlines() if line.startswith("loss-KL"))
    assert line.split() == ["loss-KL", "10.00", "*", "20", "20"]


@pytest.mark.parametrize(
    ("queue", "told"),
    [("", "killed, for want of memory perhaps"), (", once there is room", "see the cluster's own log")],
)
def test_a_run_that_is_lost_is_told_with_where_to_look(queue, told, tmp_path, capsys):
    config = RunConfig.from_flags("exp", {"loss": "KL"})
    tally = Tally([config], Runtime(results_dir=tmp_path), None, queue, Forecast({"exp": 1.0}))
    tally.add(config, None)
    assert tally.failed == ["exp"]
    assert capsys.readouterr().out.rstrip().endswith(told)


def test_a_run_that_has_not_ended_is_left_out(tmp_path):
    write_grid(tmp_path, lambda config: 10.0, loss=["KL", "AE"], dataset="digits")
    file = tmp_path / "loss-AE" / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "ended_after": None}))
    assert "loss-AE" not in summary(saved_runs(tmp_path))
