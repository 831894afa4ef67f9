"""What a run shows while it trains: a progress bar within an epoch, and a line at the end of each."""

import sys
from pathlib import Path

from tqdm import tqdm

from utils.results import BOOKKEEPING, PICTURES


class Progress:
    """The Trainer's reporter: a bar with images per second and the time left, on standard error.

    The bar is not shown where it was declined or where standard error is not a terminal; the lines always are.
    """

    def __init__(self, epochs: int, *, bar: bool = True):
        self.epochs = epochs
        self.disable = not (bar and sys.stderr.isatty())
        self.bar: tqdm | None = None

    def start_epoch(self, epoch: int, images: int) -> None:
        self.bar = tqdm(
            total=images,
            desc=f"epoch {epoch}/{self.epochs}",
            unit=" images",
            leave=False,
            dynamic_ncols=True,
            disable=self.disable,
        )

    def advance(self, images: int) -> None:
        self.bar.update(images)

    def end_epoch(self) -> None:
        self.bar.close()

    def epoch_line(self, record: dict[str, float]) -> None:
        """Print the record of an epoch: its terms, then its speed."""
        terms = "  ".join(f"{name} {value:.4g}" for name, value in record.items() if name not in BOOKKEEPING)
        split = "test  " if record["split"] == "test" else ""
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


def summarise(evaluation: dict[str, dict[str, float]], folder: Path) -> None:
    """Print what came out and where it lies."""
    for split, values in evaluation.items():
        terms = "  ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in values.items())
        print(f"{split:5}  {terms}")
    pictures = [name for name in PICTURES if (folder / name).exists()]
    print(f"results in {folder}" + (f", pictures among them: {', '.join(pictures)}" if pictures else ""))
