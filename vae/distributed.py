"""Data-parallel computing, exactly: ranks share what networks make of a batch, and know all the rest of it.

Every rank runs the same program on the same whole batches with the same random stream. Only a network is applied to
the rank's share of a batch; what it makes of that is gathered. So what follows, a statistic of the batch say, is of the
whole batch and knows nothing of ranks, and every sample of z is the one that a single process would draw.

The gradient is that of a single process too. All ranks compute the same loss, whose gradient is that of its mean over
ranks: so `gather` hands each rank the gradient of its own rows added up over all ranks, wherever they were used, and
`average_gradients` takes the mean over ranks.

Without a process group of torch.distributed there is one rank, whose share is everything. Ranks need devices of the
same kind, or their random streams differ.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as group
from torch import Tensor


class RankLost(Exception):
    """Another rank is gone; the message is one line."""


def ranks() -> int:
    """How many there are."""
    return group.get_world_size() if group.is_available() and group.is_initialized() else 1


def rank() -> int:
    """The number of this one, from 0."""
    return group.get_rank() if ranks() > 1 else 0


def share(batch: Tensor) -> Tensor:
    """This rank's rows of a batch (N, ...): N / ranks() of them, rounded down or up."""
    return batch[own_rows(len(batch))] if ranks() > 1 else batch


def gather(rows: Tensor, count: int) -> Tensor:
    """The `count` rows of a whole batch, of which each rank has its share: (N / ranks(), ...) to (N, ...)."""
    return Gather.apply(rows, count) if ranks() > 1 else rows


def average_gradients(optimizer: torch.optim.Optimizer) -> None:
    """Give each parameter of an optimiser the mean over ranks of its gradient, in one exchange for all."""
    if ranks() == 1:
        return
    parameters = [parameter for settings in optimizer.param_groups for parameter in settings["params"]]
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    total = add_up(torch.cat([gradient.flatten() for gradient in gradients]))
    for gradient, mean in zip(gradients, total.div_(ranks()).split([gradient.numel() for gradient in gradients])):
        gradient.copy_(mean.view(gradient.shape))


@contextmanager
def together() -> Iterator[None]:
    """Leave the block once all ranks have; what one of them raises there, the others raise too."""
    error = None
    try:
        yield
    except Exception as raised:
        error = raised
    errors = [error] * ranks()
    if ranks() > 1:
        exchange(group.all_gather_object, errors, error)
    for found in (error, *errors):
        if found is not None:
            raise found


class Gather(torch.autograd.Function):
    """See `gather`: rows of other ranks are zeros here, and all are added up."""

    @staticmethod
    def forward(context: Any, rows: Tensor, count: int) -> Tensor:
        context.own = own_rows(count)
        whole = rows.new_zeros(count, *rows.shape[1:])
        whole[context.own] = rows
        return add_up(whole)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return add_up(gradient.clone(memory_format=torch.contiguous_format))[context.own], None


def own_rows(count: int) -> slice:
    """Which of `count` rows are this rank's."""
    return slice(rank() * count // ranks(), (rank() + 1) * count // ranks())


def add_up(tensor: Tensor) -> Tensor:
    """The tensor, which now has the sum over all ranks."""
    exchange(group.all_reduce, tensor)
    return tensor


def exchange(collective: Callable[..., Any], *arguments: Any) -> None:
    """Carry out a collective of torch.distributed.

    Raises RankLost if another rank has gone or cannot be reached, and OutOfMemoryError if this rank's memory is full.
    """
    try:
        collective(*arguments)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise RankLost(f"another of the processes that share this run has ended ({reason})") from error
