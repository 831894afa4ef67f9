"""The processes that torchrun starts for one run, on one machine or several: each is a rank, see vae.distributed."""

import contextlib
import os
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
import torch.distributed as group

from utils.machine.compilation import choose_compile, compiling_pays, lacking_for_compile
from utils.machine.environment import MachineError, choose_device, environment
from utils.machine.processes import silenced
from utils.runs.config import RunConfig
from vae.distributed import rank, ranks, together
from vae.losses import LOSSES


@contextlib.contextmanager
def joined() -> Iterator[None]:
    """Share what the block does with the other ranks, of which the first one prints; without torchrun do nothing."""
    if not (group.is_available() and group.is_torchelastic_launched()):
        yield
        return
    # By itself it would choose NCCL alone where there is a GPU, which exchanges nothing between CPUs, no errors either.
    group.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    with silenced() if rank() else contextlib.nullcontext():
        yield
    group.destroy_process_group()


def take_devices(name: str) -> None:
    """Give each rank a device of its own, of that name. Raises MachineError on all ranks if one of them lacks it."""
    if ranks() > 1:
        with together():
            take_device(name, int(os.environ["LOCAL_RANK"]))


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


def run_environment(device: torch.device, *, compiled: bool) -> dict[str, Any]:
    """What config.json records of the code, the packages and the machine, or of each of several, and how they train."""
    record = environment(device)
    if ranks() > 1:
        record["machine"]["ranks"] = ranks()
    return {**record, "compiled": compiled}


def choose_compiled(config: RunConfig, device: torch.device, steps: int, before: bool | None = None) -> bool:
    """Whether a run of so many steps is compiled; one that goes on keeps to what was chosen before, where it can.

    Raises MachineError where compiling was asked for and is not possible.
    """
    if ranks() > 1:
        if config.compile and before is None:
            raise MachineError("--compile: steps that processes of torchrun share cannot be compiled: use --no-compile")
        return False
    pays = compiling_pays(steps, device, torch.backends.cpu.get_cpu_capability())
    lack = partial(lacking_for_compile, device)
    return LOSSES[config.loss].compilable and choose_compile(config.compile, before, pays=pays, lack=lack)
