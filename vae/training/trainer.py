"""The training loop."""

from collections.abc import Callable, Iterator
from itertools import chain
from operator import index
from time import perf_counter
from typing import Any, Protocol

import torch
from torch import Tensor

from vae.distributed import average_gradients
from vae.inputs import add_noise, to_network
from vae.losses import Loss, LossTerms
from vae.means import Means, NonFiniteError
from vae.models import VAE
from vae.random import seed_everything
from vae.training.compiled import compile_for_one_shape, compiled_or_plain

CHECK_EVERY = 50  # steps between looks at the terms; each look waits for the device


class Reporter(Protocol):
    """What the Trainer tells of its progress within an epoch."""

    def start_epoch(self, epoch: int, images: int) -> None:
        """Epoch `epoch`, counted from 1, begins; it has so many images."""

    def advance(self, images: int) -> None:
        """So many more images have been trained on."""

    def end_epoch(self) -> None:
        """The epoch is over, by its end or by an exception."""


class Trainer:
    """Trains a model and its loss with Adam, one epoch at a time.

    Arguments:
        model, loss: on the device to train on; what the loss learns is trained with the model.
        data: images, bytes 0..255, (N, C, H, W): a uint8 tensor, or what has a shape and `index_select` as one; or
            vectors, float32, (N, D). On that device.
        batch_size: images per step; the last batch of an epoch holds what is left.
        lr: Adam's learning rate.
        seed: with the epoch's number, fixes the order of the images and every sample of z, so that an epoch
            depends on the state before it and on nothing else.
        noise: standard deviation of what is added to the images that the model sees, anew in every epoch; what it
            is to reconstruct are the clean ones.
        precision: of the networks' arithmetic in training, "float32" or "bf16", see VAE.run.
        compiled: compute the terms of full batches by torch.compile, with the same samples as without. Where that
            fails, a warning says so, and training goes on without.
    """

    def __init__(
        self,
        model: VAE,
        loss: Loss,
        data: Tensor,
        *,
        batch_size: int,
        lr: float,
        seed: int,
        reporter: Reporter,
        noise: float = 0.0,
        precision: str = "float32",
        compiled: bool = False,
    ):
        self.model, self.loss, self.data = model, loss, data
        self.batch_size, self.seed, self.reporter, self.noise = batch_size, seed, reporter, noise
        self.optimizer = torch.optim.Adam(chain(model.parameters(), loss.trained_parameters()), lr=lr, fused=True)
        self.model.mixed_precision = precision == "bf16"
        self.compiled = compiled
        if compiled:  # PyTorch counts what it has compiled of other runs too, and compiles no more after eight
            torch.compiler.reset()
        self.compiled_loss = compile_for_one_shape(loss) if compiled else loss
        self.epoch = 0  # epochs done
        self.step = 0  # optimiser steps done

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
        count, device = len(self.data), self.data.device
        seed_everything(self.seed, self.epoch + 1)
        self.model.train()
        self.loss.train()
        means = Means()
        self.reporter.start_epoch(self.epoch + 1, count)
        start = perf_counter()
        try:
            for batch, chosen in enumerate(torch.randperm(count).to(device).split(self.batch_size), start=1):
                images = to_network(self.data.index_select(0, chosen))
                terms = self.differentiate(images, add_noise(images, self.noise))
                average_gradients(self.optimizer)
                self.optimizer.step()
                self.loss.after_step()
                means.add(terms.named(), len(images))
                if batch % CHECK_EVERY == 0:
                    means.check(self.epoch + 1, self.step)
                self.reporter.advance(len(images))
            means.check(self.epoch + 1, self.step)
            self.check_parameters()
        finally:
            self.reporter.end_epoch()
        return self.end_epoch(means, batch, perf_counter() - start)

    def differentiate(self, images: Tensor, inputs: Tensor) -> LossTerms:
        """The terms of a batch, and in the parameters the gradient of their total."""

        def by(loss: Callable[..., LossTerms]) -> LossTerms:
            self.optimizer.zero_grad()
            terms = loss(self.model, images, inputs)
            terms.total.backward()
            return terms

        if len(images) < self.batch_size:
            return by(self.loss)
        return compiled_or_plain([self], by, self.compiled_loss, self.loss)

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

    def check_parameters(self) -> None:
        """Raise NonFiniteError if the epoch's last step has left a parameter that is not finite."""
        for name, parameter in chain(self.model.named_parameters(), self.loss.named_parameters()):
            if not torch.isfinite(parameter).all():
                raise NonFiniteError(f"the parameter {name} is not finite at the end of epoch {self.epoch + 1}")

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
