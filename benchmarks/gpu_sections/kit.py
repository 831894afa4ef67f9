"""What the sections have in common: what they are told, and trainers on random bytes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from ensemble import IMAGE_SHAPE, make_trainer

from utils.machine.environment import choose_device
from utils.runs.config import RunConfig
from utils.runs.progress import Progress
from vae.training.trainer import Trainer

Row = dict[str, Any]  # a line of a table: what it is about, then what was found


@dataclass(frozen=True)
class Kit:
    """What a section is told."""

    device: str
    tiny: bool
    data_dir: str
    out: Path  # where results may lie
    seconds: float  # that the section may take

    @cached_property
    def on(self) -> torch.device:
        """The device. Raises MachineError if it is not there."""
        return choose_device(self.device)

    @cached_property
    def progress(self) -> Progress:
        """Shows nothing."""
        return Progress(1, bar=False)

    def size(self, whole: int, tiny: int) -> int:
        """How many of something there are, or are where the kit itself is tried."""
        return tiny if self.tiny else whole

    def images(self, count: int) -> torch.Tensor:
        """So many images of random bytes on the device, the same ones every time."""
        drawn = torch.randint(256, (count, *IMAGE_SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        return drawn.to(self.on)

    def trainer(self, data: torch.Tensor, *, compiled: bool = False, **flags: Any) -> Trainer:
        """The trainer of a run with these flags, on the device."""
        config = RunConfig.from_flags("kit", {"dataset": "mnist", **flags})
        return make_trainer(config, data, self.progress, compiled)


def checked(name: str, check: Callable[[], str | None]) -> Row:
    """The row of a check: that it has passed, with what it says, or how it failed."""
    start = perf_counter()
    try:
        result = check() or "passed"
    except Exception as error:  # of any kind: the next check is to be made all the same
        said = str(error).strip().splitlines() or [""]
        result = f"failed: {type(error).__name__}: {said[0]}"
    return {"check": name, "result": result, "seconds": round(perf_counter() - start, 2)}
