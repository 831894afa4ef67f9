"""One run from configuration to results: the place that joins data, model, loss, Trainer and results folder."""

import copy
from collections.abc import Callable, Generator
from dataclasses import asdict
from typing import Any

from utils.datasets import Dataset, portable_name
from utils.datasets.record import check_same_data, data_record
from utils.figures.one_run import draw_run
from utils.machine.compilation import choose_compile
from utils.machine.environment import choose_device, environment, keep_freed_memory
from utils.runs.config import EVALUATION_OPTIONS, RunConfig, read_config, reconcile
from utils.runs.evaluate import evaluate, evaluator
from utils.runs.folder import CHECKPOINT, CONFIG, EVALUATION, ResultsError, ResultsFolder
from utils.runs.loading import load_splits, open_folder, results_folder, step_count
from utils.runs.progress import Progress, show_notes, summarise
from utils.runs.runtime import Evaluation, Interrupted, Runtime, resume_command
from utils.runs.tensorboard import write_scalars
from vae.distributed import RankLost, ranks, together
from vae.losses import LOSSES
from vae.means import NonFiniteError
from vae.options import OptionError
from vae.random import Stream, seed_everything
from vae.saved import build, refusing_misfits
from vae.training.trainer import Trainer

CHANGEABLE = ("epochs", "evaluate_every", "test_size", *EVALUATION_OPTIONS)  # what --resume may set anew

# A run as a coroutine, so that it can take its epochs alone or together with others: it yields its trainer whenever an
# epoch is due, is sent the function that trains it and gives its record, and returns its evaluation.
Course = Generator[Trainer, Callable[[], dict[str, float]], Evaluation]


def run(config: RunConfig, runtime: Runtime, *, overwrite: bool = False) -> Evaluation:
    """Train, evaluate and write results/<experiment>/; return what evaluation.json holds.

    Raises ResultsError if the experiment exists (unless overwrite) or cannot be written, DatasetError for the data
    and OptionError for the configuration, all before anything is written; NonFiniteError, Interrupted and RankLost
    later on.
    """
    return alone(new_course(config, runtime, overwrite=overwrite))


def resume(experiment: str, flags: dict[str, Any], runtime: Runtime) -> Evaluation:
    """Go on with a run from its last checkpoint; a run that has ended is left as it is.

    The flags must equal the saved configuration, except epochs and evaluation options. Raises as `run` does.
    """
    return alone(resumed_course(experiment, flags, runtime))


def alone(course: Course) -> Evaluation:
    """Carry out a run by itself."""
    train_epoch = None
    while True:
        try:
            train_epoch = course.send(train_epoch).train_epoch
        except StopIteration as end:
            return end.value


def new_course(
    config: RunConfig,
    runtime: Runtime,
    *,
    overwrite: bool = False,
    splits: dict[str, Dataset] | None = None,
    compiled: bool | None = None,
) -> Course:
    """The course of `run`, on splits that are in memory and compiled as has been chosen, if these are given."""
    folder = results_folder(config.experiment, runtime)
    with together():
        folder.check_free(overwrite=overwrite)
        job = Job(config, runtime, folder, splits, compiled)
    with folder.create():
        folder.check_free(overwrite=overwrite)  # another process may have begun it while the data were loaded
        return (yield from job.carry_out(afresh=True))


def resumed_course(
    experiment: str, flags: dict[str, Any], runtime: Runtime, *, splits: dict[str, Dataset] | None = None
) -> Course:
    """The course of `resume`, on splits that are in memory already, if they are given."""
    folder = open_folder(experiment, runtime)
    with folder.create():
        with together():
            saved, record = read_config(folder)
            config = reconcile(saved, flags, changeable=CHANGEABLE)
            if record["ended_after"] == config.epochs:
                reconcile(saved, flags, changeable=())
                evaluation = folder.read_json(EVALUATION)
                print(f"{folder.path} has ended after epoch {config.epochs}: nothing to do (--epochs N goes on to N)")
                return evaluation
            checkpoint = folder.load_checkpoint()
            if checkpoint is None and record["ended_after"]:
                raise ResultsError(f"{folder.path} has ended and has no checkpoint to go on from: choose another name")
            record.setdefault("compiled", False)
            job = Job(config, runtime, folder, splits, compiled=record["compiled"] and ranks() == 1)
            check_same_data(record["data"], job.splits)
            if checkpoint is not None:
                job.restore(checkpoint)
            folder.drop_metrics_after(job.trainer.epoch)
            job.note_environment(record)
        return (yield from job.carry_out(afresh=False))


