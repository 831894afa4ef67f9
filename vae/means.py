"""Means of a loss's terms over many batches, variances of latents, and the watch for terms that are not finite."""

import copy
from operator import index
from typing import Any

import torch
from torch import Tensor


class NonFiniteError(ArithmeticError):
    """Training or evaluation met a number that is not finite; the message says which, where and when.

    `step` is the number of the training step that it came from, counted from 1, where that is known.
    """

    def __init__(self, message: str, step: int | None = None):
        super().__init__(message)
        self.step = step


class Means:
    """Means over batches, weighted by their sizes.

    They are kept on the device in float64, so that adding a batch never waits for it; so is the first batch in
    which each term was not finite.
    """

    def __init__(self):
        self.names: list[str] = []
        self.sums: Tensor
        self.first_bad: Tensor  # per term, the number of the first batch in which it was not finite, or 0
        self.count = 0
        self.batches = 0

    def add(self, terms: dict[str, Tensor], size: int) -> None:
        """Count a batch of `size` examples with these terms, all scalars or all vectors of the same length.

        Raises ValueError for other terms than those of the batches before.
        """
        if self.names and list(terms) != self.names:
            own, before = ", ".join(terms), ", ".join(self.names)
            raise ValueError(f"the terms of a batch are {own}, those of batches before {before}: expected the same")
        row = torch.stack([term.detach() for term in terms.values()]).double()
        if not self.names:
            self.names = list(terms)
            self.sums = torch.zeros_like(row)
            self.first_bad = torch.zeros_like(row, dtype=torch.int64)
        self.count += size
        self.batches += 1
        self.sums.add_(row, alpha=size)
        self.first_bad.masked_fill_(row.isfinite().logical_not_() & (self.first_bad == 0), self.batches)

    def check(self, epoch: int, first_step: int) -> None:
        """Raise NonFiniteError if a term was not finite, naming it, the epoch, the step and the batch.

        `first_step` is the number of optimiser steps before the first batch.
        """
        bad = self.first_bad.tolist()
        if any(bad):
            batch = min(b for b in bad if b)
            # The total is the sum of the others: name what made it so, where that is known.
            name = max((n for n, b in zip(self.names, bad) if b == batch), key=lambda n: n != "loss")
            step = first_step + batch
            raise NonFiniteError(f"the term {name} is not finite at step {step} (epoch {epoch}, batch {batch})", step)

    def of_member(self, index: int) -> "Means":
        """The means of one member, where terms are vectors with an element for each member of an ensemble."""
        means = copy.copy(self)
        means.sums, means.first_bad = self.sums[:, index], self.first_bad[:, index]
        return means

    def state_dict(self) -> dict[str, Any]:
        """All of it, to go on from; once there has been a batch."""
        return {name: getattr(self, name) for name in ("names", "sums", "first_bad", "count", "batches")}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Go on from such a state, on a device.

        Raises AttributeError, LookupError, TypeError or ValueError if it is none.
        """
        for name, dtype in (("sums", torch.float64), ("first_bad", torch.int64)):
            tensor = state[name]
            if tensor.dtype != dtype or tensor.shape != (len(state["names"]),):
                raise ValueError(f"the {name} of the means are {tensor.dtype} of shape {tuple(tensor.shape)}")
            setattr(self, name, tensor.to(device))
        self.names, self.count, self.batches = list(state["names"]), index(state["count"]), index(state["batches"])

    def values(self) -> dict[str, float]:
        """The means by name."""
        return dict(zip(self.names, (self.sums / self.count).tolist()))


class Variances:
    """The variance of each coordinate over many batches, without keeping them (Chan, Golub and LeVeque 1983).

    In float64: sums of squared deviations from the running mean, never differences of large squares.
    """

    def __init__(self):
        self.count = 0

    def add(self, values: Tensor) -> None:
        """Count a batch (N, D)."""
        values = values.double()
        mean = values.mean(0)
        deviations = (values - mean).square().sum(0)
        if not self.count:
            self.mean, self.deviations = torch.zeros_like(mean), torch.zeros_like(mean)
        before, self.count = self.count, self.count + len(values)
        shift = mean - self.mean
        self.mean = self.mean + shift * (len(values) / self.count)
        self.deviations = self.deviations + deviations + shift.square() * (before * len(values) / self.count)

    def values(self) -> Tensor:
        """The variances over all that was counted, (D,)."""
        return self.deviations / self.count
