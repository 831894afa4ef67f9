"""The lines of metrics.jsonl as scalars for TensorBoard, in a file beside it. Needs the package `tensorboard`."""

import importlib.util
import time
from collections.abc import Iterable
from typing import Any

from utils.machine.environment import MachineError
from utils.runs.folder import EVENTS, ResultsFolder
from vae.saved import regular

NOT_SCALARS = ("epoch", "step", "split")


def check_tensorboard() -> None:
    """Raise MachineError unless the package is installed."""
    if importlib.util.find_spec("tensorboard") is None:
        raise MachineError(
            "--tensorboard: tensorboard is not installed: pip install tensorboard, or leave the flag out"
        )


def write_scalars(folder: ResultsFolder, records: Iterable[dict[str, Any]], *, afresh: bool) -> None:
    """Write lines of metrics.jsonl as scalars such as `loss/train`, each at its line's step.

    Older lines have no step, and stand at their epoch. They are added to those there are or, `afresh`, written in
    their place, so that a run that goes on has each point once. Raises ResultsError if they cannot be written.
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    events = [Event(wall_time=time.time(), file_version="brain.Event:2")] if afresh else []
    for record in records:
        scalars = {name: value for name, value in record.items() if name not in NOT_SCALARS}
        values = [Summary.Value(tag=f"{n}/{record['split']}", simple_value=v) for n, v in scalars.items()]
        step = record.get("step", record["epoch"])
        events.append(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))
    with folder.writing(EVENTS):
        if afresh:
            (folder / EVENTS).unlink(missing_ok=True)
        with open(folder / EVENTS, "ab", opener=regular) as file:
            writer = RecordWriter(file)
            for event in events:
                writer.write(event.SerializeToString())
