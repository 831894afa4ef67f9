"""The flags of the command line, made of the records of settings and of the losses' options."""

import argparse
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn
from unicodedata import category

from utils.datasets import dataset_choices
from utils.grids.presets import PRESETS, SCALES
from utils.runs.config import DataSettings, EvaluationSettings
from utils.runs.folder import EXPORTED_SAMPLES, EXPORTS
from vae.losses import LOSSES
from vae.models.networks import NETWORKS
from vae.models.settings import ModelSettings
from vae.options import Option, OptionError, Settings, nearest, plain
from vae.registry import Registry
from vae.training.settings import TrainingSettings

GROUPS = {  # of the help, and the settings in each
    "the data": DataSettings,
    "the model": ModelSettings,
    "training": TrainingSettings,
    "how much data, and what to evaluate when": EvaluationSettings,
}
SHORT_FLAGS = {
    "dataset": ["-d"],
    "loss": ["-l"],
    "rec_dist": ["-r"],
    "latent_dim": ["-z"],
    "epochs": ["-e"],
    "batch_size": ["-b"],
    "seed": ["-s"],
    "lr": ["--learning-rate"],
    "reg_anneal": ["-a"],
}
MEANT = {  # by what papers and other projects call it
    name: flag
    for flag, names in {
        "--GJS-A": "alpha skew",
        "--GJS-B": "lambda",
        "--betaH-B": "beta kl-weight kld-weight kl-coeff kl-beta",
        "--loss": "model objective method divergence algorithm",
        "--rec-dist": "likelihood distribution recon-loss reconstruction-loss decoder-dist",
        "--latent-dim": "z-dim zdim nz latent-size latent-dims code-size hidden-dim n-latent",
        "--epochs": "n-epochs num-epochs max-epochs nepochs epoch",
        "--batch-size": "bs batch train-batch-size n-batch",
        "--seed": "random-seed manual-seed",
        "--data-dir": "data data-path data-root dataroot root",
        "--results-dir": "output output-dir out out-dir log-dir logdir save-dir model-dir checkpoint-dir",
        "--device": "gpu gpus cuda use-cuda accelerator",
        "--resume": "resume-from continue restore load load-checkpoint",
        "--is-eval-only": "eval eval-only evaluate test test-only",
        "--overwrite": "force clobber",
        "--jobs": "parallel n-jobs",
        "--evaluate-every": "eval-every eval-interval test-interval",
        "--checkpoint-every": "save-every save-interval save-freq",
        "--precision": "amp fp16 bf16 mixed-precision",
        "--importance-samples": "iwae k-samples num-samples",
        "--dataset": "data-set data-name task",
    }.items()
    for name in names.split()
}
INSTEAD = {  # of what there is nothing like
    "optimizer": "Adam is the only one, and --lr its rate",
    "optim": "Adam is the only one, and --lr its rate",
    "num-workers": "images stay in memory, and no workers load them",
    "workers": "images stay in memory, and no workers load them",
    "dry-run": "--epochs 1 --train-size 100 --test-size 100 is a short run",
    "debug": "--epochs 1 --train-size 100 --test-size 100 is a short run",
    "log-interval": "each epoch has a line, and a bar within it",
    "verbose": "each epoch has a line, and a bar within it",
}

# What the program calls what no flag is for.
OF_THE_PROGRAM = {"animation", "dataset_size", "draw", "mode", "runtime", "settings"}


class UsageError(Exception):
    """A command line that cannot be read; the message is one line."""


class Once(argparse.Action):
    """Stores a value."""

    remedy = "give it once"

    def __call__(self, parser, namespace, values, option_string=None):
        if hasattr(namespace, self.dest):
            parser.error(f"{option_string} is given twice: {self.remedy}")
        setattr(namespace, self.dest, self.stored(values))

    def stored(self, values: Any) -> Any:
        """What is stored."""
        return values


