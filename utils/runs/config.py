"""The configuration of a run: every setting with its default and bounds, and its way to config.json and back.

What the rest of utils has to know of the objectives and the networks, their flags and defaults, it knows from here.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from utils.datasets import data_kind, dataset_choices, dataset_defaults, is_dataset, is_resized, path_kind
from utils.runs.folder import CONFIG, ResultsError, ResultsFolder, check_experiment_name
from vae.losses import LOSSES
from vae.models.likelihoods import LIKELIHOODS, check_kind
from vae.models.networks import NETWORKS, check_shape, usual_network
from vae.models.posteriors import POSTERIORS
from vae.models.priors import PRIORS
from vae.models.settings import COUNTING, ModelSettings
from vae.options import OptionError, Settings, flag_of, nearest, setting
from vae.registry import Registry
from vae.saved import of_another_version
from vae.training.settings import TrainingSettings

# The settings that name something with options of its own: those of `loss` are in `loss_options`, and so on.
COMPOSED: dict[str, Registry] = {"loss": LOSSES, "network": NETWORKS}

# What config.json holds beside the configuration.
RECORDED = ("data", "git_revision", "versions", "machine", "compiled", "resumed_with", "ended_after")
RECORDED += ("stopped_after", "kept_epoch")

EVALUATION_OPTIONS = ("is_metrics", "importance_samples", "sampler")  # what --is-eval-only may set anew


@dataclass(frozen=True, kw_only=True)
class DataSettings(Settings):
    """What is trained on."""

    dataset: str = setting("dsprites", "data set")
    image_size: int | None = setting(
        None, "side in pixels of the pictures of folder:PATH (default: 32 or 64)", minimum=8, maximum=256
    )


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings(Settings):
    """How much data, and what is evaluated when."""

    train_size: int | None = setting(None, "train on the first N images only, else on all", minimum=1)
    test_size: int | None = setting(None, "test on the first N images only, else on all", minimum=1)
    validation_size: int | None = setting(
        None, "hold N training images out, the last ones, and evaluate them after each epoch", minimum=1
    )
    early_stopping: int | None = setting(None, "stop when the validation loss has not fallen for N epochs", minimum=1)
    keep: str = setting(
        "last", "epoch whose model is kept: the last, or the best by its validation loss", choices=("best", "last")
    )
    evaluate_every: int | None = setting(
        None, "evaluate the test split every N epochs too, into metrics.jsonl", minimum=1
    )
    is_metrics: bool = setting(
        False, "measure disentanglement too, over all images of a data set whose factors are known"
    )
    importance_samples: int = setting(0, "estimate log p(x) of the test images too, with N draws of z each", minimum=0)
    sampler: str | None = setting(
        None,
        "sample from a density fitted to the latents of training images too: gmm, ten Gaussians, by scikit-learn",
        choices=("gmm",),
    )


@dataclass(frozen=True)
class RunConfig(EvaluationSettings, TrainingSettings, ModelSettings, DataSettings):  # fields: of the last base first
    """Everything that the results of a run depend on: a whole record, such as `from_flags` makes of what is given.

    Raises OptionError, in one line, for a value that is not allowed, and for values that do not go together.
    """

    experiment: str
    loss_options: dict[str, float | int | bool | str] = field(default_factory=dict)
    network_options: dict[str, float | int | bool | str] = field(default_factory=dict)

    def __post_init__(self):
        check_experiment_name(self.experiment)
        super().__post_init__()
        check_dataset(self.dataset)
        for part, registry in COMPOSED.items():
            chosen, options = getattr(self, part), getattr(self, f"{part}_options")
            if chosen != (name := registry.name_of(chosen)):
                raise OptionError(f"--{part} {chosen}: expected {name}, of which it is an alias")
            if options != registry.resolve_options(chosen, options):
                raise OptionError(f"options {options}: expected all of --{part} {chosen}, see from_flags")
        self.check_loss()
        self.check_latents()
        self.check_data()
        if not self.validation_size and (self.keep == "best" or self.early_stopping):
            flag = f"--early-stopping {self.early_stopping}" if self.early_stopping else "--keep best"
            raise OptionError(f"{flag} goes by the loss of validation images: add --validation-size N")

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

    def check_latents(self) -> None:
        """Raise OptionError for a prior or a posterior that the loss, or each other, does not go with."""
        loss, prior = LOSSES[self.loss], PRIORS[self.prior] if self.prior else None
        known = [name for name in PRIORS.in_order() if loss.priors and issubclass(PRIORS[name], loss.priors)]
        if prior and self.prior not in known:
            why = f"it knows {', '.join(known)} only" if known else "it has a prior of its own"
            raise OptionError(f"--prior {self.prior}: --loss {self.loss} cannot be computed with it, {why}")
        if self.prior_components and not (prior and prior.counted):
            counting = " or ".join(COUNTING)
            raise OptionError(f"--prior-components {self.prior_components}: expected --prior {counting} besides")
        if POSTERIORS[self.posterior].model.diagonal:
            return
        if not loss.full_covariance:
            raise OptionError(
                f"--posterior {self.posterior}: --loss {self.loss} is for diagonal ones only: leave it out"
            )
        if prior and prior.takes_encoder:
            both = f"--posterior {self.posterior}: --prior {self.prior}"
            raise OptionError(f"{both} is a mixture of diagonal ones: leave one of them out")

    def check_prior_options(self) -> None:
        """Raise OptionError for an option of the loss's own prior beside another. Older runs may have one."""
        usual = default_options("loss", self.loss)
        for name in LOSSES[self.loss].prior_options if self.prior else ():
            if self.loss_options[name] != usual[name]:
                own = f"is of the prior that --loss {self.loss} has of its own"
                raise OptionError(f"{flag_of(name)} {own}, in place of which --prior {self.prior} comes: leave it out")

    def check_data(self) -> None:
        """Raise OptionError for a setting that the kind of data does not go with."""
        kind = data_kind(self.dataset) or LIKELIHOODS[self.rec_dist].data  # where a file holds it, loading it will tell
        if kind not in LOSSES[self.loss].data:
            raise OptionError(f"--loss {self.loss}: --dataset {self.dataset} has {kind}, which it is not for")
        self.check_likelihood(kind)
        if self.image_size and not is_resized(self.dataset):
            own = f"--dataset {self.dataset} has a size of its own"
            raise OptionError(f"--image-size {self.image_size}: {own}, this is for folder:PATH")
        if self.noise and kind != "images":
            raise OptionError(f"--noise {self.noise}: --dataset {self.dataset} has {kind}, noise is for images only")

    def check_likelihood(self, kind: str) -> None:
        """Raise OptionError unless the likelihood is for data of that kind, "images" or "vectors"."""
        check_kind(self.rec_dist, kind, f"--dataset {self.dataset} has")

    def check_data_shape(self, shape: tuple[int, ...]) -> None:
        """Raise OptionError unless the likelihood and the network are for images, or vectors, of this shape."""
        self.check_likelihood("images" if len(shape) > 1 else "vectors")
        check_shape(self.network, shape)

    @classmethod
    def from_flags(cls, experiment: str, flags: dict[str, Any], data_dir: str | Path = "") -> "RunConfig":
        """The configuration of flags by name, such as lr=1e-3 and GJS_A=0.3: settings, and options of what they name.

        A setting that is left out is as the loss fixes it, else as the data set has its own default, else at the usual
        one. Data at a path are looked for from here, then below `data_dir`.
        """
        settings = cls.options()
        given = {name: settings[name].check(flags[name]) for name in flags if name in settings}
        defaults = dataset_defaults(given.get("dataset", cls.dataset), data_dir)
        names = {part: given.get(part, defaults.get(part, getattr(cls, part))) for part in COMPOSED}
        composed = compose(names, {name: value for name, value in flags.items() if name not in settings})
        latent_dim = LOSSES[composed["loss"]].fixed_latent_dim(composed["loss_options"])
        own = {} if latent_dim is None else {"latent_dim": latent_dim}
        config = cls(experiment, **{**defaults, **own, **given, **composed})
        if own and "latent_dim" in given:
            raise OptionError(f"--latent-dim: --loss {config.loss} has its own, {latent_dim}: leave it out")
        config.check_prior_options()
        return config

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "RunConfig":
        """The configuration in a config.json; a setting or option that is younger than that has its default."""
        usual = usual_network(LIKELIHOODS[record["rec_dist"]].data)
        settings = {"network": usual, **{name: value for name, value in record.items() if name not in RECORDED}}
        for part, registry in COMPOSED.items():
            options = settings.get(f"{part}_options", {})
            settings[f"{part}_options"] = registry.resolve_options(settings[part], options)
        return cls(**settings)

    def training(self, *, compiled: bool) -> TrainingSettings:
        """The settings of the training loop, compiled or not, as has been chosen."""
        settings = {name: getattr(self, name) for name in TrainingSettings.options()}
        return TrainingSettings(**settings | {"compile": compiled})

    def chosen_parts(self) -> list[str]:
        """What the model is made of besides its networks, in words, where that was chosen: its prior, say."""
        told = {"loss", "rec_dist", "network", "latent_dim"}
        chosen = {name: getattr(self, name) for name in ModelSettings.options() if name not in told}
        usual = {name: option.default for name, option in ModelSettings.options().items()}
        return [f"{name.replace('_', '-')} {value}" for name, value in chosen.items() if value != usual[name]]

    def flags(self) -> dict[str, Any]:
        """Every setting, and every option of what they name, by name."""
        settings = {name: getattr(self, name) for name in self.options()}
        return settings | {name: value for part in COMPOSED for name, value in getattr(self, f"{part}_options").items()}


