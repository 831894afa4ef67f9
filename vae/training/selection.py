"""Which epoch's model is kept, and when training stops early, by the loss of validation images."""

import copy
from typing import Any


class Selection:
    """Remembers the epoch with the least validation loss so far.

    The loss is that of evaluation, with the regulariser at its full weight; so only epochs at whose end a warm-up is
    over are to be counted.

    Arguments:
        keep: "best" keeps the state of that epoch, "last" none.
        patience: for how many epochs on end the loss may not fall before training stops; None: for all.
    """

    def __init__(self, keep: str, patience: int | None):
        self.keep, self.patience = keep, patience
        self.best: dict[str, Any] = {}  # the epoch, its loss and, if it is to be kept, its state
        self.epoch = 0  # the last that was counted

    def count(self, epoch: int, loss: float, state: dict[str, Any]) -> None:
        """Count an epoch, its validation loss and what it has come to."""
        self.epoch = epoch
        if not self.best or loss < self.best["loss"]:
            kept = {"state": copy.deepcopy(state)} if self.keep == "best" else {}
            self.best = {"epoch": epoch, "loss": loss, **kept}

    @property
    def stops(self) -> bool:
        """Whether training is to stop."""
        return self.patience is not None and bool(self.best) and self.epoch - self.best["epoch"] >= self.patience

    def told(self, last: int) -> dict[str, int]:
        """What is recorded of a run whose last epoch that was: after which it stopped, and of which its model is."""
        return {"stopped_after": last, "kept_epoch": self.best["epoch"] if self.keep == "best" else last}

    def state_dict(self) -> dict[str, Any]:
        """All that it knows."""
        return {"epoch": self.epoch, "best": self.best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from such a state."""
        self.epoch, self.best = state["epoch"], state["best"]
