"""A run's folder results/<experiment>/: what is in it, written so that a crash at any moment leaves it whole."""

import json
import os
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from utils.machine.forms import check_form
from utils.machine.locks import held
from vae.saved import CONFIG, MODEL, ResultsError, load_tensors, read_json, read_regular, regular, to_bytes, to_json

METRICS, EVALUATION = "metrics.jsonl", "evaluation.json"
CHECKPOINT, PREVIOUS_CHECKPOINT = "checkpoint.pt", "checkpoint-previous.pt"
RECONSTRUCTIONS, SAMPLES, TRAVERSALS = "reconstructions.png", "samples.png", "traversals.png"
CLASSES, INTERPOLATIONS = "classes.png", "interpolations.png"  # of models with classes
FITTED_SAMPLES = "samples-gmm.png"  # with --sampler gmm
LATENT, MARGINALS, CURVES = "latent.png", "marginals.png", "curves.png"
EXPLORE = "explore.html"  # the page that decodes in the browser
REPORT, TABLE, CSV = "report.html", "table.md", "table.csv"  # with --report
EXPORTED_SAMPLES = 10_000  # with --export samples, where nothing is said
EXPORTS = {  # what other programs are to read: the file, or the folder, of each kind by its format, the usual one first
    "latents": {"npz": "export-latents.npz", "csv": "export-latents.csv"},
    "samples": {"npz": "export-samples.npz", "png": "export-samples"},
    "reconstructions": {"npz": "export-reconstructions.npz", "png": "export-reconstructions"},
    "onnx": {"onnx": "export-decoder.onnx"},
}
EXPORTED = tuple(name for formats in EXPORTS.values() for name in formats.values())
EXPORTED_FOLDERS = ("images", "reconstructions")  # in the folder of an export that has pictures of both
ANIMATION, FRAME = "training.gif", "frame-{:06}.png"  # with --gif: what it is made of, by epoch, stays for --resume
FRAMES = "frame-[0-9][0-9][0-9][0-9][0-9][0-9].png"
ELSEWHERE, SWEPT = "evaluation-on-*.json", "*_dataset-*_rec-dist-*.png"  # on other data; figures of a report
EVENTS = "events.out.tfevents.metrics"  # the scalars for TensorBoard; it looks for "tfevents" in a name
# No run has all of these.
PAGES = (EXPLORE, REPORT, TABLE, CSV)
PICTURES = (RECONSTRUCTIONS, SAMPLES, FITTED_SAMPLES, TRAVERSALS, CLASSES, INTERPOLATIONS, LATENT, MARGINALS, CURVES)
FILES = (CONFIG, METRICS, EVALUATION, MODEL, CHECKPOINT, PREVIOUS_CHECKPOINT, EVENTS, *PICTURES, *PAGES)
DIAGNOSIS = "diagnosis"  # the part of evaluation.json on what is wrong
BOOKKEEPING = ("epoch", "step", "split", "seconds", "images_per_second")  # in a line of metrics.jsonl, not terms

