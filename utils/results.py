"""A run's folder results/<experiment>/: what is in it, written so that a crash at any moment leaves it whole."""

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import torch

CONFIG, METRICS, EVALUATION = "config.json", "metrics.jsonl", "evaluation.json"
MODEL, CHECKPOINT, PREVIOUS_CHECKPOINT = "model.pt", "checkpoint.pt", "checkpoint-previous.pt"
RECONSTRUCTIONS, SAMPLES, TRAVERSALS = "reconstructions.png", "samples.png", "traversals.png"
CURVES = "curves.png"
FILES = (
    *(CONFIG, METRICS, EVALUATION, MODEL, CHECKPOINT, PREVIOUS_CHECKPOINT),
    *(RECONSTRUCTIONS, SAMPLES, TRAVERSALS, CURVES),
)


class ResultsError(Exception):
    """A results folder or a file in it cannot be used; the message is one line that says what to do."""


class ResultsFolder:
    """The files of one run. Every file but metrics.jsonl is replaced atomically."""

    def __init__(self, path: Path):
        self.path = path

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def exists(self) -> bool:
        """Whether there is anything under this name but an empty folder."""
        return self.path.exists() and not (self.path.is_dir() and not any(self.path.iterdir()))

    def clear(self) -> None:
        """Remove the files of a run; anything else in the folder is the user's and stays."""
        for name in FILES:
            (self / name).unlink(missing_ok=True)
            (self / f".{name}.partial").unlink(missing_ok=True)

    def create(self) -> None:
        """Make the folder. Raises ResultsError if it cannot be."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ResultsError(f"cannot create {self.path} ({error.strerror}): choose another --results-dir") from None

    # JSON

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write config.json or evaluation.json."""
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        self.replace(name, lambda file: file.write(text.encode()))

    def read_json(self, name: str) -> dict[str, Any]:
        """Read config.json or evaluation.json. Raises ResultsError if it is missing or damaged."""
        path = self / name
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ResultsError(f"{path} is missing: no experiment of that name, or not a results folder") from None
        except OSError as error:
            raise ResultsError(f"{path} cannot be read ({error.strerror})") from None
        except ValueError as error:
            raise ResultsError(f"{path} is damaged ({error}): run again with --overwrite") from None

    # Metrics

    def append_metrics(self, record: dict[str, Any]) -> None:
        """Add one line to metrics.jsonl, flushed."""
        with open(self / METRICS, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def read_metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl; a last line cut short by a crash is left out."""
        path = self / METRICS
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def drop_metrics_after(self, epoch: int) -> None:
        """Keep only the lines up to that epoch, which is the checkpoint's."""
        kept = "".join(json.dumps(record) + "\n" for record in self.read_metrics() if record["epoch"] <= epoch)
        self.replace(METRICS, lambda file: file.write(kept.encode()))

    # Weights and checkpoints

    def save_model(self, state: dict[str, Any]) -> None:
        """Write model.pt, {"model": …, "loss": …}."""
        self.replace(MODEL, lambda file: torch.save(state, file))

    def load_model(self, device: torch.device | str = "cpu") -> dict[str, Any]:
        """Read model.pt. Raises ResultsError if it is missing or damaged."""
        path = self / MODEL
        if not path.exists():
            raise ResultsError(f"{path} is missing: the run has not ended; continue it with --resume")
        return load_tensors(path, device, remedy="restore it, or run again with --overwrite")

    def save_checkpoint(self, state: dict[str, Any]) -> None:
        """Write checkpoint.pt and keep the one before it; there is a whole checkpoint.pt at every moment."""
        if (self / CHECKPOINT).exists():
            content = (self / CHECKPOINT).read_bytes()
            self.replace(PREVIOUS_CHECKPOINT, lambda file: file.write(content))
        self.replace(CHECKPOINT, lambda file: torch.save(state, file))

    def load_checkpoint(self, device: torch.device | str = "cpu") -> dict[str, Any] | None:
        """Read checkpoint.pt, or None where there is none yet. Raises ResultsError if it is damaged."""
        path = self / CHECKPOINT
        if not path.exists():
            return None
        if (self / PREVIOUS_CHECKPOINT).exists():
            remedy = f"to go on from the one before it: mv {self / PREVIOUS_CHECKPOINT} {path}, then --resume again"
        else:
            remedy = "run again with --overwrite"
        return load_tensors(path, device, remedy=remedy)

    def replace(self, name: str, write: Callable[[BinaryIO], Any]) -> None:
        """Write a file under another name, make sure that it is on the disk, and give it its own name.

        Raises ResultsError if it cannot be written; what stood there before is then untouched.
        """
        partial = self / f".{name}.partial"
        try:
            try:
                with open(partial, "wb") as file:
                    write(file)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(partial, self / name)
            finally:
                partial.unlink(missing_ok=True)
        except OSError as error:
            raise ResultsError(
                f"cannot write {self / name} ({error.strerror}): what stood there is untouched"
            ) from None


def load_tensors(path: Path, device: torch.device | str, *, remedy: str) -> dict[str, Any]:
    """Read a file that torch.save wrote, tensors and plain values only. Raises ResultsError if it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # torch.load does not verify the checksums
        if damaged:
            raise ValueError(f"the checksum of {damaged} is wrong")
        return torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # a damaged file fails in many ways, and all mean the same to the user
        reason = str(error).splitlines()[0]
        raise ResultsError(f"{path} is damaged ({reason}): {remedy}") from None
