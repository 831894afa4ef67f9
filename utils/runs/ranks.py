"""The processes that torchrun starts for one run, on one machine or several: each is a rank, see vae.distributed."""

import contextlib
import os
from collections.abc import Iterator

import torch
import torch.distributed as group

from utils.machine.environment import MachineError, choose_device, rank_count, rank_number
from vae.distributed import together


@contextlib.contextmanager
def joined(device: str) -> Iterator[None]:
    """Share the work in the block with the other ranks, each on a device of its own; alone, do nothing.

    Raises MachineError on all ranks if one of them lacks its device.
    """
    if rank_count() == 1:
        yield
        return
    # By itself it would choose NCCL alone where there is a GPU, which exchanges nothing between CPUs, no errors either.
    group.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    with contextlib.ExitStack() as stack:
        if rank_number():
            stack.enter_context(contextlib.redirect_stdout(stack.enter_context(open(os.devnull, "w"))))
        with together():
            take_device(device, int(os.environ["LOCAL_RANK"]))
        yield
    group.destroy_process_group()


def take_device(name: str, number: int) -> None:
    """Make CUDA device `number` the one that "cuda" means in this process, if that is the kind of device asked for."""
    device = choose_device(name)
    if device.type == "cpu":
        return
    if device.index is not None:
        raise MachineError(f"--device {name}: each process of torchrun takes a CUDA device of its own: --device cuda")
    if number >= (count := torch.cuda.device_count()):
        raise MachineError(f"this machine has {count} CUDA devices: --nproc-per-node={count}, or --device cpu")
    torch.cuda.set_device(number)