# The forms of the files, see utils.machine.forms.
LEAF = (float, bool, str, None)
LEAVES = (*LEAF, [LEAF], {...: (*LEAF, [LEAF], {...: (*LEAF, [LEAF])})})
ENVIRONMENT = {
    "git_revision": (str, None),
    "versions": {...: str},
    "machine": {...: LEAF},
    "compiled?": bool,
}
DATA = {
    **{"name": str, "source": str, "sha256": {"train": str, "test": str}, "image_shape": [int]},
    **{"train_images": int, "test_images": int, ...: LEAVES},
}
CONFIG_FORM = {
    **ENVIRONMENT,
    **{"data": DATA, "ended_after": (int, None)},
    **{"resumed_with?": ([{**ENVIRONMENT, ...: LEAVES}], {**ENVIRONMENT, ...: LEAVES})},  # a single one in older files
    **{"loss": str, "loss_options": {...: LEAF}, ...: LEAVES},
}
METRICS_FORM = {"epoch": int, "step?": int, "split": str, "loss": float, ...: float}  # a line
EVIDENCE = {
    **{"mean": float, "interval": [float, float], "images": int, "binarised": bool},
    **{"effective_sample_size": float, "importance_samples": int, ...: (float, [float])},
}
SPLIT = {"squared_error": float, "evidence?": EVIDENCE, ...: float}
SYMPTOMS = {...: {"says": str, ...: LEAF}}
EVALUATION_FORM = {"train": SPLIT, "test": SPLIT, "diagnosis?": SYMPTOMS, ...: {...: (float, [float])}}
ELSEWHERE_FORM = {"data": {"name": str, "sha256": str, "images": int, ...: LEAF}, "noise": float, "test": SPLIT}
FORMS = {CONFIG: CONFIG_FORM, EVALUATION: EVALUATION_FORM}
RESUME = "--resume goes on"
SCRATCH, ROOM = ".room", 100_000  # a file of so many bytes is tried before what is there is cleared


