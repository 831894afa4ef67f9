"""One run from configuration to results: the place that joins data, model, loss, Trainer and results folder."""

from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch

from utils import pictures
from utils.datasets import Dataset, dataset_names, load_dataset
from utils.environment import choose_device, environment, keep_freed_memory
from utils.plots import training_curves
from utils.progress import Progress
from utils.results import CONFIG, CURVES, EVALUATION, RECONSTRUCTIONS, SAMPLES, TRAVERSALS, ResultsError, ResultsFolder
from vae.evaluation import Evaluator
from vae.likelihoods import LIKELIHOODS
from vae.losses import Loss, build_loss, loss_name, resolve_options
from vae.models import VAE, build_model
from vae.options import Option
from vae.training import Trainer, seed_everything, to_unit_interval

WEIGHTS_STREAM, PICTURES_STREAM = 0, 2**32 + 1  # of the seed; epoch n has stream n, evaluation 2**32
RECONSTRUCTED_IMAGES = 10  # in reconstructions.png
RECORDED = ("data", "git_revision", "versions", "machine", "ended_after")  # in config.json beside the configuration
CHANGEABLE = ("epochs", "evaluate_every", "test_size")  # what --resume may set anew


def setting(name: str, default: Any, text: str, kind: type, **bounds: float) -> Any:
    """A field of RunConfig with the Option that describes it."""
    return field(default=default, metadata={"option": Option(name, default, text, kind, **bounds)})


@dataclass(frozen=True)
class RunConfig:
    """Everything that the results of a run depend on.

    Raises ValueError, in one line, for a value that is not allowed.
    """

    experiment: str
    dataset: str = setting("dataset", "dsprites", "data set", str)
    loss: str = setting("loss", "GJS", "training objective, see below", str)
    loss_options: dict[str, float | int | bool] = field(default_factory=dict)
    rec_dist: str = setting("rec_dist", "bernoulli", "likelihood p(x|z)", str)
    latent_dim: int = setting("latent_dim", 10, "dimensions of z", int, minimum=1)
    epochs: int = setting("epochs", 30, "passes over the training images", int, minimum=1)
    batch_size: int = setting("batch_size", 64, "images per step", int, minimum=1)
    lr: float = setting("lr", 1e-4, "learning rate of Adam", float, above=0)
    seed: int = setting("seed", 1234, "fixes weights, order of images and samples", int, minimum=0)
    train_size: int | None = setting(
        "train_size", None, "train on the first N images only (default: all)", int, minimum=1
    )
    test_size: int | None = setting("test_size", None, "test on the first N images only (default: all)", int, minimum=1)
    evaluate_every: int | None = setting(
        "evaluate_every", None, "evaluate the test split every N epochs too, into metrics.jsonl", int, minimum=1
    )

    def __post_init__(self):
        check_experiment_name(self.experiment)
        object.__setattr__(self, "loss", loss_name(self.loss))
        object.__setattr__(self, "loss_options", resolve_options(self.loss, self.loss_options))
        for name, option in self.options().items():
            value = getattr(self, name)
            if value is not None or option.default is not None:
                object.__setattr__(self, name, option.check(value))
        check_choice("--dataset", self.dataset, dataset_names())
        check_choice("--rec-dist", self.rec_dist, LIKELIHOODS)

    @classmethod
    def options(cls) -> dict[str, Option]:
        """The Option of each setting, by the setting's name."""
        return {f.name: f.metadata["option"] for f in fields(cls) if "option" in f.metadata}

    @classmethod
    def from_flags(cls, experiment: str, flags: dict[str, Any]) -> "RunConfig":
        """The configuration of flags by name, such as lr=1e-3 and GJS_A=0.3; what is not a setting is the loss's."""
        settings = {name: value for name, value in flags.items() if name in cls.options()}
        return cls(experiment, **settings, loss_options={k: v for k, v in flags.items() if k not in settings})


@dataclass(frozen=True)
class Runtime:
    """Where and how a run is carried out: nothing that its results are about."""

    data_dir: Path = Path("data")
    results_dir: Path = Path("results")
    device: str = "auto"
    progress_bar: bool = True
    checkpoint_every: int = 1


