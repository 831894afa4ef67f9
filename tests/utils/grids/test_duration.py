"""How long runs take: counted, timed by a stretch, and by what has ended. No clock decides a test."""

import math

import pytest
import torch

from utils.datasets import load_dataset
from utils.grids import duration
from utils.grids.duration import DRAWN, EVALUATED, FURTHER, Forecast, Stopwatch, TimeUp, images_per_second, in_words
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
        assert forecast.first is None, "the data are let go"


def test_what_is_left_goes_as_what_was_done(splits, clock):
    forecast = Forecast()
    forecast.add(configurations({**SMALL, "loss": ["KL", "rKL", "MMD", "AE"]}), splits)
    forecast.start()
    clock[0] += 60
    assert forecast.left(["loss-KL"]) == pytest.approx(180)
    assert forecast.left(["loss-KL", "loss-rKL", "loss-MMD"]) == pytest.approx(20)


@pytest.mark.parametrize(
    "seconds, words",
    [
        (0.2, "1 seconds"),
        (59, "59 seconds"),
        (89, "89 seconds"),
        (100, "2 minutes"),
        (5000, "83 minutes"),
        (9000, "2 hours"),
    ],
)
def test_durations_are_told_in_words(seconds, words):
    assert in_words(seconds) == f"about {words}"
