"""Images per second: one run in each way there is, and many as one, beside what the device could do at best."""

import statistics
from collections.abc import Callable, Iterator
from typing import Any

import torch
from ensemble import best_rates, make_trainer, members, seconds, work_of_an_image
from kit import Kit, Row
from training import KINDS

from vae.training.ensemble import Ensemble
from vae.training.step import COMPILE_OPTIONS, OptimizerStep
from vae.training.trainer import Trainer

MEMBERS = (1, 8, 24, 48)
TOGETHER = 24  # members of which more is measured: those of Table 1 for a data set and a seed
IN_TURN = 4  # runs alone that stand for any number of them, one after the other
GRAPHS = {**COMPILE_OPTIONS, "triton.cudagraphs": True}


def speed(kit: Kit) -> Iterator[Row]:
    """First what says most; what has to be compiled for long comes last."""
    data = kit.images(kit.size(3200, 128))
    floors = at_best(kit, data)
    yield {"at best": "by arithmetic", "images/s": floors[0]}
    yield {"at best": "by bytes", "images/s": floors[1]}
    for kind, settings in KINDS.items():
        yield alone(kit, data, kind, **settings)
    in_turn = measured(kit, all_of(trainers(kit, data, IN_TURN)), IN_TURN * len(data))["images/s"]
    yield {"in turn": f"{IN_TURN} runs", "images/s": in_turn}
    for count in MEMBERS[: kit.size(len(MEMBERS), 2)]:
        yield together(kit, data, count, floors, in_turn)
    if kit.on.type == "cuda":
        yield alone(kit, data, "CUDA graphs", compile=True, graphs=True)
    count = kit.size(TOGETHER, 2)
    yield together(kit, data, count, floors, in_turn, compiled=True)
    if kit.on.type == "cuda":
        yield together(kit, data, count, floors, in_turn, compiled=True, graphs=True)


def at_best(kit: Kit, data: torch.Tensor) -> tuple[float, float]:
    """Images per second that neither the arithmetic of a step nor the bytes it moves would allow to exceed."""
    flop, moved = work_of_an_image(kit.trainer(data, loss="KL"))
    flop_rate, byte_rate = best_rates(kit.on)
    return flop_rate / flop, byte_rate / moved


def alone(kit: Kit, data: torch.Tensor, kind: str, *, compile: bool = False, graphs: bool = False, **flags: Any) -> Row:
    """The speed of one run."""

    def epoch() -> Callable[[], object]:
        trainer = kit.trainer(data, compiled=compile, loss="GJS", **flags)
        if graphs:
            with_graphs(trainer.take_step)
        return trainer.train_epoch

    return {"one run": kind, **attempt(kit, epoch, len(data))}


def together(
    kit: Kit,
    data: torch.Tensor,
    count: int,
    floors: tuple[float, float],
    in_turn: float,
    *,
    compiled: bool = False,
    graphs: bool = False,
) -> Row:
    """The speed of so many runs as one, beside that of the same in turn and the floors."""

    def epoch() -> Callable[[], object]:
        whole = trainers(kit, data, count, compiled=compiled)

        def train() -> None:
            ensemble = Ensemble(whole, kit.progress)
            if graphs:
                with_graphs(ensemble.take_step)
            ensemble.train_epoch()

        return train

    name = f"{count}{', compiled' if compiled else ''}{', CUDA graphs' if graphs else ''}"
    found = attempt(kit, epoch, count * len(data))
    rate = found.get("images/s", 0.0)
    shares = {"times as in turn": rate / in_turn, "of arithmetic": rate / floors[0], "of bytes": rate / floors[1]}
    return {"as one": name, **found, **shares}


def trainers(kit: Kit, data: torch.Tensor, count: int, *, compiled: bool = False) -> list[Trainer]:
    """So many runs of Table 1."""
    return [make_trainer(config, data, kit.progress, compiled) for config in members(count)]


def all_of(several: list[Trainer]) -> Callable[[], object]:
    """An epoch of each, one after the other."""
    return lambda: [trainer.train_epoch() for trainer in several]


def with_graphs(step: OptimizerStep) -> None:
    """Have the compiled objective of a step recorded as CUDA graphs."""
    step.compiled_objective = torch.compile(step.objective, dynamic=False, options=GRAPHS)


def attempt(kit: Kit, make_epoch: Callable[[], Callable[[], object]], images: int) -> Row:
    """The speed of an epoch that is made here, or how that failed."""
    try:
        return {"result": "measured", **measured(kit, make_epoch(), images)}
    except Exception as error:  # of any kind: the next is to be measured all the same
        return {"result": f"failed: {type(error).__name__}: {str(error).partition(chr(10))[0]}"}


def measured(kit: Kit, epoch: Callable[[], object], images: int) -> dict[str, float]:
    """The images per second of an epoch, after a first one, which compiles and warms up; and its peak of memory."""
    if kit.on.type == "cuda":
        torch.cuda.reset_peak_memory_stats(kit.on)
    first, *others = (seconds(epoch, kit.on) for _ in range(1 + kit.size(3, 1)))
    found = {"images/s": images / statistics.median(others), "first epoch, s": first}
    if kit.on.type == "cuda":
        found["peak MiB"] = torch.cuda.max_memory_allocated(kit.on) / 2**20
    return found