class Interrupted(Exception):
    """Ctrl-C; the message says what is saved, what is lost and how to go on."""


def run(config: RunConfig, runtime: Runtime, *, overwrite: bool = False) -> dict[str, dict[str, float]]:
    """Train, evaluate and write results/<experiment>/; return what evaluation.json holds.

    Raises ResultsError if the experiment exists (unless overwrite) or cannot be written, DatasetError for the data
    and ValueError for the configuration, all before anything is written; NonFiniteError and Interrupted later on.
    """
    folder = ResultsFolder(runtime.results_dir / config.experiment)
    if folder.exists() and not overwrite:
        raise ResultsError(
            f"{folder.path} exists: choose another name, --resume to go on with it, or --overwrite to replace it"
        )
    job = Job(config, runtime, folder)
    folder.create()
    folder.clear()
    return job.carry_out()


def resume(experiment: str, flags: dict[str, Any], runtime: Runtime) -> dict[str, dict[str, float]]:
    """Go on with a run from its last checkpoint; a run that has ended is left as it is.

    The flags must equal the saved configuration, except epochs and evaluation options. Raises as `run` does.
    """
    folder = open_folder(experiment, runtime)
    saved, ended_after = read_config(folder)
    config = reconcile(saved, flags, changeable=CHANGEABLE)
    if ended_after == config.epochs:
        print(f"{folder.path} has ended after {config.epochs} epochs: nothing to do (--epochs N would go on to N)")
        return folder.read_json(EVALUATION)
    checkpoint = folder.load_checkpoint()
    if checkpoint is None and ended_after:
        raise ResultsError(f"{folder.path} has ended and has no checkpoint to go on from: choose another name")
    if checkpoint is not None and checkpoint["epoch"] > config.epochs:
        raise ResultsError(
            f"--epochs {config.epochs}: {folder.path} has {checkpoint['epoch']} epochs behind it already"
        )
    job = Job(config, runtime, folder)
    check_same_data(folder, job.splits)
    if checkpoint is not None:
        job.trainer.load_state_dict(checkpoint)
    folder.drop_metrics_after(job.trainer.epoch)
    return job.carry_out()


def evaluate_only(experiment: str, flags: dict[str, Any], runtime: Runtime) -> dict[str, dict[str, float]]:
    """Evaluate the model of a run that has ended, by its saved configuration, and replace its evaluation.json."""
    folder = open_folder(experiment, runtime)
    config = reconcile(read_config(folder)[0], flags, changeable=())
    keep_freed_memory()
    model, loss, _ = load_model(folder.path, choose_device(runtime.device))
    splits = load_splits(config, runtime)
    check_same_data(folder, splits)
    evaluation = evaluate(model, loss, config, splits)
    folder.write_json(EVALUATION, evaluation)
    print_summary(folder, evaluation)
    return evaluation


