#!/usr/bin/env python3
"""Many runs as one batched model against the same runs alone, and against what the machine could do at best.

    python benchmarks/ensemble.py [--members N] [--images N] [--rounds N] [--device NAME] [--compile]

The members are the runs of `--preset table1` on MNIST, 24 for each seed; the images are random bytes, on which the
time does not depend. Every round trains an epoch of all members as one, then of each alone; printed are the medians. On
a CPU the clock is the process's own, with one thread, so that what else the machine does is not counted.

Two bounds stand beside: the arithmetic of the networks, forward and backward, at the rate of a large matrix product
(TF32 where the device has it), and the bytes that must move, at the rate of a large copy. Those are every layer's
output (written, read by the next layer, read again in the backward pass, its gradient written and read) and the
parameters (read twice, their gradients written, and Adam's three reads more and three writes). Writes
results/benchmarks/ensemble.json.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch
from measuring import write_report
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from utils.grids.grid import configurations  # noqa: E402
from utils.machine.environment import choose_device, keep_freed_memory  # noqa: E402
from utils.runs.config import RunConfig  # noqa: E402
from utils.runs.progress import Progress  # noqa: E402
from vae.random import Stream, seed_everything  # noqa: E402
from vae.saved import build  # noqa: E402
from vae.training.ensemble import Ensemble  # noqa: E402
from vae.training.trainer import Trainer  # noqa: E402

IMAGE_SHAPE, BATCH_SIZE, FLOAT = (1, 32, 32), 64, 4
OUTPUT_PASSES, PARAMETER_PASSES = 5, 9


def members(count: int) -> list[RunConfig]:
    """The configurations of so many runs: those of Table 1 on MNIST, with as many seeds as it takes."""
    seeds = list(range(-(-count // 24)))
    configs = configurations({"dataset": "mnist", "seed": [*seeds, len(seeds)]}, "table1")
    return sorted(configs, key=lambda config: config.seed)[:count]


def make_trainer(config: RunConfig, data: torch.Tensor, progress: Progress, compiled: bool) -> Trainer:
    """The trainer of a run, as the run makes it."""
    seed_everything(config.seed, Stream.WEIGHTS)
    model, loss = (part.to(data.device) for part in build(config, IMAGE_SHAPE, len(data)))
    return Trainer(model, loss, data, config.training(compiled=compiled), reporter=progress)


def seconds(work, device: torch.device) -> float:
    """How long a function takes; on a CPU in the time of the process."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    wait()
    start = clock()
    work()
    wait()
    return clock() - start


def best_rates(device: torch.device) -> tuple[float, float]:
    """FLOP/s of a large matrix product and byte/s of a large copy, the best of six each."""
    torch.backends.cuda.matmul.allow_tf32 = True
    size = 8192 if device.type == "cuda" else 1024
    matrix = torch.randn(size, size, device=device)
    product = min(seconds(lambda: matrix @ matrix, device) for _ in range(6))
    torch.backends.cuda.matmul.allow_tf32 = False
    source = torch.empty(64 * size * size // 16, device=device).zero_()
    target = torch.empty_like(source).zero_()
    copy = min(seconds(lambda: target.copy_(source), device) for _ in range(6))
    return 2 * size**3 / product, 2 * source.nbytes / copy


def work_of_an_image(trainer: Trainer) -> tuple[float, float]:
    """FLOP and bytes of one image's share of a training step."""
    outputs = []
    layers = [m for m in trainer.model.modules() if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)]
    hooks = [layer.register_forward_hook(lambda _, __, output: outputs.append(output.numel())) for layer in layers]
    images = torch.rand(BATCH_SIZE, *IMAGE_SHAPE, device=trainer.data.device)
    with FlopCounterMode(display=False) as counter:
        trainer.loss(trainer.model, images).total.backward()
    for hook in hooks:
        hook.remove()
    trainer.optimizer.zero_grad()
    parameters = sum(parameter.numel() for parameter in trainer.model.parameters())
    floats = OUTPUT_PASSES * sum(outputs) + PARAMETER_PASSES * parameters
    return counter.get_total_flops() / BATCH_SIZE, FLOAT * floats / BATCH_SIZE


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=24, help="runs to train as one (default: 24)")
    parser.add_argument("--images", type=int, help="images of an epoch (default: 12800 on a GPU, 640 on a CPU)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each (default: 3)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    parser.add_argument("--compile", action="store_true", help="train by torch.compile, as one and alone")
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    torch._dynamo.config.recompile_limit = arguments.members  # all of those alone are compiled, not eight
    if device.type == "cpu":
        torch.set_num_threads(1)
        keep_freed_memory()
    images = arguments.images or (12_800 if device.type == "cuda" else 640)
    data = torch.randint(256, (images, *IMAGE_SHAPE), dtype=torch.uint8).to(device)
    progress = Progress(1, bar=False)
    together, alone = (
        [make_trainer(config, data, progress, arguments.compile) for config in members(arguments.members)]
        for _ in range(2)
    )
    flop, moved = work_of_an_image(alone[0])
    flop_rate, byte_rate = best_rates(device)

    def all_alone() -> None:
        for trainer in alone:
            trainer.train_epoch()

    rounds = []
    for number in range(arguments.rounds + 1):
        taken = [seconds(lambda: Ensemble(together, progress).train_epoch(), device), seconds(all_alone, device)]
        speeds = [arguments.members * images / each for each in taken]
        if number:  # the first is to warm up
            rounds.append(dict(zip(("as_one", "alone"), speeds)))
            print(f"round {number}: {speeds[0]:,.0f} images/s as one, {speeds[1]:,.0f} alone", flush=True)
    medians = {name: statistics.median(row[name] for row in rounds) for name in rounds[0]}
    floors = {"arithmetic": flop_rate / flop, "bytes": byte_rate / moved}
    print(f"{arguments.members} members: {medians['as_one']:,.0f} images/s as one, {medians['alone']:,.0f} alone")
    print(f"ratio: {medians['as_one'] / medians['alone']:.2f}")
    print(f"at best {floors['arithmetic']:,.0f} images/s by arithmetic ({flop / 1e6:.1f} MFLOP an image)")
    print(f"at best {floors['bytes']:,.0f} images/s by bytes ({moved / 1e3:.0f} kB an image)")
    report = {
        "device": device.type,
        "members": arguments.members,
        "images": images,
        "compiled": arguments.compile,
        "images_per_second": medians,
        "ratio": medians["as_one"] / medians["alone"],
        "at_best_images_per_second": floors,
        "flop_per_image": flop,
        "bytes_per_image": moved,
        "rounds": rounds,
    }
    write_report("ensemble", report)


if __name__ == "__main__":
    main()
