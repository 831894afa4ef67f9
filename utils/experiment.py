"""One run from configuration to results: the place that joins data, model, loss, Trainer and results folder."""

import contextlib
import copy
import math
import shlex
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from utils import pictures
from utils.config import EVALUATION_OPTIONS, RunConfig, default_options, read_config, reconcile
from utils.datasets import (
    Dataset,
    DatasetError,
    load_dataset,
    portable_name,
)
from utils.datasets.record import check_same_data, data_record
from utils.environment import MachineError, choose_compile, choose_device, environment, keep_freed_memory
from utils.plots import training_curves
from utils.progress import Progress, image_bar, summarise
from utils.results import (
    CHECKPOINT,
    CONFIG,
    CURVES,
    EVALUATION,
    MODEL,
    ForeignFolder,
    ResultsError,
    ResultsFolder,
    experiment_folder,
)
from utils.tensorboard import write_scalars
from vae.distributed import RankLost, rank, ranks, together
from vae.evaluation import Evaluator
from vae.evidence import MOST_IMAGES, estimate_evidence
from vae.losses import LOSSES, Loss, build_loss
from vae.means import NonFiniteError
from vae.models import VAE
from vae.options import OptionError
from vae.training import Stream, Trainer, seed_everything

CHANGEABLE = ("epochs", "evaluate_every", "test_size", *EVALUATION_OPTIONS)  # what --resume may set anew

# What ends a run with a line for people.
RUN_ERRORS = (OptionError, DatasetError, ResultsError, MachineError, NonFiniteError, OSError)

Evaluation = dict[str, dict[str, Any]]  # what evaluation.json holds

# A run as a coroutine, so that it can take its epochs alone or together with others: it yields its trainer whenever an
# epoch is due, is sent the function that trains it and gives its record, and returns its evaluation.
Course = Generator[Trainer, Callable[[], dict[str, float]], Evaluation]


@dataclass(frozen=True)
class Runtime:
    """Where and how a run is carried out: nothing that its results are about."""

    data_dir: Path = Path("data")
    results_dir: Path = Path("results")
    device: str = "auto"
    progress_bar: bool = True
    checkpoint_every: int = 1
    tensorboard: bool = False  # scalars beside metrics.jsonl


class Interrupted(Exception):
    """Ctrl-C; the message says what is saved, what is lost and how to go on."""


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


def evaluate_only(experiment: str, flags: dict[str, Any], runtime: Runtime) -> Evaluation:
    """Evaluate the model of a run that has ended, by its saved configuration, and replace its evaluation.json.

    The flags must equal the saved configuration, except evaluation options; what was measured by one before and is not
    asked for now is kept. Raises OptionError, ResultsError and DatasetError, and NonFiniteError if what comes out is
    not finite.
    """
    keep_freed_memory()
    folder = open_folder(experiment, runtime)
    with folder.create():
        with together():
            saved, record = read_config(folder)
            config = reconcile(saved, flags, changeable=EVALUATION_OPTIONS)
            model, loss, _ = load_model(folder.path, choose_device(runtime.device))
            splits = load_splits(config, runtime)
            check_same_data(record["data"], splits)
        evaluation = evaluate(model, loss, config, splits, runtime)
        with contextlib.suppress(ResultsError, TypeError):  # a damaged evaluation.json is made anew
            before = folder.read_json(EVALUATION)
            evaluation = {part: before.get(part, {}) | evaluation.get(part, {}) for part in before | evaluation}
        folder.write_json(EVALUATION, evaluation)
        summarise(evaluation, folder.path)
        return evaluation


def load_model(folder: str | Path, device: torch.device | str = "cpu") -> tuple[VAE, Loss, RunConfig]:
    """The model, the loss and the configuration of a run that has ended, in evaluation mode.

    Reads config.json and model.pt. Raises ResultsError if one is missing or damaged or the run has not ended.
    """
    folder = ResultsFolder(Path(folder))
    config, record = read_config(folder)
    if record["ended_after"] is None:
        again = resume_command(folder.path)
        raise ResultsError(f"{folder.path} has not ended: {again} goes on with it")
    state = folder.load_model()
    with folder.refusing_misfits(MODEL):
        model, loss = build(config, tuple(record["data"]["image_shape"]), record["data"]["train_images"], device)
        model.load_state_dict(state["model"])
        loss.load_state_dict(state["loss"])
    return model.eval(), loss.eval(), config


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
        self.splits = splits or load_splits(config, runtime)
        train = self.splits["train"]
        if not LOSSES[config.loss].compilable:
            compiled = False
        compiled = choose_compile(config.compile, device, step_count(config, train), before=compiled)
        self.environment = {**environment(device), "compiled": compiled}
        seed_everything(config.seed, Stream.WEIGHTS)
        self.model, self.loss = build(config, train.image_shape, len(train), device)
        self.progress = Progress(config.epochs, bar=runtime.progress_bar)
        self.trainer = Trainer(
            self.model,
            self.loss,
            train.data.to(device),
            batch_size=config.batch_size,
            lr=config.lr,
            seed=config.seed,
            reporter=self.progress,
            noise=config.noise,
            precision=config.precision,
            compiled=compiled,
        )
        self.unsaved: dict[str, Any] | None = None  # the state after an epoch that is in no checkpoint yet

    def restore(self, checkpoint: dict[str, Any]) -> None:
        """Go on from a checkpoint. Raises ResultsError if it is not of this run, OptionError if it is beyond it."""
        with self.folder.refusing_misfits(CHECKPOINT):
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
        config = self.config
        name = portable_name(config.dataset).replace("$", r"\$")  # else matplotlib takes it for mathematics
        defaults = default_options(config.loss)
        chosen = [f"{key} {value}" for key, value in config.loss_options.items() if value != defaults[key]]
        title = ", ".join([name, " ".join([config.loss, *chosen]).replace("_", "-")])
        seed_everything(config.seed, Stream.PICTURES)
        figures = pictures.figures(self.model, self.splits["test"], noise=config.noise, title=title)
        if metrics := self.folder.read_metrics():  # another rank may not see them yet
            figures[CURVES] = training_curves(metrics, title=title)
        for name, figure in figures.items():
            self.folder.replace(name, lambda file, figure=figure: figure.savefig(file, format="png"))

    def what_is_saved(self) -> str:
        """How far the checkpoint reaches, in words."""
        checkpoint = self.folder.load_checkpoint()
        return f"the checkpoint holds epochs 1 to {checkpoint['epoch']}" if checkpoint else "no epoch is saved"