def compose(names: dict[str, str], options: dict[str, Any]) -> dict[str, Any]:
    """What a model is composed of: each by its registered name, with all of its options.

    Raises OptionError, in one line, for an option that nothing of it has.
    """
    composed: dict[str, Any] = {part: registry.name_of(names[part]) for part, registry in COMPOSED.items()}
    for part, registry in COMPOSED.items():
        own = {name: value for name, value in options.items() if part_of(name) == part}
        composed[f"{part}_options"] = registry.resolve_options(composed[part], own)
    return composed


def part_of(option: str) -> str:
    """The setting that names what has this option, such as "network"; of an unknown option "loss"."""
    return next((part for part, registry in COMPOSED.items() if registry.has_option(option)), "loss")


def flags_in_order() -> list[str]:
    """Every flag of a configuration, settings first: the order in a run's name."""
    names = (option.name for registry in COMPOSED.values() for entry in registry.values() for option in entry.options)
    return [*RunConfig.options(), *dict.fromkeys(names)]


def used_flags(composed: dict[str, str]) -> set[str]:
    """Of the flags that only some losses, or some networks, use: those that are used by the ones that are named."""
    options = {name for part, chosen in composed.items() for name in default_options(part, chosen)}
    free = LOSSES[composed["loss"]].fixed_latent_dim(default_options("loss", composed["loss"])) is None
    return options | ({"latent_dim"} if free else set())


