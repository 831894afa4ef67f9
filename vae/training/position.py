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
        self.before = 0.0  # seconds, until it was left
        self.start: float | None = None  # of what is under way; None: it was left

    @property
    def seconds(self) -> float:
        """How long the epoch has taken so far, in all processes that it was trained in."""
        return self.before + (0 if self.start is None else perf_counter() - self.start)

    def go_on(self) -> None:
        """Take up the random stream where the epoch was left, and count the time from now."""
        set_random_state(self.random, self.device)
        self.start = perf_counter()

    def leave(self) -> None:
        """Keep where the random stream stands, and the time so far, to go on from."""
        self.random, self.before, self.start = random_state(self.device), self.seconds, None

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the epoch depends on, beside what is trained."""
        random = self.random if self.start is None else random_state(self.device)
        return {"means": self.means.state_dict(), "random": random, "seconds": self.seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Stand where such a state says. Raises AttributeError, LookupError, TypeError or ValueError if it is none."""
        self.means.load_state_dict(state["means"], self.device)
        for name, own in random_state(self.device).items():
            if name in state["random"]:
                check_alike(f"the random stream of {name}", state["random"][name], own)
        self.random, self.before = state["random"], float(state["seconds"])
