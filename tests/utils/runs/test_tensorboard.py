"""Scalars for TensorBoard: what metrics.jsonl has, each point once."""

import json

import pytest

from utils.runs.config import RunConfig
from utils.runs.folder import EVENTS, METRICS, ResultsError, ResultsFolder
from utils.runs.run import resume, run
from utils.runs.runtime import Runtime
from utils.runs.tensorboard import write_scalars

pytest.importorskip("tensorboard", reason="TensorBoard is optional: pip install tensorboard")

SMALL = {"dataset": "digits", "loss": "tGJS", "latent_dim": 3, "batch_size": 8, "train_size": 20, "test_size": 8}


@pytest.fixture
def runtime(tmp_path):
    return Runtime(results_dir=tmp_path, device="cpu", progress_bar=False, tensorboard=True)


def points_of_tensorboard(folder):
    """Every point as TensorBoard reads it: (name, split, step) and value, in their order."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    events = list(EventFileLoader(str(folder / EVENTS)).Load())
    assert [event.file_version for event in events if event.file_version] == ["brain.Event:2"]
    return [
        (*value.tag.split("/"), event.step, value.tensor.float_val[0])
        for event in events
        for value in event.summary.value
    ]


def points_of_metrics(folder):
    records = [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]
    return [
        (name, record["split"], record["step"], pytest.approx(value, rel=1e-6))
        for record in records
        for name, value in record.items()
        if name not in ("epoch", "step", "split")
    ]


def test_scalars_are_those_of_metrics(runtime):
    run(RunConfig.from_flags("exp", {"epochs": 2, "evaluate_every": 1, **SMALL}), runtime)
    points = points_of_tensorboard(runtime.results_dir / "exp")
    assert points == points_of_metrics(runtime.results_dir / "exp")
    assert {("loss", "train"), ("squared_error", "test"), ("alpha", "train")} <= {point[:2] for point in points}


def test_a_line_from_before_there_were_steps_stands_at_its_epoch(tmp_path):
    write_scalars(ResultsFolder(tmp_path), [{"epoch": 2, "split": "train", "loss": 0.5}], afresh=True)
    assert points_of_tensorboard(tmp_path) == [("loss", "train", 2, 0.5)]


def test_a_run_that_goes_on_has_each_point_once(runtime, monkeypatch):
    """It breaks off after a line of metrics that the checkpoint does not know of, and in the middle of a point."""
    folder = runtime.results_dir / "exp"
    with monkeypatch.context() as patch:
        patch.setattr(ResultsFolder, "save_checkpoint", lambda folder, state: (_ for _ in ()).throw(KeyError("crash")))
        with pytest.raises(KeyError, match="crash"):
            run(RunConfig.from_flags("exp", {"epochs": 2, **SMALL}), runtime)
    (folder / EVENTS).write_bytes((folder / EVENTS).read_bytes()[:-7])
    resume("exp", {}, runtime)
    resume("exp", {"epochs": 3}, runtime)
    points = points_of_tensorboard(folder)
    assert points == points_of_metrics(folder)
    assert [step for name, _, step, _ in points if name == "loss"] == [3, 6, 9]


def test_a_run_may_begin_without_and_a_new_one_keeps_nothing_of_the_old(runtime):
    folder = runtime.results_dir / "exp"
    plain = Runtime(results_dir=runtime.results_dir, device="cpu", progress_bar=False)
    run(RunConfig.from_flags("exp", {"epochs": 1, **SMALL}), plain)
    assert not (folder / EVENTS).exists()
    resume("exp", {"epochs": 2}, runtime)
    assert points_of_tensorboard(folder) == points_of_metrics(folder)
    run(RunConfig.from_flags("exp", {"epochs": 1, **SMALL}), plain, overwrite=True)
    assert not (folder / EVENTS).exists()


def test_a_file_that_cannot_be_written_is_named(runtime, monkeypatch):
    monkeypatch.setattr(ResultsFolder, "clear", lambda folder: (folder / EVENTS).mkdir())
    with pytest.raises(ResultsError, match=f"cannot write .*{EVENTS} .Is a directory"):
        run(RunConfig.from_flags("exp", {"epochs": 1, **SMALL}), runtime)


def test_a_link_under_the_name_of_the_scalars_leads_nowhere(runtime, tmp_path):
    run(RunConfig.from_flags("exp", {"epochs": 1, **SMALL}), runtime)
    folder = runtime.results_dir / "exp"
    (tmp_path / "precious").write_text("mine")
    (folder / EVENTS).unlink()
    (folder / EVENTS).symlink_to(tmp_path / "precious")
    resume("exp", {"epochs": 2}, runtime)
    assert (tmp_path / "precious").read_text() == "mine"
    assert points_of_tensorboard(folder) == points_of_metrics(folder)