def default_options(part: str, name: str) -> dict[str, Any]:
    """The options of a loss, or of another part of a model, with their defaults."""
    return COMPOSED[part].resolve_options(name, {})


def read_config(folder: ResultsFolder) -> tuple[RunConfig, dict[str, Any]]:
    """The saved configuration, and the whole of config.json.

    Raises ResultsError if config.json is missing, damaged or of another version.
    """
    record = folder.read_json(CONFIG)
    try:
        return RunConfig.from_record(record), record
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError, ResultsError) as error:
        raise of_another_version(folder / CONFIG, error) from None


def settings_from(path: Path, given: dict[str, Any]) -> dict[str, Any]:
    """The flags that make a run as the one whose config.json that is, with flags given besides in place of its own.

    What is of its loss, its network or its prior is left out where only others are given. Raises ResultsError, and
    OptionError for a name that there is not, and for data at a path that is not given again, in one line.
    """
    if path.name != CONFIG or not path.is_file():
        raise ResultsError(f"--config {path}: expected the {CONFIG} of a run, such as results/NAME/{CONFIG}")
    saved, _ = read_config(ResultsFolder(path.parent))
    if (kind := path_kind(saved.dataset)) and "dataset" not in given:
        cut = f"of the path of its data, {saved.dataset}, there may be the last part only"
        raise OptionError(f"--config {path}: {cut}: add --dataset {kind}:PATH")
    left_out = set()
    for part, registry in COMPOSED.items():
        names = as_list(given.get(part, []))
        if names and getattr(saved, part) not in map(registry.name_of, names):
            left_out |= getattr(saved, f"{part}_options").keys()
    if settles_latent_dim(saved.loss) or all(map(settles_latent_dim, as_list(given.get("loss", saved.loss)))):
        left_out.add("latent_dim")
    if not all(map(is_resized, as_list(given.get("dataset", saved.dataset)))):
        left_out.add("image_size")
    if saved.prior not in as_list(given.get("prior", saved.prior)):
        left_out.add("prior_components")
    if all(as_list(given.get("prior", saved.prior))):
        left_out |= set(LOSSES[saved.loss].prior_options)
    return {name: value for name, value in saved.flags().items() if name not in left_out} | given


