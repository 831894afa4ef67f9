"""What a run shows: what it will do, a table of its epochs and how long the rest takes, and what came out."""

import math
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from tqdm import tqdm

from utils.datasets import Dataset, portable_name
from utils.datasets.notes import shape_note
from utils.datasets.record import data_notes
from utils.machine.bars import bar
from utils.machine.console import counted
from utils.runs.config import RunConfig
from utils.runs.folder import ANIMATION, BOOKKEEPING, DIAGNOSIS, PICTURES
from vae.evaluation.evaluator import rate
from vae.losses import LOSSES
from vae.training.trainer import Reporter

SETTLED = 100  # steps after which the time that the rest takes is told
MINUTE = 60.0
LINES = 20  # that take the place of a bar in a whole run, at most
GLANCE = 250  # test images that an epoch's line is about, where no more are evaluated
NARROWEST = 9  # column of numbers
GAP = "  "


class Pace:
    """How long the rest of a run takes, by what was done since the end of its first step here."""

    def __init__(self, epochs: int):
        self.epochs = epochs
        self.images, self.done, self.steps = 0, 0, 0  # of an epoch; of the whole run; here
        self.begun: tuple[float, int] | None = None  # when, and what was done by then

    def start_epoch(self, epoch: int, images: int) -> None:
        self.images, self.done = images, (epoch - 1) * images

    def advance(self, images: int) -> None:
        self.done += images
        self.steps += 1
        self.begun = self.begun or (perf_counter(), self.done)

    @property
    def seconds_per_image(self) -> float | None:
        """Evaluation and saving between the epochs included; None before there is more than a step."""
        if self.begun is None or self.done <= self.begun[1]:
            return None
        return (perf_counter() - self.begun[0]) / (self.done - self.begun[1])

    def left(self) -> float:
        """How many seconds."""
        return (self.epochs * self.images - self.done) * (self.seconds_per_image or 0)

    def told(self) -> str:
        """That in words; empty while it is not known, and at the end."""
        return about(self.left()) if self.left() else ""


class Progress(Reporter):
    """The Trainer's reporter, and the table of epochs.

    Within an epoch there is a bar, unless it was declined; where there is no terminal, a line now and then.
    """

    def __init__(self, epochs: int, *, bar: bool = True, after_batch: Callable[[], None] = lambda: None):
        self.epochs, self.show, self.after_batch = epochs, bar, after_batch
        self.pace = Pace(epochs)
        self.bar: tqdm | None = None
        self.columns: dict[str, int] = {}  # of the table, with their widths, once it has begun
        self.said: float | None = None  # when the last line was written

    def start_epoch(self, epoch: int, images: int) -> None:
        self.pace.start_epoch(epoch, images)
        self.bar = bar(show=self.show, total=images, desc=f"epoch {epoch}/{self.epochs}", unit=" images")

    def advance(self, images: int) -> None:
        self.pace.advance(images)
        if self.bar.disable:
            self.line_if_due()
        elif self.pace.steps >= SETTLED:
            self.bar.set_postfix_str(f"{self.pace.told() or 'nothing'} left of the run", refresh=False)
        self.bar.update(images)
        self.after_batch()

    def end_epoch(self) -> None:
        self.bar.close()

    def line_if_due(self) -> None:
        """What takes the place of a bar: a line as soon as the time left can be told, then now and then."""
        if self.pace.steps < SETTLED or self.pace.left() < MINUTE:
            return
        now, per_image = perf_counter(), self.pace.seconds_per_image
        whole = self.epochs * self.pace.images * per_image
        if self.said is None or now - self.said >= max(MINUTE, whole / LINES):
            self.said = now
            done = self.pace.done / self.pace.images
            print(
                f"epoch {done:.2f} of {self.epochs}, {1 / per_image:.0f} images/s, {self.pace.told()} left", flush=True
            )

    def epoch_line(self, train: dict[str, Any], seen: dict[str, Any]) -> None:
        """A line of the table, of an epoch's record, and of what images came to that were not trained on, if known."""
        terms = {name.replace("_", " "): value for name, value in train.items() if name not in BOOKKEEPING}
        cells = {
            "epoch": f"{train['epoch']}/{self.epochs}",
            **{name: digits(value) for name, value in (first_terms(seen) | terms).items()},
            "images/s": f"{train['images_per_second']:.0f}",
            "time left": self.pace.told().removeprefix("about "),
        }
        if not self.columns:
            self.columns = fitting({name: max(len(name), NARROWEST) for name in cells}, terms)
            print(table_line(dict(zip(self.columns, self.columns)), self.columns))
        print(table_line(cells, self.columns), flush=True)
        self.said = perf_counter()

    def ensemble_line(self, records: list[dict[str, float]]) -> None:
        """Print what an epoch of many runs as one came to: their losses from the least to the greatest, the speed."""
        if records:
            first, losses = records[0], [record["loss"] for record in records]
            speed = sum(record["images_per_second"] for record in records)
            left = f"{GAP}{told} left" if (told := self.pace.told()) else ""
            print(
                f"epoch {first['epoch']}/{self.epochs}  {len(records)} runs  loss {min(losses):.4g} to "
                f"{max(losses):.4g}  {speed:.0f} images/s  {first['seconds']:.1f} s{left}",
                flush=True,
            )