def load_model(folder: str | Path, device: torch.device | str = "cpu") -> tuple[VAE, Loss, RunConfig]:
    """The model, the loss and the configuration of a run, from its config.json and model.pt, in evaluation mode.

    Raises ResultsError if one of these is missing or damaged.
    """
    folder = ResultsFolder(Path(folder))
    config, _ = read_config(folder)
    data = folder.read_json(CONFIG)["data"]
    state = folder.load_model(device)
    model, loss = build(config, tuple(data["image_shape"]), data["train_images"], device)
    try:
        model.load_state_dict(state["model"])
        loss.load_state_dict(state["loss"])
    except (KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ResultsError(f"model.pt does not belong to config.json in {folder.path}: {reason}") from None
    return model.eval(), loss.eval(), config


class Job:
    """A run with all that it needs in memory. Making one writes nothing; `carry_out` does the rest of the run."""

    def __init__(self, config: RunConfig, runtime: Runtime, folder: ResultsFolder):
        keep_freed_memory()
        self.config, self.runtime, self.folder = config, runtime, folder
        device = choose_device(runtime.device)
        self.splits = load_splits(config, runtime)
        train = self.splits["train"]
        seed_everything(config.seed, WEIGHTS_STREAM)
        self.model, self.loss = build(config, train.image_shape, len(train), device)
        self.progress = Progress(config.epochs, bar=runtime.progress_bar)
        self.trainer = Trainer(
            self.model,
            self.loss,
            train.images.to(device),
            batch_size=config.batch_size,
            lr=config.lr,
            seed=config.seed,
            reporter=self.progress,
        )

    def carry_out(self) -> dict[str, dict[str, float]]:
        """Train from the trainer's epoch to the last, evaluate, draw, and mark the run as ended."""
        self.write_config(ended_after=None)
        try:
            self.train()
            self.folder.save_model({"model": self.model.state_dict(), "loss": self.loss.state_dict()})
            evaluation = evaluate(self.model, self.loss, self.config, self.splits)
            self.folder.write_json(EVALUATION, evaluation)
            self.draw()
            self.write_config(ended_after=self.config.epochs)
        except KeyboardInterrupt:
            raise Interrupted(self.after_interruption()) from None
        print_summary(self.folder, evaluation)
        return evaluation

    def train(self) -> None:
        """Train, with a line in metrics.jsonl per epoch and split, and checkpoints."""
        for record in self.trainer.train(self.config.epochs):
            epoch = record["epoch"]
            self.log({"epoch": epoch, "step": record["step"], "split": "train", **record})
            if self.config.evaluate_every and epoch % self.config.evaluate_every == 0:
                test = evaluator(self.model, self.loss, self.config).evaluate(self.splits["test"].images)
                self.log({"epoch": epoch, "step": record["step"], "split": "test", **test})
            if epoch % self.runtime.checkpoint_every == 0 or epoch == self.config.epochs:
                self.folder.save_checkpoint(self.trainer.state_dict())

    def log(self, record: dict[str, Any]) -> None:
        """Record one line of metrics and show it."""
        self.folder.append_metrics(record)
        self.progress.epoch_line(record)

    def write_config(self, *, ended_after: int | None) -> None:
        """Write config.json: the configuration, what it was run with, and after how many epochs the run ended."""
        record = {
            **asdict(self.config),
            "data": data_record(self.splits),
            **environment(self.trainer.images.device),
            "ended_after": ended_after,
        }
        self.folder.write_json(CONFIG, record)

    def draw(self) -> None:
        """Write the pictures."""
        config, device = self.config, self.trainer.images.device
        title = f"{config.dataset}, {config.loss}"
        images = to_unit_interval(self.splits["test"].images[:RECONSTRUCTED_IMAGES].to(device))
        self.model.eval()
        seed_everything(config.seed, PICTURES_STREAM)
        figures = {
            RECONSTRUCTIONS: pictures.reconstructions(self.model, images, title=title),
            SAMPLES: pictures.samples(self.model, title=title),
            TRAVERSALS: pictures.traversals(self.model, config.latent_dim, title=title),
            CURVES: training_curves(self.folder.read_metrics(), title=title),
        }
        for name, figure in figures.items():
            self.folder.replace(name, lambda file, figure=figure: figure.savefig(file, format="png"))

    def after_interruption(self) -> str:
        """What Ctrl-C has left and cost."""
        again = f"python main.py {self.config.experiment} --resume goes on"
        if self.trainer.epoch == self.config.epochs:
            return f"interrupted after training, which is saved; {again} with the evaluation"
        checkpoint = self.folder.load_checkpoint()
        saved = f"epochs 1 to {checkpoint['epoch']} are saved" if checkpoint else "no epoch was complete"
        return f"interrupted in epoch {self.trainer.epoch + 1}: {saved}, what came after is lost; {again}"


def open_folder(experiment: str, runtime: Runtime) -> ResultsFolder:
    """The folder of an existing experiment. Raises ResultsError if there is none."""
    check_experiment_name(experiment)
    folder = ResultsFolder(runtime.results_dir / experiment)
    if not (folder / CONFIG).exists():
        raise ResultsError(f"there is no experiment {folder.path}: check the name, or start it without this flag")
    return folder


def read_config(folder: ResultsFolder) -> tuple[RunConfig, int | None]:
    """The saved configuration, and after how many epochs the run ended (None: it has not).

    Raises ResultsError if config.json is missing, damaged or from another version.
    """
    record = folder.read_json(CONFIG)
    try:
        return RunConfig(**{k: v for k, v in record.items() if k not in RECORDED}), record["ended_after"]
    except (KeyError, TypeError, ValueError) as error:
        raise ResultsError(f"{folder / CONFIG} is not a configuration of this version ({error})") from None


def reconcile(saved: RunConfig, flags: dict[str, Any], changeable: tuple[str, ...]) -> RunConfig:
    """The saved configuration with what the flags may change. Raises ValueError for any other difference."""
    if "loss" in flags:
        flags = {**flags, "loss": loss_name(flags["loss"])}
    known = {**asdict(saved), **saved.loss_options}
    for name, value in flags.items():
        flag = "--" + name.replace("_", "-")
        if name not in known:
            raise ValueError(f"{flag} is not an option of the saved run's --loss {saved.loss}: leave it out")
        if known[name] != value and name not in changeable:
            raise ValueError(
                f"{flag} {value}: the saved run has {known[name]}; leave the flag out, or choose a new name"
            )
    return replace(saved, **{name: value for name, value in flags.items() if name in changeable})


def build(
    config: RunConfig, image_shape: tuple[int, ...], dataset_size: int, device: torch.device | str
) -> tuple[VAE, Loss]:
    """The model and the loss of a configuration, on a device."""
    model = build_model(image_shape, config.latent_dim, config.rec_dist)
    loss = build_loss(config.loss, dataset_size=dataset_size, latent_dim=config.latent_dim, **config.loss_options)
    return model.to(device), loss.to(device)


def load_splits(config: RunConfig, runtime: Runtime) -> dict[str, Dataset]:
    """Both splits, each cut to its size. Raises DatasetError."""
    sizes = {"train": config.train_size, "test": config.test_size}
    return {split: load_dataset(config.dataset, split, runtime.data_dir, size) for split, size in sizes.items()}


def data_record(splits: dict[str, Dataset]) -> dict[str, Any]:
    """What config.json says of the data."""
    train, test = splits["train"], splits["test"]
    return {
        "name": train.name,
        "source": train.source,
        "sha256": {"train": train.sha256, "test": test.sha256},
        "image_shape": list(train.image_shape),
        "train_images": len(train),
        "test_images": len(test),
    }


def check_same_data(folder: ResultsFolder, splits: dict[str, Dataset]) -> None:
    """Raise ResultsError unless the splits come from the data that the run in this folder began with."""
    saved, found = folder.read_json(CONFIG)["data"], data_record(splits)
    if saved["sha256"] != found["sha256"]:
        raise ResultsError(
            f"{folder.path} was run on other data ({saved['name']}, {saved['source']}) than lie in the data "
            f"directory ({found['source']}): name the directory it was run with by --data-dir"
        )


def evaluator(model: VAE, loss: Loss, config: RunConfig) -> Evaluator:
    """The Evaluator of a run."""
    return Evaluator(model, loss, batch_size=config.batch_size, seed=config.seed)


def evaluate(model: VAE, loss: Loss, config: RunConfig, splits: dict[str, Dataset]) -> dict[str, dict[str, float]]:
    """What evaluation.json holds: the quantities of each split."""
    return {name: evaluator(model, loss, config).evaluate(split.images) for name, split in splits.items()}


def check_experiment_name(name: str) -> None:
    """Raise ValueError unless the name is one component of a path that names a folder."""
    if (
        not name
        or name.startswith(".")
        or any(c in "/\\:" or not c.isprintable() for c in name)
        or len(name.encode()) > 200
    ):
        raise ValueError(f"experiment name {name!r}: expected one folder name, such as mnist-dgjs")


def check_choice(flag: str, value: str, choices: Any) -> None:
    """Raise ValueError unless the value is one of the choices."""
    if value not in choices:
        raise ValueError(f"{flag} {value}: choose from {', '.join(choices)}")


def print_summary(folder: ResultsFolder, evaluation: dict[str, dict[str, float]]) -> None:
    """Say what came out and where it lies."""
    for split, values in evaluation.items():
        terms = "  ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in values.items())
        print(f"{split:5}  {terms}")
    print(f"results in {folder.path}, pictures among them: {RECONSTRUCTIONS}, {SAMPLES}, {TRAVERSALS}, {CURVES}")