def results_folder(experiment: str, runtime: Runtime) -> ResultsFolder:
    """The folder of a run, which the first rank writes and the others only read. Raises ResultsError for its name."""
    folder = experiment_folder(runtime.results_dir, experiment)
    return ForeignFolder(folder.path) if rank() else folder


def resume_command(folder: Path, runtime: Runtime = Runtime()) -> str:
    """The command that goes on with the run in a folder, on the same device and with the same data."""
    given = {
        "--results-dir": (folder.parent, Runtime.results_dir),
        "--data-dir": (runtime.data_dir, Runtime.data_dir),
        "--device": (runtime.device, Runtime.device),
    }
    flags = [word for flag, (value, default) in given.items() if value != default for word in (flag, str(value))]
    return shlex.join(["python", "main.py", folder.name, "--resume", *flags])


def open_folder(experiment: str, runtime: Runtime) -> ResultsFolder:
    """The folder of an existing experiment. Raises ResultsError if there is none."""
    folder = results_folder(experiment, runtime)
    if folder.is_grid():
        where = f"--results-dir {folder.path}"
        raise ResultsError(f"{folder.path} holds several runs: give all of their flags, or the name of one and {where}")
    if not (folder / CONFIG).exists():
        raise ResultsError(f"there is no experiment {folder.path}: check the name, or start it without this flag")
    return folder


def build(
    config: RunConfig, image_shape: tuple[int, ...], dataset_size: int, device: torch.device | str
) -> tuple[VAE, Loss]:
    """The model and the loss of a configuration, on a device."""
    model = LOSSES[config.loss].build_model(image_shape, config.latent_dim, config.rec_dist, config.loss_options)
    loss = build_loss(config.loss, dataset_size=dataset_size, latent_dim=config.latent_dim, **config.loss_options)
    return model.to(device), loss.to(device)


def load_splits(config: RunConfig, runtime: Runtime) -> dict[str, Dataset]:
    """Both splits, each cut to its size. Raises DatasetError, and OptionError if factors are asked for and unknown."""
    sizes = {"train": config.train_size, "test": config.test_size}
    splits = {split: load_dataset(config.dataset, split, runtime.data_dir, size) for split, size in sizes.items()}
    if config.is_metrics and splits["train"].factors is None:
        raise OptionError(f"--is-metrics: --dataset {config.dataset} has no known factors to measure by: leave it out")
    return splits


def step_count(config: RunConfig, train: Dataset) -> int:
    """How many optimiser steps a whole run takes."""
    return config.epochs * math.ceil(len(train) / config.batch_size)


def evaluator(model: VAE, loss: Loss, config: RunConfig) -> Evaluator:
    """The Evaluator of a run."""
    return Evaluator(model, loss, batch_size=config.batch_size, seed=config.seed, noise=config.noise)


def evaluate(model: VAE, loss: Loss, config: RunConfig, splits: dict[str, Dataset], runtime: Runtime) -> Evaluation:
    """What evaluation.json holds: of each split, its quantities; where asked, test's evidence, and disentanglement."""
    judge = evaluator(model, loss, config)
    evaluation = {name: judge.evaluate(split.data, split.labels) for name, split in splits.items()}
    if config.importance_samples:
        data = splits["test"].data
        with image_bar("evidence", min(len(data), MOST_IMAGES), show=runtime.progress_bar) as bar:
            evaluation["test"]["evidence"] = estimate_evidence(
                model, data, config.importance_samples, seed=config.seed, noise=config.noise, advance=bar.update
            )
    if config.is_metrics:
        print("measuring disentanglement over all images of both splits: minutes on a CPU", flush=True)
        whole = (
            data if getattr(config, f"{name}_size") is None else load_dataset(config.dataset, name, runtime.data_dir)
            for name, data in splits.items()
        )
        evaluation["disentanglement"] = judge.disentanglement((data.data, data.factors) for data in whole)
    return evaluation
