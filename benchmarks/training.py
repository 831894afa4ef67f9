#!/usr/bin/env python3
"""One measurement of `epoch.py`, in a process of its own: trains the Burgess VAE and prints what it took, as JSON.

    python benchmarks/training.py KIND '{"data_dir": "data", "images": 60000, ...}'

KIND is one of KINDS. `seconds` and `cpu_seconds` are medians of an epoch after the first, without evaluation;
`first_step` is from the start of the process to the end of the first step; `first_epoch` has what compiling takes.
`squared_error` is that of the trained model, by which one can see that all do the same work.
"""

import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.datasets import load_dataset
from utils.machine.environment import keep_freed_memory
from vae.losses import build_loss
from vae.models import build_model
from vae.training.settings import TrainingSettings
from vae.training.trainer import Reporter, Trainer

KINDS = {  # settings of the Trainer
    "eager": {},
    "compile": {"compile": True},
    "bf16": {"precision": "bf16"},
    "compile + bf16": {"compile": True, "precision": "bf16"},
}
DATA_LOADER = "plain DataLoader loop"
TEST_IMAGES = 10_000


class FirstStep(Reporter):
    """Remembers when the first step had been made."""

    seconds: float | None = None

    def advance(self, images):
        self.seconds = self.seconds or since_start()


class OneByOne(Dataset):
    """Images, one at a time, as most code has them."""

    def __init__(self, images: torch.Tensor):
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.images[index].float().div(255)


def plain_epoch(model, optimizer, loader: DataLoader, reporter: FirstStep) -> None:
    """An epoch as a tutorial has it: one image after the other, the loss read at every step."""
    for images in loader:
        optimizer.zero_grad()
        output = model(images)
        reconstruction = functional.mse_loss(output.decoded.sigmoid(), images, reduction="sum")
        divergence = -0.5 * torch.sum(1 + output.logvar - output.mean.square() - output.logvar.exp())
        loss = (reconstruction + divergence) / len(images)
        loss.backward()
        optimizer.step()
        loss.item()
        reporter.advance(len(images))


@torch.no_grad()
def squared_error(reconstruct: Callable[[torch.Tensor], torch.Tensor], data_dir: str, size: int = 32) -> float:
    """Of MNIST's test images, per image, given what makes reconstructions of images (N, 1, size, size) in [0, 1]."""
    total = 0.0
    for some in enlarge(load_dataset("mnist", "test", data_dir, TEST_IMAGES).images, size).split(1000):
        images = some.float().div(255)
        total += functional.mse_loss(reconstruct(images), images, reduction="sum").item()
    return total / TEST_IMAGES


def enlarge(images: torch.Tensor, size: int) -> torch.Tensor:
    """Images (N, 1, 32, 32) with every pixel as a square of pixels: (N, 1, size, size)."""
    return images.repeat_interleave(size // 32, -1).repeat_interleave(size // 32, -2)


def since_start() -> float:
    """Seconds since this process was started."""
    with open(f"/proc/{os.getpid()}/stat") as stat:
        ticks = float(stat.read().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def cpu_seconds() -> float:
    """CPU time of this process, all threads together."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measure(
    kind: str, data_dir: str, images: int, batch_size: int, latent_dim: int, size: int, epochs: int, seed: int
) -> dict:
    """Train for `epochs` epochs and one more, which comes first and warms up."""
    keep_freed_memory()
    data = enlarge(load_dataset("mnist", "train", data_dir, images).images, size)
    torch.manual_seed(seed)
    model = build_model((1, size, size), latent_dim, "gaussian")
    reporter = FirstStep()
    if kind == DATA_LOADER:
        model.to(memory_format=torch.contiguous_format)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
        loader = DataLoader(OneByOne(data), batch_size, shuffle=True)

        def epoch():
            plain_epoch(model, optimizer, loader, reporter)
    else:
        loss = build_loss("KL", dataset_size=images, latent_dim=latent_dim)
        settings = TrainingSettings(batch_size=batch_size, lr=1e-4, seed=seed, **KINDS[kind])
        epoch = Trainer(model, loss, data, settings, reporter=reporter).train_epoch
    times = []
    for _ in range(1 + epochs):
        start, cpu = time.perf_counter(), cpu_seconds()
        epoch()
        times.append((time.perf_counter() - start, cpu_seconds() - cpu))
    seconds, cpu = (statistics.median(column) for column in zip(*times[1:]))
    model.eval()
    return {
        "seconds": seconds,
        "cpu_seconds": cpu,
        "first_epoch": times[0][0],
        "first_step": reporter.seconds,
        "squared_error": squared_error(lambda images: model.decode(model.encode(images)[0]), data_dir, size),
    }


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], **json.loads(sys.argv[2]))))
