"""Whether all that is promised holds on the device: every loss, precision, waiting, and going on with a run."""

import copy
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from kit import Kit, Row, checked
from torch import Tensor

from utils.runs.config import RunConfig
from utils.runs.run import resume, run
from utils.runs.runtime import Runtime
from vae.evaluation.evaluator import Evaluator
from vae.inputs import to_network
from vae.losses import LOSSES
from vae.models import VAE
from vae.training.ensemble import Ensemble
from vae.training.trainer import CHECK_EVERY, Trainer

COMPILABLE = [name for name, loss in LOSSES.items() if loss.compilable]
MEMBERS = [{"loss": "GJS"}, {"loss": "GJS", "GJS_A": 0.2}]  # of one group
MEMBERS += [{"loss": name} for name, loss in LOSSES.items() if loss.batchable and name != "GJS"]
BATCH = 16
DRAWS_NOTHING = ("reconstruction", "squared_error", "elbo")  # of an evaluation, whatever the loss
FLOAT32, SAME_TERMS, TF32 = 5e-5, 1e-4, 1e-2  # relative differences that are allowed


def checks(kit: Kit) -> Iterator[Row]:
    """What needs no compiler."""
    for name in LOSSES:
        yield checked(f"{name} alone", partial(trains_and_is_evaluated, kit, name))
    yield checked("all that can be, in an ensemble", partial(is_the_same_together, kit))
    yield checked("evaluation is in float32", partial(is_evaluated_in_float32, kit))
    yield checked("no step waits for the device, alone", partial(waits_for_nothing, kit, together=False))
    yield checked("no step waits for the device, in an ensemble", partial(waits_for_nothing, kit, together=True))
    yield checked("a run is resumed, on the device and on the CPU", partial(goes_on, kit))


def compiled_checks(kit: Kit) -> Iterator[Row]:
    """The same losses by torch.compile; the ensemble, which has most of them, first."""
    yield checked("all that can be, in an ensemble", partial(is_the_same_together, kit, compiled=True))
    for name in COMPILABLE[: kit.size(len(COMPILABLE), 1)]:
        yield checked(f"{name} alone", partial(is_the_same_compiled, kit, name))


def trains_and_is_evaluated(kit: Kit, name: str) -> None:
    """An epoch leaves everything on the device, finite, and there it is worth what it is worth on the CPU."""
    data = kit.images(kit.size(200, 20))
    trainer = kit.trainer(data, loss=name, batch_size=BATCH)
    trainer.train_epoch()  # which raises if a parameter is not finite
    places = {parameter.device.type for parameter in (*trainer.model.parameters(), *trainer.loss.parameters())}
    assert places == {kit.on.type}, f"parameters are on {places}"
    here = evaluation(trainer, data)
    trainer.model.cpu(), trainer.loss.cpu()
    there = evaluation(trainer, data.cpu())
    for quantity in DRAWS_NOTHING:
        check_close(quantity, here[quantity], there[quantity], SAME_TERMS)


def is_the_same_together(kit: Kit, *, compiled: bool = False) -> None:
    """An ensemble of all losses that can be in one has the epochs that its members have alone, to rounding."""
    data = kit.images(kit.size(200, 20))
    shared, members = {"batch_size": BATCH, "noise": 0.1}, MEMBERS[: kit.size(len(MEMBERS), 3)]
    together = [kit.trainer(data, compiled=compiled, **shared, **member) for member in members]
    alone = [kit.trainer(data, **shared, **member) for member in members]
    for _ in range(2):
        records = Ensemble(together, kit.progress).train_epoch()
        for member, record, trainer in zip(members, records, alone, strict=True):
            if isinstance(record, Exception):
                raise record
            check_close(f"the loss of {member['loss']}", record["loss"], trainer.train_epoch()["loss"], TF32)
    check_compiled(together, compiled)


def is_the_same_compiled(kit: Kit, name: str) -> None:
    """Compiled, a loss has the epoch that it has otherwise, to rounding."""
    data = kit.images(kit.size(200, 2 * BATCH))
    compiled, eager = (kit.trainer(data, compiled=choice, loss=name, batch_size=BATCH) for choice in (True, False))
    check_close("the loss", compiled.train_epoch()["loss"], eager.train_epoch()["loss"], TF32)
    check_compiled([compiled], True)


