"""The configuration of a run: every setting with its default and bounds, and its way to config.json and back.

What the rest of utils has to know of the objectives, their names, flags and defaults, it knows from here.
"""

import difflib
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from utils.datasets import data_kind, dataset_choices, dataset_defaults, is_dataset, path_kind
from utils.runs.folder import CONFIG, ResultsError, ResultsFolder, check_experiment_name
from vae.losses import LOSSES
from vae.models.likelihoods import LIKELIHOODS
from vae.options import Option, OptionError

# What config.json holds beside the configuration.
RECORDED = ("data", "git_revision", "versions", "machine", "compiled", "resumed_with", "ended_after")
DATA_KINDS = {"name": str, "source": str, "sha256": dict, "image_shape": list, "train_images": int}  # of its "data"

EVALUATION_OPTIONS = ("is_metrics", "importance_samples")  # what --is-eval-only may set anew


def setting(name: str, default: Any, text: str, kind: type, **bounds: Any) -> Any:
    """A field of RunConfig with its Option; left out, it has the default there, or the data set's own."""
    return field(default=None, metadata={"option": Option(name, default, text, kind, **bounds)})


@dataclass(frozen=True)
class RunConfig:
    """Everything that the results of a run depend on.

    Raises OptionError, in one line, for a value that is not allowed.
    """

    experiment: str
    dataset: str = setting("dataset", "dsprites", "data set", str)
    rec_dist: str = setting(
        "rec_dist", "bernoulli", "likelihood p(x|z); the normal ones are for vectors", str, choices=tuple(LIKELIHOODS)
    )
    loss: str = setting("loss", "GJS", "training objective, see below", str)
    loss_options: dict[str, float | int | bool | str] = field(default_factory=dict)
    latent_dim: int = setting("latent_dim", 10, "dimensions of z", int, minimum=1, maximum=10_000)
    epochs: int = setting("epochs", 30, "passes over the training images", int, minimum=1)
    batch_size: int = setting("batch_size", 64, "images per step", int, minimum=1, maximum=1_000_000)
    lr: float = setting("lr", 1e-4, "learning rate of Adam", float, above=0)
    seed: int = setting("seed", 1234, "fixes weights, order of images and samples", int, minimum=0)
    noise: float = setting(
        "noise", 0.0, "standard deviation of noise on what the model sees, to make the clean images", float, minimum=0
    )
    precision: str = setting(
        "precision",
        "float32",
        "arithmetic of the networks in training; bf16 is slow on CPUs that lack it",
        str,
        choices=("float32", "bf16"),
    )
    compile: bool | None = setting("compile", None, "train by torch.compile (default: where it pays for itself)", bool)
    train_size: int | None = setting(
        "train_size", None, "train on the first N images only, else on all", int, minimum=1
    )
    test_size: int | None = setting("test_size", None, "test on the first N images only, else on all", int, minimum=1)
    evaluate_every: int | None = setting(
        "evaluate_every", None, "evaluate the test split every N epochs too, into metrics.jsonl", int, minimum=1
    )
    is_metrics: bool = setting(
        "is_metrics", False, "measure disentanglement too, over all images of a data set whose factors are known", bool
    )
    importance_samples: int = setting(
        "importance_samples", 0, "estimate log p(x) of the test images too, with N draws of z each", int, minimum=0
    )

    def __post_init__(self):
        check_experiment_name(self.experiment)
        for name in ("dataset", "loss"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, self.options()[name].default)
        object.__setattr__(self, "loss", LOSSES.name_of(self.loss))
        object.__setattr__(self, "loss_options", LOSSES.resolve_options(self.loss, self.loss_options))
        if not is_dataset(self.dataset):
            check_choice("--dataset", self.dataset, dataset_choices())
        own = dataset_defaults(self.dataset)
        if (latent_dim := LOSSES[self.loss].fixed_latent_dim(self.loss_options)) is not None:
            own = {**own, "latent_dim": latent_dim}
            if self.latent_dim not in (None, latent_dim):
                raise OptionError(f"--latent-dim {self.latent_dim}: --loss {self.loss} has {latent_dim}: leave it out")
        for name, option in self.options().items():
            value = getattr(self, name) if getattr(self, name) is not None else own.get(name, option.default)
            object.__setattr__(self, name, value if value is None else option.check(value))
        kind = data_kind(self.dataset) or LIKELIHOODS[self.rec_dist].data  # where a file holds it, loading it will tell
        if kind not in LOSSES[self.loss].data:
            raise OptionError(f"--loss {self.loss}: --dataset {self.dataset} has {kind}, which it is not for")
        self.check_likelihood(kind)
        if self.noise and kind != "images":
            raise OptionError(f"--noise {self.noise}: --dataset {self.dataset} has {kind}, noise is for images only")
        if self.compile and not LOSSES[self.loss].compilable:
            raise OptionError(f"--compile: --loss {self.loss} cannot be compiled: leave it out")
        if LOSSES[self.loss].batch_statistic and self.batch_size < 2:
            raise OptionError(f"--batch-size 1: --loss {self.loss} compares the images of a batch: expected 2 or more")

    @classmethod
    def options(cls) -> dict[str, Option]:
        """The Option of each setting, by the setting's name."""
        return {f.name: f.metadata["option"] for f in fields(cls) if "option" in f.metadata}

    def check_likelihood(self, kind: str) -> None:
        """Raise OptionError unless the likelihood is for data of that kind, "images" or "vectors"."""
        if LIKELIHOODS[self.rec_dist].data != kind:
            fitting = ", ".join(name for name, likelihood in LIKELIHOODS.items() if likelihood.data == kind)
            raise OptionError(f"--rec-dist {self.rec_dist}: --dataset {self.dataset} has {kind}: choose from {fitting}")

    @classmethod
    def from_flags(cls, experiment: str, flags: dict[str, Any], data_dir: str | Path = "") -> "RunConfig":
        """The configuration of flags by name, such as lr=1e-3 and GJS_A=0.3; what is not a setting is the loss's.

        Data that are named by a path, from here or from `data_dir`, have defaults of their own.
        """
        settings = {name: value for name, value in flags.items() if name in cls.options()}
        settings = {**dataset_defaults(flags.get("dataset", ""), data_dir), **settings}
        config = cls(experiment, **settings, loss_options={k: v for k, v in flags.items() if k not in settings})
        if "latent_dim" in flags and LOSSES[config.loss].fixed_latent_dim(config.loss_options) is not None:
            raise OptionError(f"--latent-dim: --loss {config.loss} has its own, {config.latent_dim}: leave it out")
        return config

    @property
    def batchable(self) -> bool:
        """Whether it may be trained together with others as one model, see vae.ensemble."""
        return LOSSES[self.loss].batchable

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
        return RunConfig(**{name: value for name, value in record.items() if name not in RECORDED}), record
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


def check_choice(flag: str, value: str, choices: Any) -> None:
    """Raise OptionError unless the value is one of the choices."""
    if value not in choices:
        names = {choice.casefold(): choice for choice in choices}
        near = difflib.get_close_matches(value.casefold(), names, n=1)
        hint = f"did you mean {names[near[0]]}? " if near else ""
        raise OptionError(f"{flag} {value}: {hint}choose from {', '.join(choices)}")
