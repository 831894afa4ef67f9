#!/usr/bin/env python3
"""Convolutions of the Burgess networks beside the same work as a matrix product of patches and weights.

    python benchmarks/layers.py [--rounds N] [--precision float32 bf16]

On CPUs with AVX-512 or AMX PyTorch's convolutions reach less than its matrix products do. A convolution is such a
product once every patch of the feature map has been copied to a row of its own: this measures whether the copy pays. A
transposed convolution has the same three passes: what goes backward by data in one goes forward in the other. The
decoder's last, which is computed as a 2x2 convolution, is not measured.

Each pass is done both ways in turn, on channels-last maps of a batch of 64, as in training; both must agree. Prints
medians, with GFLOP/s, and writes them to results/benchmarks/layers.json.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import torch
from measuring import write_report
from torch import Tensor
from torch.nn import functional

BATCH = 64
CHANNELS = 32
KERNEL, STRIDE = 4, 2
REPEATS = 20  # of a pass before the other way has its turn
PRECISIONS = {"float32": torch.float32, "bf16": torch.bfloat16}


class Layer(NamedTuple):
    """A convolution, by what goes in and comes out."""

    inputs: int  # channels; 32 come out
    size: int  # of what goes in
    by_data: bool = True  # whether a step needs the gradient by what goes in

    @property
    def out(self) -> int:
        """The size of what comes out."""
        return self.size // STRIDE

    @property
    def gflop(self) -> float:
        return 2e-9 * BATCH * self.out**2 * KERNEL**2 * self.inputs * CHANNELS


LAYERS = {
    "grey image to 32 channels, 32x32": Layer(1, 32, by_data=False),
    "32 to 32 channels, 16x16": Layer(CHANNELS, 16),
    "32 to 32 channels, 8x8": Layer(CHANNELS, 8),
}


def patches(padded: Tensor, kernel: int, stride: int, count: int, top: int = 0, left: int = 0) -> Tensor:
    """The first count x count patches of maps (N, H, W, C) in their margin, from (top, left) on, a row each."""
    batch, height, width, channels = padded.shape
    row = width * channels
    # The columns of a patch lie side by side in memory, so that a row of it is copied as a whole.
    shape = (batch, count, count, kernel, kernel * channels)
    strides = (height * row, stride * row, stride * channels, row, 1)
    return padded.as_strided(shape, strides, top * row + left * channels).flatten(3)


def margin(features: Tensor) -> Tensor:
    """Maps (N, H, W, C) within a margin of one pixel of zeros."""
    return functional.pad(features, (0, 0, 1, 1, 1, 1))


class Case:
    """One layer's data and weights, and its passes both ways. The products take and give maps as (N, H, W, C)."""

    def __init__(self, layer: Layer, dtype: torch.dtype):
        self.layer = layer

        def drawn(*shape: int) -> Tensor:
            return torch.randn(shape, dtype=dtype).to(memory_format=torch.channels_last)

        self.features = drawn(BATCH, layer.inputs, layer.size, layer.size)
        self.weight = drawn(CHANNELS, layer.inputs, KERNEL, KERNEL)
        self.gradient = drawn(BATCH, CHANNELS, layer.out, layer.out)
        # Weights as matrices are made once a step, at next to no cost: they are no part of what is measured.
        taps = self.weight.permute(2, 3, 1, 0)  # (4, 4, inputs, outputs)
        self.matrix = taps.flatten(0, 2).contiguous()
        self.phases = {
            (row, column): taps.flip(0, 1)[row::2, column::2].transpose(2, 3).flatten(0, 2).contiguous()
            for row, column in product((0, 1), repeat=2)
        }
        self.last, self.rows = (part.permute(0, 2, 3, 1) for part in (self.features, self.gradient))
        self.patches = self.rows_of_patches().flatten(0, 2)

    def passes(self) -> dict[str, tuple[Callable[[], Tensor], Callable[[], Tensor]]]:
        """The convolution and the product of each pass."""
        found = {
            "forward": (self.convolved, self.multiplied),
            "backward by weights": (lambda: self.back(1), self.multiplied_by_weights),
        }
        if self.layer.by_data:
            found["backward by data"] = (lambda: self.back(0), self.multiplied_by_data)
        return found

    def convolved(self) -> Tensor:
        return functional.conv2d(self.features, self.weight, stride=STRIDE, padding=1)

    def multiplied(self) -> Tensor:
        return (self.rows_of_patches() @ self.matrix).permute(0, 3, 1, 2)

    def rows_of_patches(self) -> Tensor:
        """The patches that the kernel goes over, (N, H / 2, W / 2, 16 inputs)."""
        return patches(margin(self.last), KERNEL, STRIDE, self.layer.out)

    def back(self, part: int) -> Tensor:
        """The gradient by data (0) or by weights (1)."""
        strides, wanted = [STRIDE] * 2, [index == part for index in range(3)]
        return torch.ops.aten.convolution_backward(
            self.gradient, self.features, self.weight, None, strides, [1, 1], [1, 1], False, [0, 0], 1, wanted
        )[part]

    def multiplied_by_weights(self) -> Tensor:
        """With the patches that the forward pass would have kept."""
        found = self.patches.t() @ self.rows.flatten(0, 2)
        return found.unflatten(0, (KERNEL, KERNEL, self.layer.inputs)).permute(3, 2, 0, 1)

    def multiplied_by_data(self) -> Tensor:
        """Rows and columns of the data that are even or odd take every other tap each: four products of 2x2 patches."""
        half, padded = self.layer.out, margin(self.rows)
        found = padded.new_empty(BATCH, half, 2, half, 2, self.layer.inputs)
        for (row, column), matrix in self.phases.items():
            found[:, :, row, :, column] = patches(padded, 2, 1, half, row, column) @ matrix
        return found.flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)


