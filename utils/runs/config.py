"""The configuration of a run: every setting with its default and bounds, and its way to config.json and back.

What the rest of utils has to know of the objectives, their names, flags and defaults, it knows from here.
"""

import difflib
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from utils.datasets import data_kind, dataset_choices, dataset_defaults, is_dataset, path_kind
from utils.runs.folder import CONFIG, ResultsError, ResultsFolder, check_experiment_name
from vae.losses import LOSSES
from vae.models.likelihoods import LIKELIHOODS
from vae.options import OptionError, Settings, setting
from vae.training.settings import TrainingSettings

# What config.json holds beside the configuration.
RECORDED = ("data", "git_revision", "versions", "machine", "compiled", "resumed_with", "ended_after")
DATA_KINDS = {"name": str, "source": str, "sha256": dict, "image_shape": list, "train_images": int}  # of its "data"

EVALUATION_OPTIONS = ("is_metrics", "importance_samples")  # what --is-eval-only may set anew


@dataclass(frozen=True, kw_only=True)
class ModelSettings(Settings):
    """What is trained, on what, and for how long."""

    dataset: str = setting("dsprites", "data set")
    rec_dist: str = setting(
        "bernoulli", "likelihood p(x|z); the normal ones are for vectors", choices=tuple(LIKELIHOODS)
    )
    loss: str = setting("GJS", "training objective, see below")
    latent_dim: int = setting(10, "dimensions of z", minimum=1, maximum=10_000)
    epochs: int = setting(30, "passes over the training images", minimum=1)


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings(Settings):
    """How much data, and what is evaluated when."""

    train_size: int | None = setting(None, "train on the first N images only, else on all", minimum=1)
    test_size: int | None = setting(None, "test on the first N images only, else on all", minimum=1)
    evaluate_every: int | None = setting(
        None, "evaluate the test split every N epochs too, into metrics.jsonl", minimum=1
    )
    is_metrics: bool = setting(
        False, "measure disentanglement too, over all images of a data set whose factors are known"
    )
    importance_samples: int = setting(0, "estimate log p(x) of the test images too, with N draws of z each", minimum=0)


@dataclass(frozen=True)
class RunConfig(EvaluationSettings, TrainingSettings, ModelSettings):  # fields: of the last base first
    """Everything that the results of a run depend on: a whole record, such as `from_flags` makes of what is given.

    Raises OptionError, in one line, for a value that is not allowed, and for values that do not go together.
    """

    experiment: str
    loss_options: dict[str, float | int | bool | str] = field(default_factory=dict)

    def __post_init__(self):
        check_experiment_name(self.experiment)
        super().__post_init__()
        check_dataset(self.dataset)
        if self.loss != (name := LOSSES.name_of(self.loss)):
            raise OptionError(f"--loss {self.loss}: expected {name}, of which it is an alias")
        if self.loss_options != LOSSES.resolve_options(self.loss, self.loss_options):
            raise OptionError(f"options {self.loss_options}: expected all of --loss {self.loss}, see from_flags")
        self.check_loss()
        self.check_data()

    def check_loss(self) -> None:
        """Raise OptionError for a setting that the loss does not go with."""
        loss = LOSSES[self.loss]
        own = loss.fixed_latent_dim(self.loss_options)
        if own not in (None, self.latent_dim):
            raise OptionError(f"--latent-dim {self.latent_dim}: --loss {self.loss} has {own}: leave it out")
        if self.compile and not loss.compilable:
            raise OptionError(f"--compile: --loss {self.loss} cannot be compiled: leave it out")
        if loss.batch_statistic and self.batch_size < 2:
            raise OptionError(f"--batch-size 1: --loss {self.loss} compares the images of a batch: expected 2 or more")

    def check_data(self) -> None:
        """Raise OptionError for a setting that the kind of data does not go with."""
        kind = data_kind(self.dataset) or LIKELIHOODS[self.rec_dist].data  # where a file holds it, loading it will tell
        if kind not in LOSSES[self.loss].data:
            raise OptionError(f"--loss {self.loss}: --dataset {self.dataset} has {kind}, which it is not for")
        self.check_likelihood(kind)
        if self.noise and kind != "images":
            raise OptionError(f"--noise {self.noise}: --dataset {self.dataset} has {kind}, noise is for images only")

    def check_likelihood(self, kind: str) -> None:
        """Raise OptionError unless the likelihood is for data of that kind, "images" or "vectors"."""
        if LIKELIHOODS[self.rec_dist].data != kind:
            fitting = ", ".join(name for name, likelihood in LIKELIHOODS.items() if likelihood.data == kind)
            raise OptionError(f"--rec-dist {self.rec_dist}: --dataset {self.dataset} has {kind}: choose from {fitting}")

    @classmethod
    def from_flags(cls, experiment: str, flags: dict[str, Any], data_dir: str | Path = "") -> "RunConfig":
        """The configuration of flags by name, such as lr=1e-3 and GJS_A=0.3; what is not a setting is the loss's.

        What is left out is as the loss's options have it, else as the data have it, which may lie at a path, from here
        or from `data_dir`, else at its default.
        """
        options = cls.options()
        loss = LOSSES.name_of(flags.get("loss", cls.loss))
        loss_options = LOSSES.resolve_options(loss, {name: flags[name] for name in flags if name not in options})
        given = {name: options[name].check(flags[name]) for name in flags if name in options}
        latent_dim = LOSSES[loss].fixed_latent_dim(loss_options)
        own = {} if latent_dim is None else {"latent_dim": latent_dim}
        defaults = {**dataset_defaults(given.get("dataset", cls.dataset), data_dir), **own}
        config = cls(experiment, **{**defaults, **given, "loss": loss}, loss_options=loss_options)
        if own and "latent_dim" in given:
            raise OptionError(f"--latent-dim: --loss {loss} has its own, {latent_dim}: leave it out")
        return config

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "RunConfig":
        """The configuration in a config.json; a setting or option that is younger than that has its default."""
        settings = {name: value for name, value in record.items() if name not in RECORDED}
        return cls(**settings | {"loss_options": LOSSES.resolve_options(record["loss"], record["loss_options"])})

    def training(self, *, compiled: bool) -> TrainingSettings:
        """The settings of the training loop, compiled or not, as has been chosen."""
        settings = {name: getattr(self, name) for name in TrainingSettings.options()}
        return TrainingSettings(**settings | {"compile": compiled})

    def flags(self) -> dict[str, Any]:
        """Every setting and every option of the loss, by name."""
        return {**{name: getattr(self, name) for name in self.options()}, **self.loss_options}


