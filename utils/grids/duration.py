"""How long runs take on this machine, from a timed stretch of training before they begin. It goes into no result.

What a run has to do is counted in images that it trains on. A training step on an image takes three passes through the
networks, evaluation one, and a draw of the evidence less than half of one, because it needs little of the encoder.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter

import torch

from utils.datasets import Dataset
from utils.runs.config import RunConfig
from vae.evaluation.evidence import MOST_IMAGES
from vae.saved import build
from vae.training.trainer import Reporter, Trainer

SECONDS = 2.0  # that the stretch lasts
BATCHES = 200  # that it has at most
EVALUATED = 1 / 3  # of the time of an image that is trained on
DRAWN = 1 / 8  # the same, of a draw of the evidence
FURTHER = 5.0  # seconds of a run besides: its start, files and pictures
SMALLEST = 16 * 16  # values of an image: a run on fewer, as vectors have, is taken to be as long


class TimeUp(Exception):
    """The stretch has lasted long enough."""


class Stopwatch(Reporter):
    """Counts images from the end of the first step on, which is slower than others, for so many seconds."""

    def __init__(self, seconds: float):
        self.until, self.images, self.begun, self.ended = seconds, 0, math.inf, math.inf

    def advance(self, images: int) -> None:
        self.ended = perf_counter()
        if self.begun == math.inf:
            self.begun = self.ended
            return
        self.images += images
        if self.ended - self.begun > self.until:
            raise TimeUp

    @property
    def images_per_second(self) -> float:
        """How many images a second has been enough for; infinite if there was no more than a step."""
        return self.images / (self.ended - self.begun) if self.images else math.inf


def images_per_second(config: RunConfig, train: Dataset, threads: int, seconds: float = SECONDS) -> float:
    """How fast such a run trains on the CPU with so many threads: a model that is thrown away, for some seconds."""
    before, watch = torch.get_num_threads(), Stopwatch(seconds)
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[]):
            model, loss = build(config, train.image_shape, len(train))
            images = train.data.index_select(0, torch.arange(min(len(train), BATCHES * config.batch_size)))
            Trainer(model, loss, images, config.training(compiled=False), reporter=watch).train_epoch()
    except TimeUp:
        pass
    finally:
        torch.set_num_threads(before)
    return watch.images_per_second


def size_of(data: Dataset) -> int:
    """The values of an image, by which the work on it grows."""
    return max(SMALLEST, math.prod(data.image_shape))


@dataclass
class Forecast:
    """What the runs of a sweep have to do, and how long that takes."""

    work: dict[str, float] = field(default_factory=dict)  # by the name of a run, in values of images that it trains on
    first: tuple[RunConfig, Dataset] | None = None  # a run, and what it trains on, until that is timed
    begun: dict[str, float] = field(default_factory=dict)  # when, by the name of a run
    took: dict[str, float] = field(default_factory=dict)  # how many seconds, by the name of a run that has ended

    def add(self, configs: Sequence[RunConfig], splits: dict[str, Dataset]) -> None:
        """Take up runs that share their data."""
        train, test = (len(splits[name]) for name in ("train", "test"))
        for config in configs:
            evidence = DRAWN * min(test, MOST_IMAGES) * config.importance_samples
            images = train * config.epochs + EVALUATED * (train + test) + evidence
            self.work[config.experiment] = images * size_of(splits["train"])
            self.first = self.first or (config, splits["train"])

    def seconds(self, jobs: int) -> float:
        """How long all take on the CPU, so many at a time: by a stretch of the first, on the threads of a job."""
        config, train = self.first
        speed = images_per_second(config, train, max(1, torch.get_num_threads() // jobs))
        work = sum(self.work.values()) / size_of(train)
        return (work / speed + FURTHER * len(self.work)) / min(jobs, len(self.work))

    def start(self, name: str) -> None:
        """A run begins."""
        self.begun[name] = perf_counter()

    def end(self, name: str, *, succeeded: bool) -> None:
        """It has ended. One that failed says nothing of the others."""
        if succeeded:
            self.took[name] = perf_counter() - self.begun[name]
        else:
            del self.work[name]

    def left(self, side_by_side: int) -> float | None:
        """How many seconds are left, so many runs at a time, if the others go as those that have ended; None before."""
        if not self.took:
            return None
        training = sum(max(0.0, seconds - FURTHER) for seconds in self.took.values())
        pace = training / sum(self.work[name] for name in self.took)
        now = perf_counter()
        rest = [
            max(0.0, FURTHER + pace * work - (now - self.begun.get(name, now)))
            for name, work in self.work.items()
            if name not in self.took
        ]
        return max(sum(rest) / side_by_side, *rest, 0.0)
