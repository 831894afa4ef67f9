"""Random streams: a seed has one for each epoch and one for each other purpose."""

import numpy as np
import torch


class Stream:
    """Numbers of the random streams of one seed: epoch n has stream n, and nothing else shares it."""

    WEIGHTS = 0
    EVALUATION = 2**32
    PICTURES = 2**32 + 1
    EVIDENCE = 2**32 + 2
    BINARISATION = 2**32 + 3


def seed_everything(seed: int, stream: int) -> None:
    """Seed PyTorch's global random stream, on every device, for one purpose.

    The streams of one seed are independent of each other, and so are those of different seeds.
    """
    torch.manual_seed(stream_seed(seed, stream))


def stream_seed(seed: int, stream: int) -> int:
    """What a generator is to be seeded with, to give that stream of a seed."""
    return int(np.random.SeedSequence([seed, stream]).generate_state(1, np.uint64)[0])
