"""The optimiser step: of one model or, where they are stacked, of many."""

import warnings
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from vae.distributed import average_gradients
from vae.training.settings import TrainingSettings

COMPILE_OPTIONS = {"fallback_random": True}  # samples from the streams that they come from without compiling


class OptimizerStep:
    """Takes one step of Adam after the other on what `objective` makes of a batch.

    objective(*batch) gives the total, a scalar to be minimised, and the terms to record. By torch.compile, if the
    settings say so, where the batch is a full one: to compile it a second time, for an epoch's last one, never pays.
    """

    def __init__(
        self,
        objective: Callable[..., tuple[Tensor, Any]],
        parameters: Iterable[nn.Parameter],
        settings: TrainingSettings,
    ):
        self.objective, self.compiled = objective, bool(settings.compile)
        self.optimizer = torch.optim.Adam(parameters, lr=settings.lr, fused=True)
        if self.compiled:
            self.compiled_objective = torch.compile(objective, dynamic=False, options=COMPILE_OPTIONS)

    def __call__(self, *batch: Tensor, full: bool) -> Any:
        """Take a step on a batch, which has as many images as most, or fewer, and return its terms."""
        terms = self.differentiate_compiled(batch) if full and self.compiled else self.differentiate(batch)
        average_gradients(self.optimizer)
        self.optimizer.step()
        return terms

    def differentiate(self, batch: tuple[Tensor, ...], *, compiled: bool = False) -> Any:
        """Give the parameters the gradient of a batch's total, and return its terms."""
        self.optimizer.zero_grad()
        total, terms = (self.compiled_objective if compiled else self.objective)(*batch)
        total.backward()
        return terms

    def differentiate_compiled(self, batch: tuple[Tensor, ...]) -> Any:
        """The same by torch.compile; where that fails, and from then on, without."""
        try:
            return self.differentiate(batch, compiled=True)
        except RuntimeError as error:
            self.compiled = False
            reason = str(error).partition("\n")[0]
            warnings.warn(f"training goes on without being compiled, which failed ({reason})", stacklevel=2)
            return self.differentiate(batch)  # which raises an error again that has nothing to do with compiling
