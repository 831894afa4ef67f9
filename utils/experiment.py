"""One run from configuration to results: the place that joins data, model, loss, Trainer and results folder."""

import contextlib
import copy
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from utils import pictures
from utils.config import EVALUATION_OPTIONS, RunConfig, read_config, reconcile
from utils.datasets import (
    Dataset,
    load_dataset,
    portable_name,
)
from utils.datasets.record import check_same_data, data_record
from utils.environment import choose_device, environment, keep_freed_memory
from utils.plots import training_curves
from utils.progress import Progress, image_bar, summarise
from utils.results import (
    CHECKPOINT,
    CONFIG,
    CURVES,
    EVALUATION,
    MODEL,
    ResultsError,
    ResultsFolder,
    experiment_folder,
)
from utils.tensorboard import write_scalars
from vae.evaluation import Evaluator
from vae.evidence import MOST_IMAGES, estimate_evidence
from vae.losses import LOSSES, Loss, build_loss, resolve_options
from vae.means import NonFiniteError
from vae.models import VAE
from vae.options import OptionError
from vae.training import Stream, Trainer, seed_everything

CHANGEABLE = ("epochs", "evaluate_every", "test_size", *EVALUATION_OPTIONS)  # what --resume may set anew


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


def run(config: RunConfig, runtime: Runtime, *, overwrite: bool = False) -> dict[str, dict[str, Any]]:
    """Train, evaluate and write results/<experiment>/; return what evaluation.json holds.

    Raises ResultsError if the experiment exists (unless overwrite) or cannot be written, DatasetError for the data
    and OptionError for the configuration, all before anything is written; NonFiniteError and Interrupted later on.
    """
    folder = experiment_folder(runtime.results_dir, config.experiment)
    folder.check_free(overwrite=overwrite)
    job = Job(config, runtime, folder)
    with folder.create():
        folder.check_free(overwrite=overwrite)  # another process may have begun it while the data were loaded
        return job.carry_out(afresh=True)


def resume(experiment: str, flags: dict[str, Any], runtime: Runtime) -> dict[str, dict[str, Any]]:
    """Go on with a run from its last checkpoint; a run that has ended is left as it is.

    The flags must equal the saved configuration, except epochs and evaluation options. Raises as `run` does.
    """
    folder = open_folder(experiment, runtime)
    with folder.create():
        saved, record = read_config(folder)
        config = reconcile(saved, flags, changeable=CHANGEABLE)
        if record["ended_after"] == config.epochs:
            reconcile(saved, flags, changeable=())
            evaluation = folder.read_json(EVALUATION)
            print(f"{folder.path} has ended after {config.epochs} epochs: nothing to do (--epochs N would go on to N)")
            return evaluation
        checkpoint = folder.load_checkpoint()
        if checkpoint is None and record["ended_after"]:
            raise ResultsError(f"{folder.path} has ended and has no checkpoint to go on from: choose another name")
        job = Job(config, runtime, folder)
        check_same_data(record["data"], job.splits)
        if checkpoint is not None:
            job.restore(checkpoint)
        job.note_environment(record)
        folder.drop_metrics_after(job.trainer.epoch)
        return job.carry_out(afresh=False)


def evaluate_only(experiment: str, flags: dict[str, Any], runtime: Runtime) -> dict[str, dict[str, Any]]:
    """Evaluate the model of a run that has ended, by its saved configuration, and replace its evaluation.json.

    The flags must equal the saved configuration, except evaluation options; what was measured by one before and is not
    asked for now is kept. Raises OptionError, ResultsError and DatasetError, and NonFiniteError if what comes out is
    not finite.
    """
    keep_freed_memory()
    folder = open_folder(experiment, runtime)
    with folder.create():
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
        again = resume_command(folder.path.name, Runtime(results_dir=folder.path.parent))
        raise ResultsError(f"{folder.path} has not ended: {again} goes on with it")
    state = folder.load_model()
    with folder.refusing_misfits(MODEL):
        model, loss = build(config, tuple(record["data"]["image_shape"]), record["data"]["train_images"], device)
        model.load_state_dict(state["model"])
        loss.load_state_dict(state["loss"])
    return model.eval(), loss.eval(), config


