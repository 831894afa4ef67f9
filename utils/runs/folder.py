"""A run's folder results/<experiment>/: what is in it, written so that a crash at any moment leaves it whole."""

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import torch

from utils.machine.locks import locked

CONFIG, METRICS, EVALUATION = "config.json", "metrics.jsonl", "evaluation.json"
MODEL, CHECKPOINT, PREVIOUS_CHECKPOINT = "model.pt", "checkpoint.pt", "checkpoint-previous.pt"
RECONSTRUCTIONS, SAMPLES, TRAVERSALS = "reconstructions.png", "samples.png", "traversals.png"
CLASSES, INTERPOLATIONS = "classes.png", "interpolations.png"  # of models with classes
LATENT, CURVES = "latent.png", "curves.png"
EVENTS = "events.out.tfevents.metrics"  # the scalars for TensorBoard; it looks for "tfevents" in a name
PICTURES = (RECONSTRUCTIONS, SAMPLES, TRAVERSALS, CLASSES, INTERPOLATIONS, LATENT, CURVES)  # no run has them all
FILES = (CONFIG, METRICS, EVALUATION, MODEL, CHECKPOINT, PREVIOUS_CHECKPOINT, EVENTS, *PICTURES)
BOOKKEEPING = ("epoch", "step", "split", "seconds", "images_per_second")  # in a line of metrics.jsonl, not terms

END_OF_ZIP = b"PK\5\6"  # begins the last 22 bytes of an archive without a comment, of which the last two are 0


class ResultsError(Exception):
    """A results folder or a file in it cannot be used; the message is one line that says what to do."""


class ResultsFolder:
    """The files of one run. Every file but metrics.jsonl is replaced atomically."""

    def __init__(self, path: Path):
        self.path = path

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def check_free(self, *, overwrite: bool) -> None:
        """Raise ResultsError if a run cannot go here: there is something (unless overwrite), or no folder can be."""
        parent = next(path for path in (self.path, *self.path.absolute().parents) if path.exists())
        if not parent.is_dir() or not os.access(parent, os.W_OK):
            raise ResultsError(f"{parent} is not a folder that can be written to: choose another --results-dir")
        partial = {partial_name(name) for name in FILES}  # what a crash may leave
        if self.is_grid():
            raise ResultsError(f"{self.path} holds several runs: choose another name")
        if overwrite or not self.path.exists() or {path.name for path in self.path.iterdir()} <= partial:
            return
        resume = "--resume to go on with it, " if (self / CONFIG).exists() else ""
        raise ResultsError(f"{self.path} exists: choose another name, {resume}or --overwrite to replace it")

    @contextmanager
    def create(self) -> Iterator[None]:
        """Make the folder if need be, and keep other processes out of it meanwhile.

        Raises ResultsError if it cannot be made or another process is at work in it. The lock ends with the process,
        however that ends, and leaves no file.
        """
        with ExitStack() as stack:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                stack.enter_context(locked(self.path, wait=False))
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
        """Remove the files of a run; anything else in the folder is the user's and stays."""
        for name in FILES:
            (self / name).unlink(missing_ok=True)
            (self / partial_name(name)).unlink(missing_ok=True)

    # JSON

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write config.json or evaluation.json."""
        text = to_json(content)
        self.replace(name, lambda file: file.write(text))

    def read_json(self, name: str) -> dict[str, Any]:
        """Read config.json or evaluation.json. Raises ResultsError if it is missing or damaged."""
        path = self / name
        remedy = "--is-eval-only makes it anew" if name == EVALUATION else "restore it, or choose another name"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(content, dict):
                raise ValueError(f"it holds a {type(content).__name__} instead of an object")
            to_json(content)  # what it refuses, infinity say, this file has never held
            return content
        except OSError as error:
            raise ResultsError(f"{path} cannot be read ({error.strerror}): {remedy}") from None
        except (ValueError, RecursionError) as error:
            raise ResultsError(f"{path} is damaged ({error}): {remedy}") from None

    # Metrics

    def append_metrics(self, record: dict[str, Any]) -> None:
        """Add one line to metrics.jsonl, and make sure that it is on the disk."""
        with self.writing(METRICS), open(self / METRICS, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def read_metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl, but for what a crash has left of the last. Raises ResultsError for others."""
        path = self / METRICS
        lines = path.read_bytes().splitlines() if path.exists() else []
        records = []
        for number, line in enumerate(lines, start=1):
            try:
                record = json.loads(line)
                if not (isinstance(record, dict) and isinstance(record.get("epoch"), int) and "split" in record):
                    raise ValueError("no record of an epoch")
                records.append(record)
            except (ValueError, RecursionError):
                if number < len(lines):
                    raise ResultsError(f"line {number} of {path} is damaged: mend it, or take it out") from None
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
        self.replace(MODEL, lambda file: file.write(to_bytes(state)))

    def load_model(self) -> dict[str, Any]:
        """Read model.pt. Raises ResultsError if it is missing or damaged."""
        return load_tensors(self / MODEL, remedy="restore it, or run again under another name")

    def save_checkpoint(self, state: dict[str, Any]) -> None:
        """Write checkpoint.pt and keep the one before it; there is a whole checkpoint.pt at every moment."""
        if (self / CHECKPOINT).exists():
            content = (self / CHECKPOINT).read_bytes()
            self.replace(PREVIOUS_CHECKPOINT, lambda file: file.write(content))
        self.replace(CHECKPOINT, lambda file: file.write(to_bytes(state)))

    def load_checkpoint(self) -> dict[str, Any] | None:
        """Read checkpoint.pt, or None where there is none yet. Raises ResultsError if it is damaged or gone."""
        path, previous = self / CHECKPOINT, self / PREVIOUS_CHECKPOINT
        if not path.exists() and not previous.exists():
            return None
        remedy = f"to go on from the one before it: mv {previous} {path}, then --resume again"
        return load_tensors(path, remedy=remedy if previous.exists() else "run again under another name")

    @contextmanager
    def refusing_misfits(self, name: str) -> Iterator[None]:
        """Turn what goes wrong on taking over another run's state into a ResultsError that names the file."""
        try:
            yield
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise ResultsError(f"{self / name} does not belong to the config.json beside it ({reason})") from None

    def replace(self, name: str, write: Callable[[BinaryIO], Any]) -> None:
        """Write a file under another name, make sure that it is on the disk, and give it its own name.

        Raises ResultsError if it cannot be written; what stood there before is then untouched.
        """
        partial = self / partial_name(name)
        with self.writing(name):
            try:
                partial.unlink(missing_ok=True)
                with open(partial, "xb") as file:
                    write(file)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(partial, self / name)
            finally:
                partial.unlink(missing_ok=True)

    @contextmanager
    def writing(self, name: str) -> Iterator[None]:
        """Turn what the system says against writing a file into a ResultsError that names the file."""
        try:
            yield
        except OSError as error:
            raise ResultsError(
                f"cannot write {self / name} ({error.strerror or error}): what was saved before is untouched; "
                "put that right, then --resume goes on"
            ) from None


