"""The table of quantities has the numbers of the files, a row for each configuration."""

import json
import shutil
from statistics import median

from saved_groups import change, only
from utils.results.quantities import QUANTITIES, quantities_table
from utils.results.reading import read_groups
from utils.runs.folder import EVALUATION, METRICS
from vae.evaluation.statistics import Estimate
from written_runs import EVIDENCE, write_grid

PREFIX = "dataset-digits_rec-dist-gaussian_loss-"


def rows_of(table):
    """The rows by their first cell, each a dictionary by column."""
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {row[0]: dict(zip(head, row, strict=True)) for row in rows}


def test_each_configuration_has_its_numbers(reference):
    folder = reference / "zoo"
    rows = rows_of(quantities_table(only(read_groups(folder, "zoo", over="latent_dim"))))
    assert list(rows) == ["KL", "betaH β = 1", "betaH β = 4", "betaH β = 16", "VR α = 0.5", "CatVAE"]
    test = json.loads((folder / f"{PREFIX}betaH_seed-1_betaH-B-4" / EVALUATION).read_text())["test"]
    lines = (folder / f"{PREFIX}betaH_seed-1_betaH-B-4" / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    taken = median(record["seconds"] for record in records if record["split"] == "train")
    assert rows["betaH β = 4"] == {
        "objective": "betaH β = 4",
        "squared error": f"{test['squared_error']:.2f}",
        "KL(q‖p), nats": f"{-test['elbo'] - test['reconstruction']:.2f}",
        "log p(x), nats": f"{test['evidence']['mean']:.1f}",
        "active units": str(test["active_units"]),
        "distance of q(z) from p(z)": f"{test['aggregate_distance']:.3f}",
        "seconds an epoch": f"{taken:.1f}",
    }


def test_seeds_stand_together_with_their_interval_and_what_was_not_measured_has_no_column(reference, tmp_path):
    folder = shutil.copytree(reference / "zoo", tmp_path / "zoo")
    shutil.copytree(folder / f"{PREFIX}KL_seed-1", folder / "another")
    change(folder / "another", seed=2)
    errors = {}
    for number, place in enumerate((folder / f"{PREFIX}KL_seed-1", folder / "another"), start=1):
        evaluation = json.loads((place / EVALUATION).read_text())
        evaluation["test"]["squared_error"] = errors[number] = 10.0 + number
        (place / EVALUATION).write_text(json.dumps(evaluation))
    for path in folder.glob(f"*/{EVALUATION}"):
        evaluation = json.loads(path.read_text())
        del evaluation["test"]["aggregate_distance"]
        path.write_text(json.dumps(evaluation))
    rows = rows_of(quantities_table(only(read_groups(folder, "zoo", over="latent_dim"))))
    half = Estimate(errors).half_width
    assert (rows["KL"]["squared error"], rows["KL"]["seeds"]) == (f"11.50 ± {half:.2f}", "2")
    assert rows["VR α = 0.5"]["seeds"] == "1"
    assert rows["KL"].keys() == {
        "objective",
        "seeds",
        *(one.title for one in QUANTITIES if "distance" not in one.title),
    }


def test_what_a_run_has_not_measured_is_none(reference):
    (run,) = only(read_groups(reference / "table1", "table1")).of("rKL")
    missing = [one.title for one in QUANTITIES if one.of(run) is None]
    assert missing == ["log p(x), nats", "distance of q(z) from p(z)"]


def test_the_evidence_in_a_table_is_by_as_many_draws_everywhere(tmp_path):
    write_grid(tmp_path / "exp", lambda c: 1.0, loss=["KL", "AE", "rKL"], dataset="digits")
    for loss, draws in (("KL", 100), ("AE", 1), ("rKL", 100)):
        run = tmp_path / "exp" / f"loss-{loss}"
        test = {"squared_error": 1.0, "evidence": EVIDENCE | {"importance_samples": draws}}
        change(run, EVALUATION, test=test)
        (run / METRICS).write_text('{"epoch": 1, "step": 1, "split": "train", "loss": 1.0, "seconds": 1.0}\n')
    rows = rows_of(quantities_table(only(read_groups(tmp_path / "exp", loss=["KL", "AE", "rKL"], dataset="digits"))))
    assert {label: row["log p(x), nats"] for label, row in rows.items()} == {"KL": "-98.5", "rKL": "-98.5", "AE": ""}