def flags_in_order() -> list[str]:
    """Every flag of a configuration, settings first: the order in a run's name."""
    options = dict.fromkeys(option.name for loss in LOSSES.values() for option in loss.options)
    return [*RunConfig.options(), *options]


def used_flags(loss: str) -> set[str]:
    """Of the flags that are not for all losses, those that a loss uses."""
    options = default_options(loss)
    return {*options, *(["latent_dim"] if LOSSES[loss].fixed_latent_dim(options) is None else [])}


def default_options(loss: str) -> dict[str, Any]:
    """The options of a loss with their defaults."""
    return LOSSES.resolve_options(loss, {})


def read_config(folder: ResultsFolder) -> tuple[RunConfig, dict[str, Any]]:
    """The saved configuration, and the whole of config.json.

    Raises ResultsError if config.json is missing, damaged or of another version.
    """
    record = folder.read_json(CONFIG)
    try:
        for name in ("git_revision", "versions", "machine"):
            _ = record[name]
        for name, kind in DATA_KINDS.items():
            if not isinstance(record["data"][name], kind):
                raise TypeError(f"the data's {name} is {record['data'][name]!r}")
        if not isinstance(record["ended_after"], int | None):
            raise TypeError(f"ended_after is {record['ended_after']!r}")
        return RunConfig.from_record(record), record
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError, ResultsError) as error:
        raise ResultsError(f"{folder / CONFIG} is not a configuration of this version ({error!r})") from None


def reconcile(saved: RunConfig, flags: dict[str, Any], changeable: tuple[str, ...]) -> RunConfig:
    """The saved configuration with what the flags may change. Raises OptionError for any other difference.

    The path of `--dataset kind:PATH` may be another one: whether it leads to the same data is for their hash to say.
    """
    if (kind := path_kind(saved.dataset)) and path_kind(flags.get("dataset", "")) == kind:
        saved = replace(saved, dataset=flags["dataset"])
    if "loss" in flags:
        flags = {**flags, "loss": LOSSES.name_of(flags["loss"])}
    known = {**asdict(saved), **saved.loss_options}
    for name, value in flags.items():
        flag = "--" + name.replace("_", "-")
        if name not in known:
            raise OptionError(f"{flag} is not an option of the saved run's --loss {saved.loss}: leave it out")
        if known[name] != value and name not in changeable:
            remedy = "leave the flag out" + (", or choose a new name" if changeable != EVALUATION_OPTIONS else "")
            remedy = "add --is-eval-only" if name in EVALUATION_OPTIONS else remedy
            raise OptionError(f"{flag} {value}: the saved run has {known[name]}; {remedy}")
    return replace(saved, **{name: value for name, value in flags.items() if name in changeable})


def check_dataset(name: str) -> None:
    """Raise OptionError unless there is such a data set."""
    if not is_dataset(name):
        names = {choice.casefold(): choice for choice in dataset_choices()}
        near = difflib.get_close_matches(name.casefold(), names, n=1)
        hint = f"did you mean {names[near[0]]}? " if near else ""
        raise OptionError(f"--dataset {name}: {hint}choose from {', '.join(dataset_choices())}")
