"""The course of the learning rate over a run."""

import math
from collections.abc import Callable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

# The share of the learning rate that is in force when a share of the run's steps is done.
COURSES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "cosine": lambda done: (1 + math.cos(math.pi * done)) / 2,  # Loshchilov and Hutter 2017, arXiv:1608.03983
    "step": lambda done: 0.1 ** ((done >= 0.5) + (done >= 0.75)),  # as He et al. 2016 have it
}


def lr_factor(course: str, warmup: int, steps: int) -> Callable[[int], float]:
    """The factor of the learning rate at each step of a run of so many, counted from 0.

    It is that of the course, times (step + 1) / warmup in the first `warmup` steps (Goyal et al. 2017,
    arXiv:1706.02677). After the last step of the run it stays as it is.
    """
    return lambda step: COURSES[course](min(step / steps, 1)) * (min((step + 1) / warmup, 1) if warmup else 1)


def make_scheduler(optimizer: Optimizer, factor: Callable[[int], float], done: int) -> LambdaLR:
    """A scheduler of an optimiser with which so many steps are done; its groups have their learning rate by then."""
    for group in optimizer.param_groups:
        group.setdefault("initial_lr", group["lr"])
    return LambdaLR(optimizer, factor, last_epoch=done - 1)
