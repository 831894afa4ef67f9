"""The optimiser step: of one model or, where they are stacked, of many."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vae.distributed import average_gradients
from vae.training.schedules import lr_factor, make_scheduler
from vae.training.settings import TrainingSettings

COMPILE_OPTIONS = {"fallback_random": True}  # samples from the streams that they come from without compiling


class OptimizerStep:
    """Takes one step of Adam after the other on what `objective` makes of a batch.

    objective(*batch) gives the total, a scalar to be minimised, and the terms to record. By torch.compile, if the
    settings say so, where the batch is a full one: to compile it a second time, for an epoch's last one, never pays.

    Arguments:
        parameters: what is trained.
        steps: of the whole run, over which the learning rate has its course.
        members: for each parameter, of which members of an ensemble it is a stack, in dimension 0; None: of none.
    """

    def __init__(
        self,
        objective: Callable[..., tuple[Tensor, Any]],
        parameters: Sequence[nn.Parameter],
        settings: TrainingSettings,
        steps: int,
        members: Sequence[slice] | None = None,
    ):
        self.objective, self.settings, self.compiled = objective, settings, bool(settings.compile)
        self.parameters, self.steps, self.members = parameters, steps, members
        self.optimizer = make_optimizer(parameters, settings)
        self.set_steps_done(0)
        if self.compiled:
            self.compiled_objective = torch.compile(objective, dynamic=False, options=COMPILE_OPTIONS)

    def set_steps_done(self, done: int) -> None:
        """Set the learning rate to what it is when so many steps of the run are done."""
        settings, self.scheduler = self.settings, None
        if settings.lr_schedule != "constant" or settings.lr_warmup:
            factor = lr_factor(settings.lr_schedule, settings.lr_warmup, self.steps)
            self.scheduler = make_scheduler(self.optimizer, factor, done)

    def __call__(self, *batch: Tensor, full: bool) -> Any:
        """Take a step on a batch and return its terms; `full` says that it has as many images as most, not fewer."""
        terms = self.differentiate_compiled(batch) if full and self.compiled else self.differentiate(batch)
        average_gradients(self.optimizer)
        if self.settings.clip_gradient is not None:
            clip_gradient(self.parameters, self.settings.clip_gradient, self.members)
        self.optimizer.step()
        if self.scheduler:
            self.scheduler.step()
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


def make_optimizer(parameters: Sequence[nn.Parameter], settings: TrainingSettings) -> torch.optim.Adam:
    """Adam, or AdamW where weights decay (Loshchilov and Hutter 2019, arXiv:1711.05101)."""
    if settings.weight_decay:
        return torch.optim.AdamW(parameters, lr=settings.lr, weight_decay=settings.weight_decay, fused=True)
    return torch.optim.Adam(parameters, lr=settings.lr, fused=True)


def clip_gradient(parameters: Sequence[nn.Parameter], limit: float, members: Sequence[slice] | None) -> None:
    """Scale the gradient, of a model or of each member, see OptimizerStep, down to a norm of `limit`."""
    if members is None:
        nn.utils.clip_grad_norm_(parameters, limit)
        return
    own = [(parameter.grad, rows) for parameter, rows in zip(parameters, members) if parameter.grad is not None]
    squares = own[0][0].new_zeros(max(rows.stop for rows in members))
    for gradient, rows in own:
        squares[rows] += gradient.square().reshape(len(gradient), -1).sum(1)
    scale = (limit / (squares.sqrt() + 1e-6)).clamp(max=1)  # as clip_grad_norm_ has it
    for gradient, rows in own:
        gradient.mul_(scale[rows].view(-1, *[1] * (gradient.dim() - 1)))
