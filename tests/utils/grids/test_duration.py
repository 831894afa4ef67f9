"""How long runs take: counted, timed by a stretch, and by what has ended. No clock decides a test."""

import math

import pytest
import torch

from utils.datasets import load_dataset
from utils.grids import duration
from utils.grids.duration import DRAWN, EVALUATED, FURTHER, Forecast, Stopwatch, TimeUp, images_per_second
from utils.grids.grid import configurations
from utils.runs.config import RunConfig

SMALL = {"dataset": "digits", "train_size": 40, "test_size": 10, "batch_size": 8, "epochs": 3}


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    now = [100.0]
    monkeypatch.setattr(duration, "perf_counter", lambda: now[0])
    return now


@pytest.fixture
def splits(tmp_path):
    return {split: load_dataset("digits", split, tmp_path, size) for split, size in (("train", 40), ("test", 10))}


def test_a_stretch_counts_from_the_end_of_the_first_step(clock):
    watch = Stopwatch(seconds=2)
    for now in (150.0, 151.0, 152.0):
        clock[0] = now
        watch.advance(64)
    assert watch.images_per_second == 64
    clock[0] = 152.5
    with pytest.raises(TimeUp):
        watch.advance(64)
    assert watch.images_per_second == 3 * 64 / 2.5


def test_of_a_single_step_nothing_can_be_said(clock):
    watch = Stopwatch(seconds=2)
    watch.advance(64)
    assert watch.images_per_second == math.inf


def test_the_stretch_leaves_random_numbers_and_threads_as_they_were(splits):
    config = RunConfig.from_flags("exp", SMALL)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    assert images_per_second(config, splits["train"], threads=1) > 0
    assert torch.rand(1) == expected and torch.get_num_threads() == threads


def test_what_runs_have_to_do_is_training_evaluation_and_evidence(splits):
    forecast = Forecast()
    configs = configurations({**SMALL, "loss": ["KL", "rKL"]})
    forecast.add([configs[0]], splits)
    with_evidence = configurations({**SMALL, "loss": ["MMD"], "importance_samples": 20})
    forecast.add(with_evidence, splits)
    images = {name: work / (32 * 32) for name, work in forecast.work.items()}
    assert images == pytest.approx(
        {
            "loss-KL": 40 * 3 + EVALUATED * 50,
            "loss-MMD": 40 * 3 + EVALUATED * 50 + DRAWN * 10 * 20,
        }
    )


def test_runs_side_by_side_take_their_share_of_the_time(splits, monkeypatch):
    asked = []
    monkeypatch.setattr(duration, "images_per_second", lambda config, train, threads: asked.append(threads) or 10.0)
    threads = torch.get_num_threads()
    each = (40 * 3 + EVALUATED * 50) / 10 + FURTHER
    for jobs, expected in ((1, 2 * each), (2, each), (8, each)):
        forecast = Forecast()
        forecast.add(configurations({**SMALL, "loss": ["KL", "rKL"]}), splits)
        assert forecast.seconds(jobs) == pytest.approx(expected)
        assert asked.pop() == max(1, threads // jobs)


@pytest.fixture
def forecast(splits):
    """That of five runs that have as much to do."""
    forecast = Forecast()
    forecast.add(configurations({**SMALL, "seed": [0, 1, 2, 3, 4]}), splits)
    return forecast


def test_what_is_left_goes_as_what_was_done(forecast, clock):
    assert forecast.left(1) is None
    forecast.start("seed-0")
    clock[0] += 60
    forecast.end("seed-0", succeeded=True)
    assert forecast.left(1) == pytest.approx(240)
    forecast.start("seed-1")
    clock[0] += 20
    assert forecast.left(1) == pytest.approx(220)


def test_what_runs_at_work_have_done_is_not_left(forecast, clock):
    """Of five runs of a minute, two at a time, the first has ended: the second is about to, and the others need two."""
    forecast.start("seed-0")
    forecast.start("seed-1")
    clock[0] += 60
    forecast.end("seed-0", succeeded=True)
    assert forecast.left(2) == pytest.approx(90)
    forecast.end("seed-1", succeeded=True)
    forecast.start("seed-2")
    forecast.start("seed-3")
    forecast.start("seed-4")
    clock[0] += 50
    assert forecast.left(3) == pytest.approx(10)


def test_the_last_run_takes_its_time_however_many_could_be_at_work(forecast, clock):
    for seed in range(4):
        forecast.start(f"seed-{seed}")
    clock[0] += 60
    for seed in range(4):
        forecast.end(f"seed-{seed}", succeeded=True)
    assert forecast.left(4) == pytest.approx(60)


def test_a_run_that_failed_at_once_does_not_make_the_others_look_short(forecast, clock):
    for seed, seconds, succeeded in ((0, 1, False), (1, 60, True)):
        forecast.start(f"seed-{seed}")
        clock[0] += seconds
        forecast.end(f"seed-{seed}", succeeded=succeeded)
    assert forecast.left(1) == pytest.approx(180)


def test_what_a_run_takes_besides_training_does_not_grow_with_the_data(forecast, splits, clock):
    """Starting takes as long: of 7 seconds of a run 2 are of training, which are 400 with 200 times the images."""
    more = configurations({**SMALL, "loss": ["KL", "rKL"]})
    forecast.add(more, splits)
    for config in more:
        forecast.work[config.experiment] = 200 * forecast.work["seed-0"]
    forecast.start("seed-0")
    clock[0] += FURTHER + 2
    forecast.end("seed-0", succeeded=True)
    assert forecast.left(1) == pytest.approx(4 * (FURTHER + 2) + 2 * (FURTHER + 400))


def test_vectors_are_no_small_part_of_an_image(splits, tmp_path):
    vectors = {name: load_dataset("mixture2d", name, tmp_path, len(split)) for name, split in splits.items()}
    forecast = Forecast()
    forecast.add(configurations({**SMALL, "dataset": "mixture2d", "loss": ["KL", "rKL"]}), vectors)
    forecast.add(configurations({**SMALL, "loss": ["AE", "MMD"]}), splits)
    assert forecast.work["loss-AE"] / forecast.work["loss-KL"] == 4