class OneOrSeveral(Once):
    """Stores one value as it is, and several, each once, as a list."""

    remedy = "give it once, with all its values"

    def stored(self, values: Any) -> Any:
        values = list(dict.fromkeys(values))
        return values if len(values) > 1 else values[0]


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Names the value of a flag once, not as NAME [NAME ...]."""

    def _format_args(self, action, default_metavar):
        return super()._format_args(action, default_metavar).partition(" [")[0]


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are a UsageError, and that takes -1e-5 for a number as it does -0.00001."""

    def __init__(self, **how: Any):
        super().__init__(**how)
        self.register("action", None, Once)
        self._negative_number_matcher = re.compile(r"-(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$", re.IGNORECASE)

    def error(self, message: str) -> NoReturn:
        message = re.sub(r"^argument [^:]*: (?=--)", "", message)  # our own messages name the flag themselves
        message = message.replace("expected at least one argument", "expected one argument, or several")
        message = message.replace("required: experiment", "required: experiment, before the flags")
        if unknown := re.match(r"unrecognized arguments: (-[^ =]+)", message):
            name = plain(unknown[1])
            near = MEANT.get(name) or nearest(name, self._option_string_actions)
            hint = f": did you mean {near}?" if near else f": {INSTEAD[name]}" if name in INSTEAD else ""
            message = f"there is no flag {unknown[1]}{hint}"
        elif message.endswith((" True", " False")):
            message += ": a flag takes neither, --NAME turns it on and --no-NAME off"
        raise UsageError(f"{message} (python main.py --help lists every flag)")


def build_parser(groups: dict[str, type[Settings]] = GROUPS) -> Parser:
    """The parser of every flag, of all settings in the groups. A flag that is not given is absent from its result."""
    parser = Parser(
        prog="python main.py",
        description="Train and evaluate a variational autoencoder, regularised with the divergence you choose.",
        epilog="Example: python main.py exp --dataset mnist --loss dGJS --GJS-A 0.3",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
        usage="python main.py EXPERIMENT [flags]",
        formatter_class=lambda prog: HelpFormatter(prog, max_help_position=32, width=100),
    )
    parser.add_argument("experiment", help="name of the folder under results/ that the run writes")
    for title, settings in groups.items():
        add_options(parser.add_argument_group(title), settings.options().values())
    add_several(parser)
    add_folder(parser)
    add_machine(parser)
    users = dict.fromkeys((*(action.dest for action in parser._actions), *OF_THE_PROGRAM), "the program")
    for title, registry in (("training objectives", LOSSES), ("networks", NETWORKS)):
        check_names(registry, users)
        add_entries(parser, title, registry)
        users |= {option.name: entry.__name__ for entry in registry.values() for option in entry.options}
    return parser


def check_names(registry: Registry, users: dict[str, str]) -> None:
    """Raise TypeError for an option with a name that is in use, by whom `users` tells."""
    for entry in registry.values():
        for option in entry.options:
            if user := users.get(option.name):
                raise TypeError(f"{entry.__name__}: an option of {user} is called {option.name} too: rename this one")


def add_entries(parser: Parser, title: str, registry: Registry) -> None:
    """Add the list of what a registry has, and a group for the options of each, or of all that share some."""
    width = max(map(len, registry)) + 1
    summaries = "\n".join(f"{name:{width}}{entry.summary}" for name, entry in registry.items())
    parser.add_argument_group(f"{title} ({registry.flag})", summaries)
    users: dict[Option, list[str]] = {}
    for name, entry in registry.items():
        for option in entry.options:
            users.setdefault(option, []).append(name)
    for names in dict.fromkeys(map(tuple, users.values())):
        group = parser.add_argument_group(f"options of {registry.flag} {', '.join(names)}")
        add_options(group, [option for option in users if tuple(users[option]) == names])


def add_several(parser: Parser) -> None:
    """Add the flags of grids."""
    text = "Given several values, a flag above makes a grid: each combination is a run in EXPERIMENT/RUN/."
    group = parser.add_argument_group("several runs", text)
    group.add_argument(
        "--preset", choices=PRESETS, help=f"runs that belong together: {', '.join(PRESETS)}; other flags change them"
    )
    scales = "; ".join(f"{name}: {scale.summary}" for name, scale in SCALES.items())
    text = f"with --preset, how large its runs are. {scales} (default: paper)"
    group.add_argument("--scale", choices=SCALES, help=text)
    jobs = Option("jobs", 1, "runs at a time, in as many processes", int, minimum=1)
    add_options(group, [jobs], several=False)
    group.add_argument(
        "--executor", choices=("ray", "submitit"), help="a cluster to carry the runs out: Ray's or SLURM's"
    )
    gpus = Option("gpus_per_run", 0.0, "with --executor: 0.25 lets four share a GPU, 0: CPU", minimum=0, maximum=1)
    add_options(group, [gpus], several=False)
    group.add_argument(
        "--ensemble",
        action=argparse.BooleanOptionalAction,
        help="train runs of the same data, networks and batches as one model (default: on a GPU, without --jobs)",
    )