class ResultsFolder:
    """The files of one run. Every file but metrics.jsonl is replaced atomically.

    It is written to, unless it is another process that `writes` it: then it is only read here. Where writing fails,
    `again` tells what goes on, or begins again, once that is put right.
    """

    def __init__(self, path: Path, *, writes: bool = True, again: str = RESUME):
        self.path, self.writes, self.again = path, writes, again
        self.origin: dict[str, Any] | None = None  # of what is saved, see vae.saved

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def check_free(self, *, overwrite: bool) -> None:
        """Raise ResultsError if a run cannot go here: there is something (unless overwrite), or no folder can be."""
        if not self.writes:
            return
        self.check_place()
        partial = {partial_name(name) for name in FILES}  # what a crash may leave
        if self.is_grid():
            raise ResultsError(f"{self.path} holds several runs: choose another name")
        if overwrite or not self.path.exists() or {path.name for path in self.path.iterdir()} <= partial:
            return
        resume = "--resume to go on with it, " if (self / CONFIG).exists() else ""
        raise ResultsError(f"{self.path} exists: choose another name, {resume}or --overwrite to replace it")

    def check_place(self) -> None:
        """Raise ResultsError if the folder, or where it is to be, cannot be written to."""
        place = next(path for path in (self.path, *self.path.absolute().parents) if path.exists())
        if not place.is_dir() or not os.access(place, os.W_OK):
            raise ResultsError(f"{place} is not a folder that can be written to: choose another --results-dir")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes out of the folder meanwhile. It is made if need be, and goes again if it stays empty.

        Raises ResultsError if it cannot be made or another process is at work in it. The lock ends with the process,
        however that ends, and leaves no file.
        """
        if not self.writes:
            yield
            return
        if not self.path.is_dir():
            self.check_place()
        with ExitStack() as stack:
            try:
                stack.enter_context(held(self.path, wait=False))
            except BlockingIOError:
                raise ResultsError(f"another process is at work in {self.path}: wait for it, or stop it") from None
            except OSError as error:
                raise ResultsError(
                    f"cannot create {self.path} ({error.strerror}): choose another --results-dir"
                ) from None
            yield

    def is_grid(self) -> bool:
        """Whether it is no run itself, and holds some."""
        return not (self / CONFIG).exists() and any(self.path.glob(f"*/{CONFIG}"))

    def clear(self) -> None:
        """Remove the files of a run; anything else in the folder is the user's and stays.

        Raises ResultsError, and removes nothing, where nothing could be written in their place.
        """
        names = (*FILES, *EXPORTED, *self.made_of_model(), *(path.name for path in self.path.glob(FRAMES)))
        found = [path for name in names for path in (self / name, self / partial_name(name)) if os.path.lexists(path)]
        if found and self.writes:
            there = ResultsFolder(self.path, again="the same command begins it again")
            there.replace(SCRATCH, lambda file: file.write(bytes(ROOM)))
            for path in (self / SCRATCH, *found):
                remove(path)

    def made_of_model(self) -> list[str]:
        """The names of pictures, pages and evaluations on other data, which go where the model does."""
        found = [path.name for made in (ELSEWHERE, SWEPT) for path in self.path.glob(made)]
        return [*PICTURES, ANIMATION, *PAGES, *found]

    def drop_made(self) -> bool:
        """Remove what was made of the model, but for exports; whether there was anything."""
        found = [self / name for name in self.made_of_model() if (self / name).exists()] if self.writes else []
        for path in found:
            remove(path)
        return bool(found)

    def read(self, name: str) -> bytes:
        """The content of a file. Raises OSError if it is missing, or is a link or anything else than a file."""
        return read_regular(self / name)

    # JSON

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write config.json, evaluation.json or an evaluation on other data."""
        text = to_json(content)
        self.replace(name, lambda file: file.write(text))

    def read_json(self, name: str) -> dict[str, Any]:
        """Read such a file. Raises ResultsError if it is missing or damaged."""
        remedy = "restore it, or choose another name" if name == CONFIG else "--is-eval-only makes it anew"
        form = FORMS.get(name, ELSEWHERE_FORM)
        return read_json(self / name, remedy=remedy, check=lambda content: check_form(content, form))

    # Metrics

    def append_metrics(self, *records: dict[str, Any]) -> None:
        """Add lines to metrics.jsonl, and make sure that they are on the disk: all of them, or none."""
        if not self.writes:
            return
        path = self / METRICS
        before = path.stat().st_size if path.exists() else 0
        with self.writing(METRICS):
            try:
                with open(path, "a", encoding="utf-8", opener=regular) as file:
                    file.write("".join(json.dumps(record) + "\n" for record in records))
                    file.flush()
                    os.fsync(file.fileno())
            except OSError:
                with suppress(OSError):
                    os.truncate(path, before)
                raise

    def read_metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl, but for what a crash has left of the last. Raises ResultsError for others."""
        path = self / METRICS
        try:
            lines = self.read(METRICS).splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ResultsError(f"{path} cannot be read ({error.strerror}): restore it") from None
        records = []
        for number, line in enumerate(lines, start=1):
            try:
                record = json.loads(line)
                check_form(record, METRICS_FORM)
                records.append(record)
            except (ValueError, RecursionError) as error:
                if number < len(lines):
                    said = f"line {number} of {path} is damaged ({error}): mend it, or take it out"
                    raise ResultsError(said) from None
        return records

    def drop_metrics_after(self, epoch: int) -> None:
        """Keep only the lines up to that epoch, which is the checkpoint's. Raises ResultsError if one is missing."""
        kept = [record for record in self.read_metrics() if record["epoch"] <= epoch]
        found = [record["epoch"] for record in kept if record["split"] == "train"]
        if found != list(range(1, epoch + 1)):
            raise ResultsError(
                f"{self / METRICS} does not have a train line for each of the checkpoint's epochs 1 to {epoch}: "
                "restore it, or run again under another name"
            )
        text = "".join(json.dumps(record) + "\n" for record in kept)
        self.replace(METRICS, lambda file: file.write(text.encode()))

    # Weights and checkpoints

    def save_model(self, state: dict[str, Any]) -> None:
        """Write model.pt, {"model": …, "loss": …}."""
        self.replace(MODEL, lambda file: file.write(to_bytes(state, self.origin)))

    def save_checkpoint(self, state: dict[str, Any]) -> None:
        """Write checkpoint.pt and keep the one before it; there is a whole checkpoint.pt at every moment."""
        if not self.writes:
            return
        with suppress(OSError):
            content = self.read(CHECKPOINT)
            self.replace(PREVIOUS_CHECKPOINT, lambda file: file.write(content))
        self.replace(CHECKPOINT, lambda file: file.write(to_bytes(state, self.origin)))

    def load_checkpoint(self, **expected: Any) -> dict[str, Any] | None:
        """Read checkpoint.pt, or None where there is none yet. Raises ResultsError if it is damaged or gone.

        What is expected of it is the config.json that it should belong to, see vae.saved.load_tensors.
        """
        path, previous = self / CHECKPOINT, self / PREVIOUS_CHECKPOINT
        if not path.exists() and not previous.exists():
            return None
        again = shlex.join(["mv", str(previous), str(path)])
        remedy = f"to go on from the one before it: {again}, then --resume again"
        remedy = remedy if previous.exists() else "run again under another name"
        return load_tensors(path, remedy=remedy, **expected)

    def replace(self, name: str, write: Callable[[BinaryIO], Any]) -> Any:
        """Write a file as `replacing` has it, once it is on the disk; give what `write` does."""
        if not self.writes:
            return None
        with self.replacing(name) as partial, open(partial, "xb") as file:
            written = write(file)
            file.flush()
            os.fsync(file.fileno())
            return written

    def replace_folder(self, name: str, fill: Callable[[Path], Any]) -> Any:
        """Make the folder of an export as `replacing` has it; give what `fill` does.

        Raises ResultsError too where another such folder stands that holds more than an export.
        """
        if not self.writes:
            return None
        place = self / name
        if place.is_dir() and holds_others(place):
            raise ResultsError(f"{place} holds other files than an export: move them away, then {self.again}")
        with self.replacing(name) as partial:
            partial.mkdir()
            return fill(partial)

    @contextmanager
    def replacing(self, name: str) -> Iterator[Path]:
        """The path at which the block is to make a file or a folder, which then gets its own name.

        Raises ResultsError if it cannot be written; a file that stood there before is then untouched. A folder is
        removed first, once the new one is whole.
        """
        partial = self / partial_name(name)
        with self.writing(name):
            try:
                remove(partial)
                yield partial
                if partial.is_dir():
                    remove(self / name)
                os.replace(partial, self / name)
            finally:
                remove(partial)

    @contextmanager
    def writing(self, name: str) -> Iterator[None]:
        """Turn what the system says against writing a file into a ResultsError that names the file."""
        try:
            yield
        except OSError as error:
            nothing_yet = self.again == RESUME and not (self / CONFIG).exists()
            again = "the same command begins it again" if nothing_yet else self.again
            raise ResultsError(
                f"cannot write {self / name} ({error.strerror or error}): what was saved before is untouched; "
                f"put that right, then {again}"
            ) from None


