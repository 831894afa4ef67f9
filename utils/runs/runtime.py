"""Where and how a run is carried out, also by several processes, and what may end it.

The processes are those that torchrun starts for one run, on one machine or several: each is a rank, see
vae.distributed.
"""

import contextlib
import os
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.distributed as group

from utils.datasets import Dataset, DatasetError, default_data_dir, portable_name
from utils.machine.compilation import choose_compile, compiling_pays, lacking_for_compile
from utils.machine.console import counted
from utils.machine.environment import MachineError, choose_device, environment
from utils.machine.processes import silenced
from utils.runs.config import RunConfig
from utils.runs.folder import RESUME, ResultsError
from vae.distributed import rank, ranks, together
from vae.losses import LOSSES
from vae.means import NonFiniteError
from vae.models import VAE
from vae.options import OptionError

# What ends a run with a line for people.
RUN_ERRORS = (OptionError, DatasetError, ResultsError, MachineError, NonFiniteError, OSError)

Evaluation = dict[str, dict[str, Any]]  # what evaluation.json holds

# Makes matplotlib's figures by the names of their files, of a model in evaluation mode, its splits, its configuration,
# and the lines of its metrics.
Drawing = Callable[[VAE, dict[str, Dataset], RunConfig, list[dict[str, Any]]], dict[str, Any]]


class Animation(NamedTuple):
    """What makes an animation: a figure of the model, as above, after an epoch, and one GIF of the figures as PNG."""

    draw: Callable[[VAE, dict[str, Dataset], RunConfig, int], Any]
    join: Callable[[list[bytes]], bytes]


@dataclass(frozen=True)
class Runtime:
    """Where and how a run is carried out: nothing that its results are about."""

    data_dir: Path = field(default_factory=default_data_dir)
    results_dir: Path = Path("results")
    device: str = "auto"
    progress_bar: bool = True
    checkpoint_every: int = 1
    checkpoint_minutes: float | None = None  # and after so many minutes, within an epoch too; None: not by time
    again: str = RESUME  # how to go on, for messages about a run that ended early
    tensorboard: bool = False  # scalars beside metrics.jsonl
    draw: Drawing | None = None  # what makes the pictures of a run; None: there are none
    animation: Animation | None = None  # what makes one of how they came about
    pages: tuple[str, ...] = ()  # the flags of the pages that are to be written then


class Interrupted(Exception):
    """Ctrl-C, or another signal to `end`; the message says what is saved, what is lost and how to go on."""

    def __init__(self, message: str, end: KeyboardInterrupt):
        super().__init__(message)
        self.end = end


def resume_command(folder: Path, runtime: Runtime | None = None, dataset: str = "") -> str:
    """The command that goes on with the run in a folder, as it was carried out and with the same data.

    The data set is told where its name is not the one that config.json records.
    """
    usual = Runtime()
    runtime = runtime or usual
    given = {
        "--dataset": (dataset, portable_name(dataset)),
        "--results-dir": (folder.parent, usual.results_dir),
        "--data-dir": (runtime.data_dir, usual.data_dir),
        "--device": (runtime.device, usual.device),
        "--checkpoint-every": (runtime.checkpoint_every, usual.checkpoint_every),
        "--checkpoint-minutes": (runtime.checkpoint_minutes, usual.checkpoint_minutes),
    }
    told = [flag_words(flag, value) for flag, (value, default) in given.items() if value != default]
    told += [[flag] for flag, on in (("--gif", runtime.animation), ("--tensorboard", runtime.tensorboard)) if on]
    told += [[flag] for flag in runtime.pages]
    return shlex.join(["python", "main.py", folder.name, "--resume", *chain.from_iterable(told)])


def flag_words(flag: str, *values: Any) -> list[str]:
    """A flag with its values, as words of a command line."""
    texts = list(map(str, values))
    return [f"{flag}={texts[0]}"] if len(texts) == 1 and texts[0].startswith("-") else [flag, *texts]


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
        there = counted(count, "CUDA device")
        raise MachineError(f"this machine has {there}: --nproc-per-node={count}, or --device cpu")
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