class Job:
    """A run with all that it needs in memory. Making one writes nothing; `carry_out` does the rest of the run.

    It loads the splits unless it is given them, for a run that is trained together with others.
    `compiled` is what was chosen for them all, or when a run that goes on was begun; left out, it is chosen now.
    """

    def __init__(
        self,
        config: RunConfig,
        runtime: Runtime,
        folder: ResultsFolder,
        splits: dict[str, Dataset] | None = None,
        compiled: bool | None = None,
    ):
        keep_freed_memory()
        self.config, self.runtime, self.folder = config, runtime, folder
        device = choose_device(runtime.device)
        self.splits, self.shared = splits or load_splits(config, runtime), splits is not None
        train = self.splits["train"]
        if not LOSSES[config.loss].compilable:
            compiled = False
        compiled = choose_compile(config.compile, device, step_count(config, train), before=compiled)
        self.environment = {**environment(device), "compiled": compiled}
        seed_everything(config.seed, Stream.WEIGHTS)
        self.model, self.loss = (part.to(device) for part in build(config, train.image_shape, len(train)))
        self.progress = Progress(config.epochs, bar=runtime.progress_bar)
        self.trainer = Trainer(
            self.model,
            self.loss,
            train.data.to(device),
            config.training(compiled=compiled),
            reporter=self.progress,
        )
        self.unsaved: dict[str, Any] | None = None  # the state after an epoch that is in no checkpoint yet

    def restore(self, checkpoint: dict[str, Any]) -> None:
        """Go on from a checkpoint. Raises ResultsError if it is not of this run, OptionError if it is beyond it."""
        with refusing_misfits(self.folder / CHECKPOINT):
            self.trainer.load_state_dict(checkpoint)
        if self.trainer.epoch > self.config.epochs:
            raise OptionError(f"--epochs {self.config.epochs}: {self.trainer.epoch} epochs are behind this run already")

    def note_environment(self, record: dict[str, Any]) -> None:
        """Keep the environment that the run began with, and say so where it is another one now."""
        begun_with = {name: record[name] for name in self.environment}
        others = record.get("resumed_with", [])
        if self.environment != begun_with:
            print("note: the code, a package or the machine is not as when the run began: its bits may differ")
            others += [] if self.environment in others else [self.environment]
        self.environment = {**begun_with, "resumed_with": others} if others else begun_with

    def carry_out(self, *, afresh: bool) -> Course:
        """Train from the trainer's epoch to the last, evaluate, draw, and mark the run as ended."""
        if not self.shared:
            show_notes(self.splits)
        try:
            if afresh:
                self.folder.clear()
            self.write_config(ended_after=None)
            if self.runtime.tensorboard:
                write_scalars(self.folder, self.folder.read_metrics(), afresh=True)
            yield from self.train()
            self.model.eval()
            self.folder.save_model({"model": self.model.state_dict(), "loss": self.loss.state_dict()})
            evaluation = evaluate(self.model, self.loss, self.config, self.splits, self.runtime)
            self.folder.write_json(EVALUATION, evaluation)
            self.draw()
            self.write_config(ended_after=self.config.epochs)
        except (KeyboardInterrupt, RankLost) as end:
            if self.unsaved is not None:
                self.folder.save_checkpoint(self.unsaved)
            again = resume_command(self.folder.path, self.runtime)
            rest = f"{self.what_is_saved()}, what came after is lost: {again} goes on"
            if isinstance(end, RankLost):
                raise RankLost(f"{end}; {rest}") from None
            raise Interrupted(f"interrupted; {rest}") from None
        except NonFiniteError as error:
            raise NonFiniteError(f"{error}; {self.what_is_saved()}: start again with a smaller --lr") from None
        summarise(evaluation, self.folder.path)
        return evaluation

    def train(self) -> Course:
        """Train, with a line in metrics.jsonl per epoch and split, and checkpoints."""
        while self.trainer.epoch < self.config.epochs:
            train_epoch = yield self.trainer
            record = train_epoch()
            epoch = record["epoch"]
            self.log({"epoch": epoch, "step": record["step"], "split": "train", **record})
            if self.config.evaluate_every and epoch % self.config.evaluate_every == 0:
                split = self.splits["test"]
                test = evaluator(self.model, self.loss, self.config).evaluate(split.data, split.labels)
                self.log({"epoch": epoch, "step": record["step"], "split": "test", **test})
            if epoch % self.runtime.checkpoint_every == 0 or epoch == self.config.epochs:
                self.folder.save_checkpoint(self.trainer.state_dict())
                self.unsaved = None
            else:
                self.unsaved = copy.deepcopy(self.trainer.state_dict())

    def log(self, record: dict[str, Any]) -> None:
        """Record one line of metrics and show it."""
        self.folder.append_metrics(record)
        if self.runtime.tensorboard:
            write_scalars(self.folder, [record], afresh=False)
        self.progress.epoch_line(record)

    def write_config(self, *, ended_after: int | None) -> None:
        """Write config.json: the configuration, what it was run with, and after how many epochs the run ended."""
        config = {**asdict(self.config), "dataset": portable_name(self.config.dataset)}
        record = {"data": data_record(self.splits), **self.environment, "ended_after": ended_after}
        self.folder.write_json(CONFIG, {**config, **record})

    def draw(self) -> None:
        """Write the pictures."""
        metrics = self.folder.read_metrics()  # another rank may not see them yet
        for name, figure in draw_run(self.model, self.splits["test"], self.config, metrics).items():
            self.folder.replace(name, lambda file, figure=figure: figure.savefig(file, format="png"))

    def what_is_saved(self) -> str:
        """How far the checkpoint reaches, in words."""
        checkpoint = self.folder.load_checkpoint()
        return f"the checkpoint holds epochs 1 to {checkpoint['epoch']}" if checkpoint else "no epoch is saved"
