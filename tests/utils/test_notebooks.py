"""What notebooks start from: a run that is there, or one made once."""

import pytest
import torch

from utils.notebooks import load_or_run
from utils.runs.config import RunConfig
from utils.runs.runtime import Interrupted
from vae.training.trainer import Trainer

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


def test_a_run_that_was_interrupted_goes_on(tmp_path, monkeypatch):
    config = RunConfig.from_flags("short", {"loss": "KL", **SMALL, "epochs": 2})
    whole = load_or_run("long", otherwise=config, results_dir=tmp_path / "whole", draw=None)
    train_epoch = Trainer.train_epoch

    def interrupted(trainer):
        if trainer.epoch == 1:
            raise KeyboardInterrupt
        return train_epoch(trainer)

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(Trainer, "train_epoch", interrupted)
        load_or_run("long", otherwise=config, results_dir=tmp_path, draw=None)
    assert load_or_run("long", otherwise=config, results_dir=tmp_path, draw=None).evaluation == whole.evaluation
