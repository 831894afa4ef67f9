"""Where an epoch that has begun stands between two of its batches."""

from time import perf_counter
from typing import Any

import torch

from vae.means import Means
from vae.random import random_state, set_random_state
from vae.states import check_alike


class Position:
    """An epoch so far: the means over its batches, the random stream after them, and the seconds that they took."""

    def __init__(self, device: torch.device):
        self.device, self.means = device, Means()
        self.random: dict[str, torch.Tensor] = {}  # to go on with; empty: the epoch's stream, from its beginning
        self.before = 0.0  # seconds, in the processes that left this position to go on from
        self.start = perf_counter()

    @property
    def seconds(self) -> float:
        """How long the epoch has taken so far, in all processes that it was trained in."""
        return self.before + perf_counter() - self.start

    def go_on(self) -> None:
        """Take up the random stream where the epoch was left, and count the time from now."""
        set_random_state(self.random, self.device)
        self.start = perf_counter()

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the epoch depends on, beside what is trained."""
        return {"means": self.means.state_dict(), "random": random_state(self.device), "seconds": self.seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Stand where such a state says. Raises LookupError, TypeError or ValueError if it is none."""
        self.means.load_state_dict(state["means"], self.device)
        for name, own in random_state(self.device).items():
            if name in state["random"]:
                check_alike(f"the random stream of {name}", state["random"][name], own)
        self.random, self.before = state["random"], float(state["seconds"])