def is_evaluated_in_float32(kit: Kit) -> str:
    """A posterior mean is what it is in float64 on the CPU, while training may be in TF32; says how near both are."""
    data = kit.images(kit.size(200, 20))
    trainer = kit.trainer(data, loss="KL", batch_size=BATCH)
    exact = encoded(copy.deepcopy(trainer.model).cpu().double(), data.cpu().double() / 255)

    def difference() -> float:
        return ((encoded(trainer.model, to_network(data)).cpu() - exact).abs().max() / exact.abs().max()).item()

    training = difference()
    judge = Evaluator(trainer.model, trainer.loss, batch_size=BATCH, seed=1)
    with judge.prepared():
        evaluating = difference()
    assert evaluating < FLOAT32, f"evaluation differs from float64 by {evaluating:.1e}"
    return f"passed: differs from float64 by {training:.1e} in training, by {evaluating:.1e} in evaluation"


def waits_for_nothing(kit: Kit, *, together: bool) -> str:
    """The host waits for the device as often in an epoch of many steps as in one of few."""
    members = MEMBERS[:2] if together else MEMBERS[:1]

    def waits(steps: int) -> int:
        data = kit.images(steps * BATCH)
        trainers = [kit.trainer(data, batch_size=BATCH, **member) for member in members]
        epoch = Ensemble(trainers, kit.progress).train_epoch if together else trainers[0].train_epoch
        epoch()  # once, to warm up
        return count_waits(epoch, kit.on)

    few, many = waits(3), waits(kit.size(CHECK_EVERY - 1, 4))
    assert few == many, f"{few} times in 3 steps, {many} times in more"
    return f"passed: {few} times in an epoch"


def count_waits(work: Callable[[], object], device: torch.device) -> int:
    """How often PyTorch says that the host waits for the device. On a CPU there is nothing to wait for."""
    on_cuda = device.type == "cuda"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if on_cuda:
            torch.cuda.set_sync_debug_mode("warn")
        try:
            work()
        finally:
            if on_cuda:
                torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(warning.message) for warning in caught)


def goes_on(kit: Kit) -> str:
    """A run of one epoch goes on to two as if it had had two, and on the CPU it goes on as well."""
    flags = {"dataset": "dsprites", "train_size": 64, "test_size": 32, "batch_size": BATCH, "epochs": 2}
    with tempfile.TemporaryDirectory() as folder:
        runtime = Runtime(results_dir=Path(folder), device=kit.device, progress_bar=False)
        whole = run(RunConfig.from_flags("whole", flags), runtime)
        run(RunConfig.from_flags("here", {**flags, "epochs": 1}), runtime)
        shutil.copytree(Path(folder, "here"), Path(folder, "there"))
        here = resume("here", {"epochs": 2}, runtime)
        resume("there", {"epochs": 2}, replace(runtime, device="cpu"))
    check_close("the loss", here["test"]["loss"], whole["test"]["loss"], TF32)
    return f"passed: {'the same' if here == whole else 'other'} bits on the device"


def evaluation(trainer: Trainer, data: Tensor) -> dict[str, float]:
    """What a trainer's model is worth on data, where both are."""
    return Evaluator(trainer.model, trainer.loss, batch_size=BATCH, seed=1).evaluate(data)


@torch.no_grad()
def encoded(model: VAE, images: Tensor) -> Tensor:
    """The posterior means, in float64."""
    return model.encode(images)[0].double()


def check_close(what: str, ours: float, theirs: float, allowed: float) -> None:
    """Raise AssertionError if two numbers differ by more than that share of the second."""
    assert abs(ours - theirs) <= allowed * abs(theirs), f"{what} is {ours:.6g}, not {theirs:.6g}"


def check_compiled(trainers: Sequence[Trainer], compiled: bool) -> None:
    """Raise AssertionError unless trainers are compiled still, or not."""
    assert all(trainer.compiled == compiled for trainer in trainers), "compiling has failed: see the warning"