class Job:
    """A run with all that it needs in memory. Making one writes nothing; `carry_out` does the rest of the run."""

    def __init__(self, config: RunConfig, runtime: Runtime, folder: ResultsFolder):
        keep_freed_memory()
        self.config, self.runtime, self.folder = config, runtime, folder
        device = choose_device(runtime.device)
        self.environment = environment(device)
        self.splits = load_splits(config, runtime)
        train = self.splits["train"]
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
        if begun_with != self.environment:
            print("note: the code, a package or the machine is not as when the run began: its bits may differ")
            self.environment = {**begun_with, "resumed_with": self.environment}

    def carry_out(self, *, afresh: bool) -> dict[str, dict[str, Any]]:
        """Train from the trainer's epoch to the last, evaluate, draw, and mark the run as ended."""
        try:
            if afresh:
                self.folder.clear()
            self.write_config(ended_after=None)
            if self.runtime.tensorboard:
                write_scalars(self.folder, self.folder.read_metrics(), afresh=True)
            self.train()
            self.folder.save_model({"model": self.model.state_dict(), "loss": self.loss.state_dict()})
            evaluation = evaluate(self.model, self.loss, self.config, self.splits, self.runtime)
            self.folder.write_json(EVALUATION, evaluation)
            self.draw()
            self.write_config(ended_after=self.config.epochs)
        except KeyboardInterrupt:
            if self.unsaved is not None:
                self.folder.save_checkpoint(self.unsaved)
            again = resume_command(self.folder.path.name, self.runtime)
            raise Interrupted(
                f"interrupted; {self.what_is_saved()}, what came after is lost: {again} goes on"
            ) from None
        except NonFiniteError as error:
            raise NonFiniteError(f"{error}; {self.what_is_saved()}: start again with a smaller --lr") from None
        summarise(evaluation, self.folder.path)
        return evaluation

    def train(self) -> None:
        """Train, with a line in metrics.jsonl per epoch and split, and checkpoints."""
        for record in self.trainer.train(self.config.epochs):
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
        defaults = resolve_options(config.loss, {})
        chosen = [f"{key} {value}" for key, value in config.loss_options.items() if value != defaults[key]]
        title = ", ".join([name, " ".join([config.loss, *chosen]).replace("_", "-")])
        self.model.eval()
        seed_everything(config.seed, Stream.PICTURES)
        figures = pictures.figures(self.model, self.splits["test"], noise=config.noise, title=title)
        figures[CURVES] = training_curves(self.folder.read_metrics(), title=title)
        for name, figure in figures.items():
            self.folder.replace(name, lambda file, figure=figure: figure.savefig(file, format="png"))

    def what_is_saved(self) -> str:
        """How far the checkpoint reaches, in words."""
        checkpoint = self.folder.load_checkpoint()
        return f"the checkpoint holds epochs 1 to {checkpoint['epoch']}" if checkpoint else "no epoch is saved"


def resume_command(experiment: str, runtime: Runtime) -> str:
    """The command that goes on with a run."""
    places = {"--results-dir": runtime.results_dir, "--data-dir": runtime.data_dir}
    defaults = (Runtime.results_dir, Runtime.data_dir)
    flags = [word for flag, place in places.items() if place not in defaults for word in (flag, str(place))]
    return shlex.join(["python", "main.py", experiment, "--resume", *flags])


def open_folder(experiment: str, runtime: Runtime) -> ResultsFolder:
    """The folder of an existing experiment. Raises ResultsError if there is none."""
    folder = experiment_folder(runtime.results_dir, experiment)
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


def evaluator(model: VAE, loss: Loss, config: RunConfig) -> Evaluator:
    """The Evaluator of a run."""
    return Evaluator(model, loss, batch_size=config.batch_size, seed=config.seed, noise=config.noise)


def evaluate(
    model: VAE, loss: Loss, config: RunConfig, splits: dict[str, Dataset], runtime: Runtime
) -> dict[str, dict[str, Any]]:
    """What evaluation.json holds: of each split, its quantities and evidence, where asked; disentanglement of all."""
    judge = evaluator(model, loss, config)
    evaluation = {name: judge.evaluate(split.data, split.labels) for name, split in splits.items()}
    if config.importance_samples:
        for name, split in splits.items():
            with image_bar(f"evidence, {name}", min(len(split.data), MOST_IMAGES), show=runtime.progress_bar) as bar:
                evaluation[name]["evidence"] = estimate_evidence(
                    model,
                    split.data,
                    config.importance_samples,
                    seed=config.seed,
                    noise=config.noise,
                    advance=bar.update,
                )
    if config.is_metrics:
        print("measuring disentanglement over all images of both splits: minutes on a CPU", flush=True)
        whole = (
            data if getattr(config, f"{name}_size") is None else load_dataset(config.dataset, name, runtime.data_dir)
            for name, data in splits.items()
        )
        evaluation["disentanglement"] = judge.disentanglement((data.data, data.factors) for data in whole)
    return evaluation