class ForeignFolder(ResultsFolder):
    """The folder of a run that another rank writes: one reads it, and writes nothing."""

    def check_free(self, *, overwrite: bool) -> None:
        pass

    @contextmanager
    def create(self) -> Iterator[None]:
        yield

    def clear(self) -> None:
        pass

    def append_metrics(self, record: dict[str, Any]) -> None:
        pass

    def save_checkpoint(self, state: dict[str, Any]) -> None:
        pass

    def replace(self, name: str, write: Callable[[BinaryIO], Any]) -> None:
        pass


def experiment_folder(results_dir: Path, name: str) -> ResultsFolder:
    """The folder of an experiment, which lies in results_dir and nowhere else.

    Raises ResultsError for a name that is not one folder name, or that of a link.
    """
    check_experiment_name(name)
    path = results_dir / name
    if path.is_symlink():
        raise ResultsError(f"{path} is a link to {path.readlink()}: go there by --results-dir, or choose another name")
    return ResultsFolder(path)


def check_experiment_name(name: str) -> None:
    """Raise ResultsError unless the name is one component of a path that names a folder."""
    forbidden = (
        not isinstance(name, str) or name.startswith(".") or any(c in "/\\:" or not c.isprintable() for c in name)
    )
    if forbidden or name != name.strip() or not 0 < len(name.encode()) <= 200:
        raise ResultsError(f"experiment name {name!r}: expected one folder name, such as mnist-dgjs")


def partial_name(name: str) -> str:
    """The name that a file has until it is whole."""
    return f".{name}.partial"


def to_json(content: dict[str, Any]) -> bytes:
    """JSON for people, in UTF-8. Raises ValueError for numbers that are not finite."""
    return (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def to_bytes(state: dict[str, Any]) -> bytes:
    """What torch.save makes of a state, with a seal of all of it as the comment that ends a zip archive.

    In memory, because on a full disk torch.save does not say what is wrong.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()[:-2] + len(seal(b"")).to_bytes(2, "little")
    return content + seal(content)


def seal(content: bytes) -> bytes:
    """The SHA-256 of some bytes, as a text that says so."""
    return b"sha256:" + hashlib.sha256(content).hexdigest().encode()


def load_tensors(path: Path, *, remedy: str) -> dict[str, Any]:
    """Read a file of `to_bytes`, or of torch.save itself, tensors and plain values only, into main memory.

    Raises ResultsError if it is missing or damaged: no bit of a sealed file changes without notice, nor of the tensors
    in one without a seal.
    """
    try:
        content = path.read_bytes()
        size = len(content) - len(seal(b""))
        bare = content[-22:-18] == END_OF_ZIP and content[-2:] == b"\0\0"
        if not bare and content[size:] != seal(content[:size]):
            raise ValueError("its checksum is wrong or missing")
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise ValueError("it is compressed, which torch.save does not do")
            if damaged := archive.testzip():  # torch.load does not verify the checksums
                raise ValueError(f"the checksum of {damaged} is wrong")
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if not isinstance(state, dict):
            raise ValueError(f"it holds a {type(state).__name__} instead of a dictionary")
        return state
    except OSError as error:
        raise ResultsError(f"{path} cannot be read ({error.strerror}): {remedy}") from None
    except Exception as error:  # of any kind: zipfile and PyTorch parse what the file says of itself
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ResultsError(f"{path} is damaged ({reason}): {remedy}") from None
