"""The training loop."""

from collections.abc import Iterator
from itertools import chain
from math import ceil
from operator import index
from typing import Any

import torch
from torch import Tensor

from vae.inputs import add_noise, check_examples, to_network
from vae.losses import Objective
from vae.means import Means, NonFiniteError
from vae.models import VAE
from vae.random import seed_everything
from vae.states import load_averages, load_tensors_of
from vae.training.position import Position
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

    Raises ValueError for no data, for data of another shape, or that are neither bytes nor of the model's own type, for
    images with numbers outside of [0, 1], and for a model that the loss is not for; training, for noise on vectors.
    """

    def __init__(
        self,
        model: VAE,
        loss: Objective,
        data: Tensor,
        settings: TrainingSettings,
        *,
        reporter: Reporter | None = None,
    ):
        check_examples(data, model)
        loss.check_model(model)
        self.model, self.loss, self.data, self.settings = model, loss, data, settings
        self.reporter = reporter or Reporter()
        self.model.mixed_precision = settings.precision == "bf16"
        if settings.compile:  # PyTorch counts what it has compiled of other runs too, and compiles no more after eight
            torch.compiler.reset()
        loss.warmup = settings.warmup
        loss.steps.zero_()  # what grows begins anew, also of an objective that was trained before
        parameters = [*model.parameters(), *loss.trained_parameters()]
        steps = settings.epochs * ceil(len(data) / settings.batch_size)
        self.take_step = OptimizerStep(self.terms, parameters, settings, steps)
        self.epoch = 0  # epochs done
        self.step = 0  # optimiser steps done in them
        self.position: Position | None = None  # in an epoch that has begun

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        return self.take_step.optimizer

    @property
    def compiled(self) -> bool:
        """Whether steps are compiled, and compiling has not failed yet."""
        return self.take_step.compiled

    def train(self, epochs: int | None = None) -> Iterator[dict[str, float]]:
        """Train until so many epochs are done, those of the settings unless told, and yield the record of each.

        A record holds `epoch`, `step`, the means over the epoch of the loss's terms, `seconds` from the first batch
        to the last, and `images_per_second`. Raises NonFiniteError for a term that is not finite, within 50
        steps and by the epoch's end; the model is then beyond use, and the last record the last good one.
        """
        while self.epoch < (self.settings.epochs if epochs is None else epochs):
            yield self.train_epoch()

    def train_epoch(self) -> dict[str, float]:
        """Train on every image once, in a new order, and return the epoch's record; or on the rest of one begun.

        Of one begun, the batch in whose step KeyboardInterrupt came may be taken a second time.
        """
        seed_everything(self.settings.seed, self.epoch + 1)
        self.model.train()
        self.loss.train()
        batch_size = self.settings.batch_size
        order = torch.randperm(len(self.data)).to(self.data.device)
        position = self.position = self.position or Position(self.data.device)
        position.go_on()
        means = position.means
        self.reporter.start_epoch(self.epoch + 1, len(self.data))
        if means.count:
            self.reporter.advance(means.count)
        try:
            for chosen in order.split(batch_size)[means.batches :]:
                images = to_network(self.data.index_select(0, chosen))
                inputs = add_noise(images, self.settings.noise)
                terms = self.take_step(images, inputs, full=len(images) == batch_size)
                self.loss.step_taken()
                means.add(terms, len(images))
                if means.batches % CHECK_EVERY == 0:
                    means.check(self.epoch + 1, self.step)
                self.reporter.advance(len(images))
            self.check_finite(means)
        except BaseException:  # Ctrl-C in a notebook, where training may go on from here
            position.leave()
            raise
        finally:
            self.reporter.end_epoch()
        return self.end_epoch(means, means.batches, position.seconds)

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
        self.position = None
        self.take_step.set_steps_done(self.step)
        return {
            "epoch": self.epoch,
            "step": self.step,
            **means.values(),
            "seconds": seconds,
            "images_per_second": means.count / seconds,
        }

    def state_dict(self) -> dict[str, Any]:
        """All that training goes on from, between epochs or between two batches of one."""
        state = {
            "epoch": self.epoch,
            "step": self.step,
            "model": self.model.state_dict(),
            "loss": self.loss.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        within = self.position is not None and self.position.means.batches > 0
        return state | ({"position": self.position.state_dict()} if within else {})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from such a state.

        Raises AttributeError, LookupError, RuntimeError, TypeError or ValueError if it is of another.

        What is not trained, the learning rate say, is as the settings have it, whatever the state says.
        """
        self.load_position(state)
        load_tensors_of(self.model, state["model"])
        load_tensors_of(self.loss, state["loss"])
        load_averages(self.optimizer, state["optimizer"])
        done = self.step + (self.position.means.batches if self.position else 0)
        self.loss.steps.fill_(done)
        self.take_step.set_steps_done(done)

    def load_position(self, state: dict[str, Any]) -> None:
        """Stand where a state was left. Raises ValueError for a number of steps that these data do not take."""
        self.epoch, self.step, self.position = index(state["epoch"]), index(state["step"]), None
        batch_size, images = self.settings.batch_size, len(self.data)
        if self.epoch < 0 or self.step != self.epoch * ceil(images / batch_size):
            raise ValueError(f"{self.step} steps are not those of {self.epoch} epochs")
        if "position" in state:
            self.position = Position(self.data.device)
            self.position.load_state_dict(state["position"])
            means = self.position.means
            if means.batches < 1 or means.count != min(means.batches * batch_size, images):
                raise ValueError(f"{means.count} images are not those of {means.batches} batches")