def settles_latent_dim(loss: str) -> bool:
    """Whether the options of a loss settle the dimensions of z."""
    name = LOSSES.name_of(loss)
    return LOSSES[name].fixed_latent_dim(LOSSES.resolve_options(name, {})) is not None


def as_list(value: Any) -> list[Any]:
    """Several values as they are, one as a list of one."""
    return value if isinstance(value, list) else [value]


def reconcile(
    saved: RunConfig, flags: dict[str, Any], changeable: tuple[str, ...], *, resumed: Path | None = None
) -> RunConfig:
    """The saved configuration with what the flags may change, of a run that is resumed in its folder, or only opened.

    Raises OptionError for any other difference, and on resuming for other epochs where the learning rate has a course
    over them.
    The path of `--dataset kind:PATH` may be another one: whether it leads to the same data is for their hash to say.
    """
    if (kind := path_kind(saved.dataset)) and path_kind(flags.get("dataset", "")) == kind:
        saved = replace(saved, dataset=flags["dataset"])
    if resumed and saved.lr_schedule != "constant" and flags.get("epochs", saved.epochs) != saved.epochs:
        course = f"--lr-schedule {saved.lr_schedule} has its course over the saved run's {saved.epochs} epochs"
        raise OptionError(f"--epochs {flags['epochs']}: {course}; {way_to(flags['epochs'], saved, resumed)}")
    flags = {name: COMPOSED[name].name_of(value) if name in COMPOSED else value for name, value in flags.items()}
    known = saved.flags()
    for name, value in flags.items():
        flag = flag_of(name)
        if name not in known:
            own = f"--{part_of(name)} {getattr(saved, part_of(name))}"
            raise OptionError(f"{flag} is not an option of the saved run's {own}: leave it out")
        if known[name] != value and name not in changeable:
            remedy = "leave the flag out"
            if resumed:
                anew = name in EVALUATION_OPTIONS
                remedy = "give --is-eval-only in place of --resume" if anew else f"{remedy}, or choose a new name"
            raise OptionError(f"{flag} {value}: the saved run has {known[name]}; {remedy}")
    return replace(saved, **{name: value for name, value in flags.items() if name in changeable})


def way_to(epochs: int | str, saved: RunConfig, place: Path) -> str:
    """How a run in a place is trained for other epochs, in words: where its learning rate has a course, anew."""
    if saved.lr_schedule == "constant":
        return f"--epochs {epochs} goes on to {epochs}"
    return f"a longer one is another run: python main.py NEW --config {place / CONFIG} --epochs {epochs}"


def check_dataset(name: str, flag: str = "--dataset") -> None:
    """Raise OptionError unless there is such a data set; the flag is the one that names it."""
    if not is_dataset(name):
        near = nearest(name, dataset_choices())
        hint = f"did you mean {near}? " if near else ""
        raise OptionError(f"{flag} {name}: {hint}choose from {', '.join(dataset_choices())}")
