"""One run by one call: a new one, or one that goes on, see utils.runs.running."""

from dataclasses import replace
from typing import Any

from utils.datasets import Dataset
from utils.datasets.record import check_same_data
from utils.runs.config import EVALUATION_OPTIONS, RunConfig, read_config, reconcile, way_to
from utils.runs.folder import CONFIG, EVALUATION, ResultsError, ResultsFolder
from utils.runs.loading import open_folder, results_folder
from utils.runs.running import Run, remedy_of
from utils.runs.runtime import Evaluation, Runtime
from vae.distributed import together
from vae.means import NonFiniteError

STOPPED = "the validation loss had stopped falling"
CHANGEABLE = ("epochs", "evaluate_every", "test_size", *EVALUATION_OPTIONS)  # what --resume may set anew


def run(config: RunConfig, runtime: Runtime, *, overwrite: bool = False) -> Evaluation:
    """Train, evaluate and write results/<experiment>/; return what evaluation.json holds.

    Raises ResultsError if the experiment exists (unless overwrite) or cannot be written, DatasetError for the data
    and OptionError for the configuration, all before anything is written; NonFiniteError, Interrupted and RankLost
    later on.
    """
    folder = results_folder(config.experiment, runtime)
    with folder.held():
        return new_run(config, runtime, folder, overwrite=overwrite).carry_out()


def resume(experiment: str, flags: dict[str, Any], runtime: Runtime) -> Evaluation:
    """Go on with a run from its last checkpoint; a run that has ended is left as it is.

    The flags must equal the saved configuration, except epochs and evaluation options. Raises as `run` does.
    """
    folder = open_folder(experiment, runtime)
    with folder.held():
        evaluation = evaluation_if_ended(folder, flags)
        return resumed_run(folder, flags, runtime).carry_out() if evaluation is None else evaluation


def evaluation_if_ended(folder: ResultsFolder, flags: dict[str, Any]) -> Evaluation | None:
    """The evaluation of a run that has ended and is not to go on, and a line that says so; None of any other."""
    with together():
        saved, record = read_config(folder)
        config = reconcile(saved, flags, CHANGEABLE, resumed=folder.path)
        if record["ended_after"] != config.epochs:
            return None
        last = record.get("stopped_after", config.epochs)
        more = way_to("N", config, folder.path) if last == config.epochs else STOPPED
        reconcile(saved, flags, changeable=(), resumed=folder.path)
        evaluation = folder.read_json(EVALUATION)
    print(f"{folder.path} has ended after epoch {last}: nothing to do ({more})")
    return evaluation


def new_run(
    config: RunConfig,
    runtime: Runtime,
    folder: ResultsFolder,
    *,
    overwrite: bool = False,
    splits: dict[str, Dataset] | None = None,
    compiled: bool | None = None,
) -> Run:
    """A run that is to begin in a folder, which is held. Nothing is written yet."""
    with together():
        folder.check_free(overwrite=overwrite)
        run = Run(config, runtime, folder, splits, compiled)
        if overwrite and (folder / CONFIG).exists():
            try_out(config, runtime, folder, run.splits)
        return run


def try_out(config: RunConfig, runtime: Runtime, folder: ResultsFolder, splits: dict[str, Dataset]) -> None:
    """Take the first step of a run and throw it away.

    What fails at once is to fail before the run that it replaces is cleared.
    """
    few = {**splits, "train": splits["train"].first(config.batch_size)}
    quiet = replace(runtime, progress_bar=False, checkpoint_minutes=None)
    trial = Run(config, quiet, ResultsFolder(folder.path, writes=False), few, compiled=False)
    try:
        trial.trainer.train_epoch()
    except NonFiniteError as error:
        raise NonFiniteError(f"{error}; {folder.path} is as it was: {remedy_of(error)}") from None


def resumed_run(
    folder: ResultsFolder, flags: dict[str, Any], runtime: Runtime, *, splits: dict[str, Dataset] | None = None
) -> Run:
    """The run that is to go on in its folder, which is held, as its last checkpoint has it."""
    with together():
        saved, record = read_config(folder)
        config = reconcile(saved, flags, CHANGEABLE, resumed=folder.path)
        notes: list[str] = []
        checkpoint = folder.load_checkpoint(config=record, note=notes.append)
        if checkpoint is None and record["ended_after"]:
            raise ResultsError(f"{folder.path} has ended and has no checkpoint to go on from: choose another name")
        record.setdefault("compiled", False)
        run = Run(config, runtime, folder, splits, record["compiled"])
        check_same_data(record["data"], run.splits)
        run.go_on_from(checkpoint, record)
        if run.ended_with and run.selection.stops:
            raise ResultsError(f"{folder.path} has ended: {STOPPED}; longer, it is another run: give its --config")
        for line in notes:
            print(line)
        return run