def first_terms(values: dict[str, Any]) -> dict[str, float | None]:
    """The paper's figure of merit and KL(q‖p), by the names that they are shown by; None for what is not known."""
    return {"squared error": values.get("squared_error"), "KL(q‖p)": rate(values)}


def digits(value: float | None) -> str:
    """A number by its first four digits, zeros at the end included, so that columns can be read."""
    return "" if value is None else f"{value:#.4g}".rstrip(".")


def fitting(columns: dict[str, int], terms: Iterable[str]) -> dict[str, int]:
    """The columns that a terminal is wide enough for: the last terms, but for the loss, are left out if need be."""
    wide = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for name in list(terms)[:0:-1]:
        if wide is None or sum(columns.values()) + len(GAP) * (len(columns) - 1) <= wide:
            break
        del columns[name]
    return columns


def table_line(cells: dict[str, str], columns: dict[str, int]) -> str:
    """Cells in their columns."""
    return GAP.join(cells.get(name, "").rjust(width) for name, width in columns.items()).rstrip()


def about(seconds: float) -> str:
    """About how long, such as "about 3 minutes"."""
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds > 1.5 * length:
            return f"about {round(seconds / length)} {unit}"
    return f"about {counted(max(1, round(seconds)), 'second')}"


def show_aim(config: RunConfig, device: torch.device) -> None:
    """Print what is known of a run before its data are loaded."""
    options = [
        f"{option.symbol or option.name.replace('_', '-')} = {config.loss_options[option.name]}"
        for option in LOSSES[config.loss].options
        if not (config.prior and option.name in LOSSES[config.loss].prior_options)
    ]
    loss = config.loss + (f" ({', '.join(options)})" if options else "")
    size = counted(config.latent_dim, "latent dimension")
    parts = ", ".join([f"{config.network} networks", size, *config.chosen_parts(), config.rec_dist])
    where = str(device) if device.type != "cpu" else f"cpu with {counted(torch.get_num_threads(), 'thread')}"
    print(f"{portable_name(config.dataset)}, {loss}: {parts}, seed {config.seed}; {where}", flush=True)


def show_notes(splits: dict[str, Dataset]) -> None:
    """Print what is to be known of the user's own data."""
    for note in data_notes(splits):
        print(note, flush=True)


def show_plan(config: RunConfig, splits: dict[str, Dataset], parameters: int, done: int) -> None:
    """Print how much a run has to do, of which so many epochs are done, and what its table will be of."""
    train = splits["train"]
    kind = "images" if train.vectors is None else "vectors"
    *others, last = (f"{len(split):,} {name}" for name, split in splits.items())
    steps_per_epoch = math.ceil(len(train) / config.batch_size)
    before = f", {done} of them done" if done else ""
    epochs = f"{counted(config.epochs, 'epoch')} of {counted(steps_per_epoch, 'step')}{before}"
    print(
        f"{', '.join(others)} and {last} {kind}, {shape_note(train.image_shape)}; {parameters:,} parameters; {epochs}"
    )
    growing, whole = config.loss_options.get("reg_anneal", 0), config.epochs * steps_per_epoch
    if growing > whole:
        final = f"--loss {config.loss} is evaluated in its final form, in which it was never trained"
        print(f"note: --reg-anneal {growing} does not end within the {whole:,} steps: {final}")
    seen = "validation" if "validation" in splits else "test"
    some = "" if seen == "validation" or config.evaluate_every or len(splits[seen]) <= GLANCE else f"first {GLANCE} "
    print(
        f"squared error and KL(q‖p): of the {some}{seen} {kind}, z = posterior mean; other terms: of training",
        flush=True,
    )


def summarise(evaluation: dict[str, dict[str, Any]], folder: Path, written: str | None = None) -> None:
    """Print what came out and where it lies: in the folder of a run, or in the one file there that was written."""
    for symptom in evaluation.get(DIAGNOSIS, {}).values():
        print(f"note: {symptom['says']}")
    for part, values in evaluation.items():
        if part == DIAGNOSIS:
            continue
        first = {name: value for name, value in first_terms(values).items() if value is not None}
        shown = {name.replace("_", " "): value for name, value in values.items() if not isinstance(value, list)}
        terms = "  ".join(f"{name} {in_words(value)}" for name, value in (first | shown).items())
        print(f"{part:5}  {terms}")
    if written:
        print(f"results in {folder / written}")
        return
    pictures = [name for name in (*PICTURES, ANIMATION) if (folder / name).exists()]
    print(f"results in {folder}" + (f", pictures among them: {', '.join(pictures)}" if pictures else ""))


def in_words(value: float | dict[str, Any]) -> str:
    """A quantity of the evaluation: a number, or the evidence with all that belongs to it."""
    if not isinstance(value, dict):
        return f"{value:.4g}"
    low, high = value["interval"]
    images = f"{value['images']}{' binarised' if value['binarised'] else ''} images"
    effective = f"effective sample size {value['effective_sample_size']:.3g} of {value['importance_samples']}"
    return f"{value['mean']:.2f} ({low:.2f} to {high:.2f}; {images}, {effective})"