def add_folder(parser: Parser) -> None:
    """Add the flags of what is done in the results folder."""
    group = parser.add_argument_group("the results folder")
    add_deeds(group)
    every = Option("checkpoint_every", 1, "save all that --resume needs every N epochs", int, minimum=1)
    minutes = Option("checkpoint_minutes", None, "and every M minutes, within an epoch too", float, above=0)
    add_options(group, [every, minutes], several=False)
    add_export(group)
    group.add_argument(
        "--on", metavar="NAME", help="with --is-eval-only: the data set to judge by, in place of the run's own"
    )
    group.add_argument(
        "--config",
        type=lambda text: folder_path(text) if text else Path(),
        metavar="FILE",
        help="begin with a run's settings, its config.json; flags override them",
    )
    group.add_argument(
        "--results-dir", type=folder_path, metavar="DIR", help="where experiments lie (default: results)"
    )


def add_deeds(group: Any) -> None:
    """Add the flags that say what is to be done, in place of a new run or besides."""
    for name, text in (
        ("--resume", "go on with an interrupted run, on a CPU to the same bits"),
        ("--report", "write report.html, table.md, table.csv; alone it runs nothing"),
        ("--explore", "write explore.html, where the decoder runs in the browser; alone it runs nothing"),
        ("--overwrite", "replace the run of that name; with --export, what it wrote before"),
        ("--is-eval-only", "evaluate the saved model anew, do not train"),
        ("--gif", "write training.gif too: how reconstructions and traversals came about, epoch by epoch"),
        ("--tensorboard", "write what metrics.jsonl has as scalars for TensorBoard too, which is to be installed"),
    ):
        group.add_argument(name, action="store_true", help=text)
    text = "write explore.html into EXPERIMENT/, of the runs and grids of these names or folders; it runs nothing"
    group.add_argument("--compare", nargs="+", metavar="NAME", help=text)


def add_export(group: Any) -> None:
    """Add the flags of exports."""
    text = "write a run's latents, samples or reconstructions for other programs, or its decoder as ONNX"
    group.add_argument("--export", choices=EXPORTS, help=text)
    formats = list(dict.fromkeys(form for formats in EXPORTS.values() for form in formats))
    text = "with --export: csv of latents, png of samples or reconstructions (default: npz)"
    group.add_argument("--export-format", choices=formats, help=text)
    samples = Option("samples", EXPORTED_SAMPLES, "with --export samples: how many", int, minimum=1, maximum=10_000_000)
    add_options(group, [samples], several=False)


def add_machine(parser: Parser) -> None:
    """Add the flags of this machine."""
    group = parser.add_argument_group("the machine")
    group.add_argument(
        "--data-dir", type=folder_path, metavar="DIR", help="where data sets lie (default: $VAE_DATA if set, else data)"
    )
    group.add_argument("--device", metavar="NAME", help="auto, cpu, cuda or cuda:N (default: auto)")
    group.add_argument("--no-cuda", action="store_const", const="cpu", dest="device", help="the same as --device cpu")
    group.add_argument("--no-progress-bar", action="store_false", dest="progress_bar", help="show no progress bar")


def add_options(group: Any, options: Iterable[Option], *, several: bool = True) -> None:
    """Add the flag of each option, with its bounds; whether they may be given several values."""
    for option in options:
        flags = [*SHORT_FLAGS.get(option.name, []), option.flag]
        if option.kind is bool:
            group.add_argument(*flags, action=argparse.BooleanOptionalAction, dest=option.name, help=help_of(option))
            continue
        metavar = {str: "NAME", int: "N", float: "X"}[option.kind]
        number = {"nargs": "+", "action": OneOrSeveral} if several else {}
        kind = {"type": parser_of(option), "metavar": metavar}
        group.add_argument(*flags, dest=option.name, help=help_of(option), **kind, **number)


def folder_path(text: str) -> Path:
    """The folder that a text names, with ~ for the home directory."""
    if not text:
        raise argparse.ArgumentTypeError("the name of the folder is empty: expected one, . for the current folder")
    if any(category(c) in ("Cc", "Cf") for c in text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a folder: expected one without control characters")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise argparse.ArgumentTypeError(f"no home directory is known for the path {text}: write it in full") from None


def help_of(option: Option) -> str:
    """What the help says of an option."""
    choices = dataset_choices() if option.name == "dataset" else None
    remarks = [option.limits] if option.limits else []
    remarks += [f"default: {option.default}"] if option.default is not None else []
    text = (f"{option.help}: {', '.join(choices)}" if choices else option.help).replace("%", "%%")
    return text + (f" ({'; '.join(remarks)})" if remarks else "")


def parser_of(option: Option) -> Any:
    """What makes a value of a text, with the option's own error."""

    def parse(text: str) -> Any:
        try:
            return option.parse(text)
        except OptionError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse
