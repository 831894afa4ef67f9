"""Random streams: a seed has one for each epoch and one for each other use."""

import numpy as np
import torch


class Stream:
    """Numbers of the random streams of one seed: epoch n has stream n, which nothing else shares."""

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


def random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """The states of those global random streams of PyTorch that computing on a device draws from."""
    state = {"cpu": torch.get_rng_state()}
    return state if device.type == "cpu" else state | {"cuda": torch.cuda.get_rng_state(device)}


def set_random_state(state: dict[str, torch.Tensor], device: torch.device) -> None:
    """Let those streams go on from there; one that the state does not have stays as it is."""
    if "cpu" in state:
        torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
