"""What every measurement starts from: a random stream of its own, and arithmetic in float32."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from vae.random import seed_everything


@contextmanager
def measuring(device: torch.device, seed: int, stream: int) -> Iterator[None]:
    """Seed the random stream for one purpose, and put it back afterwards; meanwhile convolutions are in float32.

    On CUDA they are in TF32 elsewhere, whose 10 bits are enough to train by.
    """
    cudnn = torch.backends.cudnn
    flags = {"enabled": cudnn.enabled, "benchmark": cudnn.benchmark, "deterministic": cudnn.deterministic}
    with torch.random.fork_rng([device] if device.type == "cuda" else []), cudnn.flags(**flags, allow_tf32=False):
        seed_everything(seed, stream)
        yield
