"""Notebooks start from runs; the notebooks themselves run from end to end, on data that come with a package."""

from pathlib import Path

import pytest
import torch

from utils.config import RunConfig
from utils.experiment import Job
from utils.notebooks import load_or_run

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
SIZES = {"train_size": 20, "test_size": 10, "epochs": 1}
SMALL = {"dataset": "digits", **SIZES}
RUNS = {  # of each notebook
    "infocatvae": [RunConfig("infocatvae", loss="InfoCatVAE", **SMALL)],
    "infovae": [
        RunConfig("mixture2d-infovae", dataset="mixture2d", loss="InfoVAE", **SIZES),
        RunConfig("mixture2d-kl", dataset="mixture2d", loss="KL", **SIZES),
        RunConfig("digits-infovae", loss="InfoVAE", latent_dim=2, **SMALL),
    ],
}


def test_a_run_is_made_once_and_another_comes_first_where_it_is_there(monkeypatch, tmp_path):
    monkeypatch.setattr(Job, "draw", lambda job: None)
    config = RunConfig("short", loss="CatVAE", loss_options={"classes": 3}, **SMALL)
    first = load_or_run("long", otherwise=config, results_dir=tmp_path)
    assert first.config == config
    assert first.evaluation["test"]["used_classes"] <= 3
    assert len(first.test) == len(first.test.labels) == 10
    model_file = tmp_path / "short" / "model.pt"
    written = model_file.stat().st_mtime_ns
    again = load_or_run("long", otherwise=config, results_dir=tmp_path)
    assert model_file.stat().st_mtime_ns == written
    z = torch.zeros(1, 6)
    assert again.model.decode(z).equal(first.model.decode(z))
    (tmp_path / "short").rename(tmp_path / "long")
    assert load_or_run("long", otherwise=config, results_dir=tmp_path).config == config
    assert not (tmp_path / "short").exists()


@pytest.mark.parametrize("notebook", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_the_code_of_a_notebook_runs(notebook, monkeypatch, tmp_path):
    """Its cells, one after the other, beside runs of one epoch on a few examples, which they take for theirs."""
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("IPython")
    monkeypatch.chdir(tmp_path)
    for config in RUNS[notebook.stem]:
        load_or_run(config.experiment, otherwise=config)
    names = {}
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "code":
            lines = [line for line in cell.source.splitlines() if not line.startswith("%")]
            exec("\n".join(lines), names)
    assert {path.name for path in Path("results").iterdir()} == {config.experiment for config in RUNS[notebook.stem]}