def milliseconds(work: Callable[[], Tensor]) -> float:
    """What one call takes, in the mean over a few."""
    begin = time.perf_counter()
    for _ in range(REPEATS):
        work()
    return (time.perf_counter() - begin) / REPEATS * 1e3


@torch.no_grad()
def measure(layer: Layer, precision: str, rounds: int) -> dict[str, dict[str, float]]:
    """Medians of each pass of a layer both ways, in milliseconds."""
    torch.manual_seed(0)
    case, found = Case(layer, PRECISIONS[precision]), {}
    for name, (convolution, matrix_product) in case.passes().items():
        expected = convolution().float()
        apart = torch.linalg.norm(matrix_product().float() - expected) / torch.linalg.norm(expected)
        if apart > 0.02:
            raise SystemExit(f"{name}: the two ways differ by {apart:.2g} of the whole")
        times = [(milliseconds(convolution), milliseconds(matrix_product)) for _ in range(rounds)]
        found[name] = dict(zip(("convolution", "product"), map(statistics.median, zip(*times))))
    return found


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="measurements of each pass (default: 15)")
    parser.add_argument("--precision", nargs="+", choices=PRECISIONS, default=list(PRECISIONS), help="(default: both)")
    arguments = parser.parse_args()
    report: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    print(f"{'':46} {'convolution':>19} {'matrix product':>19}")
    for precision in arguments.precision:
        report[precision] = {}
        for name, layer in LAYERS.items():
            report[precision][name] = measure(layer, precision, arguments.rounds)
            print(f"{precision}, {name}")
            for one, ways in report[precision][name].items():
                said = "".join(f" {ms:7.3f} ms {layer.gflop / ms * 1e3:4.0f}/s" for ms in ways.values())
                print(f"    {one:42}{said}  {ways['product'] / ways['convolution']:5.2f} times", flush=True)
    print("Behind each time: GFLOP a second.")
    write_report("layers", {"rounds": arguments.rounds, "batch": BATCH, "milliseconds": report})


if __name__ == "__main__":
    main()
