#!/usr/bin/env python3
"""What it costs to have an epoch's batches, and how much memory a run on all of dSprites takes.

    python benchmarks/batches.py [--images N] [--rounds N]

Ours cuts the packed images of dSprites into batches with tensors. The yardstick is what most code does, over the same
bits: a PyTorch Dataset that gives one image at a time through torchvision's ToTensor, and a DataLoader. The rounds
alternate; printed are the medians, their ratio, and the share that ours has in an epoch of training on the same images.
Then main.py runs an epoch, for the peak of its memory. Writes results/benchmarks/batches.json. Run it on a machine that
does nothing else; all of dSprites takes many minutes.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from measuring import our_command, watch, write_report
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import ToTensor

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from utils.datasets import load_dataset  # noqa: E402
from utils.datasets.packed import PackedImages  # noqa: E402
from utils.machine.environment import keep_freed_memory  # noqa: E402
from vae.inputs import to_unit_interval  # noqa: E402
from vae.losses import build_loss  # noqa: E402
from vae.models import build_model  # noqa: E402
from vae.training.settings import TrainingSettings  # noqa: E402
from vae.training.trainer import Trainer  # noqa: E402

BATCH_SIZE, LATENT_DIM = 64, 10
TRAINED_IMAGES = 20_000  # of which the time of an epoch of training is reckoned


class OneByOne(Dataset):
    """The same images, one at a time."""

    def __init__(self, images: PackedImages):
        self.packed, self.image_shape = images.packed.numpy(), tuple(images.shape[1:])
        self.transform = ToTensor()

    def __len__(self) -> int:
        return len(self.packed)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.transform(np.unpackbits(self.packed[index]).reshape(*self.image_shape[1:], 1) * np.uint8(255))


def our_seconds(images: PackedImages) -> float:
    """Seconds of an epoch's batches as the Trainer makes them."""
    start = time.perf_counter()
    for index in torch.randperm(len(images)).split(BATCH_SIZE):
        to_unit_interval(images.index_select(0, index))
    return time.perf_counter() - start


def loader_seconds(images: PackedImages) -> float:
    """Seconds of an epoch's batches from a DataLoader."""
    loader = DataLoader(OneByOne(images), batch_size=BATCH_SIZE, shuffle=True)
    start = time.perf_counter()
    for _ in loader:
        pass
    return time.perf_counter() - start


def training_seconds(images: PackedImages) -> float:
    """Seconds of an epoch of training, from one on the first images."""
    part = PackedImages(images.packed[:TRAINED_IMAGES], tuple(images.shape[1:]))
    model = build_model(tuple(images.shape[1:]), LATENT_DIM)
    loss = build_loss("GJS", dataset_size=len(part), latent_dim=LATENT_DIM)
    trainer = Trainer(model, loss, part, TrainingSettings(batch_size=BATCH_SIZE))
    return trainer.train_epoch()["seconds"] * len(images) / len(part)


def peak_mib(train_size: int) -> float:
    """The peak of the resident memory of a run of main.py on dSprites, drawn from its factors, in MiB."""
    with tempfile.TemporaryDirectory() as results_dir, tempfile.TemporaryDirectory() as empty:
        run = ["batches", "--dataset", "dsprites", "--epochs", "1", "--train-size", str(train_size)]
        return watch(our_command(*run, "--results-dir", results_dir, "--data-dir", empty)).peak_mib


def main() -> None:
    """Measure in turn and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=663_552, help="train on the first N images (default: all)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each (default: 3)")
    arguments = parser.parse_args()
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as empty:
        images = load_dataset("dsprites", "train", empty, arguments.images).images
    rounds = [(our_seconds(images), loader_seconds(images), training_seconds(images)) for _ in range(arguments.rounds)]
    ours, loader, training = (statistics.median(column) for column in zip(*rounds))
    print(f"batches of an epoch of {len(images):,} images: {ours:.2f} s; one by one: {loader:.2f} s")
    print(f"ratio: {loader / ours:.1f}, to be at least 10")
    print(f"share of an epoch of training ({training:.1f} s): {ours / training:.1%}, to be under 5 %")
    peak = peak_mib(len(images))
    print(f"peak of a run's memory: {peak:.0f} MiB, to be at most 1536")
    report = {"images": len(images), "batches": ours, "one_by_one": loader, "training": training, "peak_mib": peak}
    write_report("batches", report)


if __name__ == "__main__":
    main()
