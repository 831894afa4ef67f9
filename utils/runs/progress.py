"""What a run shows while it trains: a progress bar within an epoch, and a line at the end of each."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from utils.datasets import Dataset
from utils.datasets.record import data_notes
from utils.runs.folder import BOOKKEEPING, DIAGNOSIS, PICTURES
from vae.training.trainer import Reporter


class Progress(Reporter):
    """The Trainer's reporter: a bar within an epoch, unless it was declined, and a line after it."""

    def __init__(self, epochs: int, *, bar: bool = True, after_batch: Callable[[], None] = lambda: None):
        self.epochs = epochs
        self.show = bar
        self.after_batch = after_batch
        self.bar: tqdm | None = None

    def start_epoch(self, epoch: int, images: int) -> None:
        self.bar = image_bar(f"epoch {epoch}/{self.epochs}", images, show=self.show)

    def advance(self, images: int) -> None:
        self.bar.update(images)
        self.after_batch()

    def end_epoch(self) -> None:
        self.bar.close()

    def epoch_line(self, record: dict[str, float]) -> None:
        """Print the record of an epoch: its terms, then its speed."""
        terms = "  ".join(f"{name} {value:.4g}" for name, value in record.items() if name not in BOOKKEEPING)
        split = "" if record["split"] == "train" else f"{record['split']}  "
        speed = (
            f"  {record['images_per_second']:.0f} images/s  {record['seconds']:.1f} s" if "seconds" in record else ""
        )
        print(f"epoch {record['epoch']}/{self.epochs}  {split}{terms}{speed}", flush=True)

    def ensemble_line(self, records: list[dict[str, float]]) -> None:
        """Print what an epoch of many runs as one came to: their losses from the least to the greatest, the speed."""
        if records:
            first, losses = records[0], [record["loss"] for record in records]
            speed = sum(record["images_per_second"] for record in records)
            print(
                f"epoch {first['epoch']}/{self.epochs}  {len(records)} runs  loss {min(losses):.4g} to "
                f"{max(losses):.4g}  {speed:.0f} images/s  {first['seconds']:.1f} s",
                flush=True,
            )


def image_bar(description: str, images: int, *, show: bool) -> tqdm:
    """A bar with images per second and the time left, on standard error where that is a terminal and `show` is true."""
    return tqdm(
        total=images,
        desc=description,
        unit=" images",
        leave=False,
        dynamic_ncols=True,
        disable=not (show and sys.stderr.isatty()),
    )


def show_notes(splits: dict[str, Dataset]) -> None:
    """Print what is to be known of the user's own data."""
    for note in data_notes(splits):
        print(note, flush=True)


def summarise(evaluation: dict[str, dict[str, Any]], folder: Path) -> None:
    """Print what came out and where it lies."""
    for symptom in evaluation.get(DIAGNOSIS, {}).values():
        print(f"note: {symptom['says']}")
    for part, values in evaluation.items():
        if part == DIAGNOSIS:
            continue
        shown = {name.replace("_", " "): value for name, value in values.items() if not isinstance(value, list)}
        terms = "  ".join(f"{name} {in_words(value)}" for name, value in shown.items())
        print(f"{part:5}  {terms}")
    pictures = [name for name in PICTURES if (folder / name).exists()]
    print(f"results in {folder}" + (f", pictures among them: {', '.join(pictures)}" if pictures else ""))


def in_words(value: float | dict[str, Any]) -> str:
    """A quantity of the evaluation: a number, or the evidence with all that belongs to it."""
    if not isinstance(value, dict):
        return f"{value:.4g}"
    low, high = value["interval"]
    images = f"{value['images']}{' binarised' if value['binarised'] else ''} images"
    effective = f"effective sample size {value['effective_sample_size']:.3g} of {value['importance_samples']}"
    return f"{value['mean']:.2f} ({low:.2f} to {high:.2f}; {images}, {effective})"
