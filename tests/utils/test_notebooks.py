"""What notebooks start from: a run that is there, or one made once."""

import torch

from utils.notebooks import load_or_run
from utils.runs.config import RunConfig

SMALL = {"dataset": "digits", "train_size": 20, "test_size": 10, "epochs": 1}


def test_a_run_is_made_once_and_another_comes_first_where_it_is_there(tmp_path):
    config = RunConfig.from_flags("short", {"loss": "CatVAE", "classes": 3, **SMALL})
    first = load_or_run("long", otherwise=config, results_dir=tmp_path, draw=None)
    assert first.config == config
    assert first.evaluation["test"]["used_classes"] <= 3
    assert len(first.test) == len(first.test.labels) == 10
    model_file = tmp_path / "short" / "model.pt"
    written = model_file.stat().st_mtime_ns
    again = load_or_run("long", otherwise=config, results_dir=tmp_path, draw=None)
    assert model_file.stat().st_mtime_ns == written
    z = torch.zeros(1, 6)
    assert again.model.decode(z).equal(first.model.decode(z))
    (tmp_path / "short").rename(tmp_path / "long")
    assert load_or_run("long", otherwise=config, results_dir=tmp_path, draw=None).config == config
    assert not (tmp_path / "short").exists()
