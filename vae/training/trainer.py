"""The training loop."""

from collections.abc import Iterator
from itertools import chain
from operator import index
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from vae.inputs import add_noise, check_range, to_network
from vae.losses import Loss
from vae.means import Means, NonFiniteError
from vae.models import VAE
from vae.random import seed_everything
from vae.training.settings import TrainingSettings
from vae.training.step import OptimizerStep

CHECK_EVERY = 50  # steps between looks at the terms; each look waits for the device


class Reporter:
    """Is told of the progress within an epoch. This one keeps it to itself."""

    def start_epoch(self, epoch: int, images: int) -> None:
        """Epoch `epoch`, counted from 1, begins; it has so many images."""

    def advance(self, images: int) -> None:
        """So many more images have been trained on."""

    def end_epoch(self) -> None:
        """The epoch is over, by its end or by an exception."""


class Trainer:
    """Trains a model and its loss, one epoch at a time.

    Arguments:
        model, loss: on the device to train on; what the loss learns is trained with the model.
        data: images (N, C, H, W), bytes 0..255 or numbers in [0, 1]: a tensor, or what has a shape, a dtype and
            `index_select` as one; or vectors (N, D), numbers. On that device.
        settings: see TrainingSettings.
        reporter: is told of the progress within an epoch.

    Raises ValueError for images with numbers outside of [0, 1].
    """

    def __init__(
        self,
        model: VAE,
        loss: Loss,
        data: Tensor,
        settings: TrainingSettings,
        *,
        reporter: Reporter | None = None,
    ):
        check_range(data)
        self.model, self.loss, self.data, self.settings = model, loss, data, settings
        self.reporter = reporter or Reporter()
        self.model.mixed_precision = settings.precision == "bf16"
        if settings.compile:  # PyTorch counts what it has compiled of other runs too, and compiles no more after eight
            torch.compiler.reset()
        self.take_step = OptimizerStep(self.terms, chain(model.parameters(), loss.trained_parameters()), settings)
        self.epoch = 0  # epochs done
        self.step = 0  # optimiser steps done

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        return self.take_step.optimizer

    @property
    def compiled(self) -> bool:
        """Whether steps are compiled, and compiling has not failed yet."""
        return self.take_step.compiled

    def train(self, epochs: int) -> Iterator[dict[str, float]]:
        """Train until `epochs` epochs are done, and yield the record of each as it ends.

        A record holds `epoch`, `step`, the means over the epoch of the loss's terms, `seconds` from the first batch
        to the last, and `images_per_second`. Raises NonFiniteError as soon as a term is not finite, at the latest
        50 steps on or at the epoch's end; the model is then beyond use, and the last record the last good one.
        """
        while self.epoch < epochs:
            yield self.train_epoch()

    def train_epoch(self) -> dict[str, float]:
        """Train on every image once, in a new order, and return the epoch's record."""
        seed_everything(self.settings.seed, self.epoch + 1)
        self.model.train()
        self.loss.train()
        means, batch_size = Means(), self.settings.batch_size
        self.reporter.start_epoch(self.epoch + 1, len(self.data))
        start = perf_counter()
        try:
            order = torch.randperm(len(self.data)).to(self.data.device)
            for batch, chosen in enumerate(order.split(batch_size), start=1):
                images = to_network(self.data.index_select(0, chosen))
                inputs = add_noise(images, self.settings.noise)
                terms = self.take_step(images, inputs, full=len(images) == batch_size)
                self.loss.after_step()
                means.add(terms, len(images))
                if batch % CHECK_EVERY == 0:
                    means.check(self.epoch + 1, self.step)
                self.reporter.advance(len(images))
            self.check_finite(means)
        finally:
            self.reporter.end_epoch()
        return self.end_epoch(means, batch, perf_counter() - start)

    def terms(self, images: Tensor, inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """What is minimised of a batch, of which the model sees the inputs, and all terms by name."""
        terms = self.loss(self.model, images, inputs)
        return terms.total, terms.named()

    def check_finite(self, means: Means) -> None:
        """Raise NonFiniteError if a term of the epoch, or what its last step has made of a parameter, is not finite."""
        means.check(self.epoch + 1, self.step)
        for name, parameter in chain(self.model.named_parameters(), self.loss.named_parameters()):
            if not torch.isfinite(parameter).all():
                raise NonFiniteError(f"the parameter {name} is not finite at the end of epoch {self.epoch + 1}")

    def end_epoch(self, means: Means, steps: int, seconds: float) -> dict[str, float]:
        """Count an epoch of so many steps as done, and return its record."""
        self.epoch += 1
        self.step += steps
        return {
            "epoch": self.epoch,
            "step": self.step,
            **means.values(),
            "seconds": seconds,
            "images_per_second": means.count / seconds,
        }

    def state_dict(self) -> dict[str, Any]:
        """All that training goes on from, between epochs."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            "model": self.model.state_dict(),
            "loss": self.loss.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from such a state. Raises KeyError, RuntimeError, TypeError or ValueError if it is of another."""
        self.model.load_state_dict(state["model"])
        self.loss.load_state_dict(state["loss"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.step = index(state["epoch"]), index(state["step"])