def check_experiment_name(name: str) -> None:
    """Raise ResultsError unless the name is one component of a path that names a folder."""
    forbidden = (
        not isinstance(name, str) or name.startswith((".", "-")) or not name.isprintable() or set(name) & set("/\\:")
    )
    if forbidden or name != name.strip() or not 0 < len(name.encode()) <= 200:
        raise ResultsError(f"experiment name {name!r}: expected one folder name, such as mnist-dgjs")


def remove(path: Path) -> None:
    """Remove a file, or the folder of an export, if there is one; what else lies in that stays, and the folder then."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for inside in filter(is_exported, path.iterdir()):
        remove(inside)
    with suppress(OSError):  # it is not empty
        path.rmdir()


def holds_others(folder: Path) -> bool:
    """Whether there is anything in the folder of an export that is of none."""
    return any(not is_exported(path) or (path.is_dir() and holds_others(path)) for path in folder.iterdir())


def is_exported(path: Path) -> bool:
    """Whether what lies in the folder of an export is of an export: a numbered picture, or a folder of these."""
    if path.is_symlink():
        return False
    return path.name in EXPORTED_FOLDERS if path.is_dir() else bool(re.fullmatch(r"\d{6,}\.png", path.name))


def partial_name(name: str) -> str:
    """The name that a file has until it is whole."""
    return f".{name}.partial"
