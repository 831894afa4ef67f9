"""The command lines that make runs: of one run, of all runs of a grid, and the one that goes on with a run."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

from utils.config import RunConfig
from utils.presets import EPOCHS, EPOCHS_OF, PRESETS
from utils.results import ResultsError
from utils.sweeps import configurations, flags_in_order, run_name
from vae.losses import resolve_options
from vae.options import OptionError

RESULTS_DIR = Path("results")  # the default of --results-dir


def run_command(folder: Path, config: RunConfig) -> str:
    """The command that makes a run in that folder: the flags of its name, and whatever is not at its default."""
    defaults = default_flags(config)
    told = {
        name: value
        for name, value in config.flags().items()
        if name in ("dataset", "loss") or value != defaults[name] or is_named(folder.name, name, value)
    }
    return command(folder, told)


def default_flags(config: RunConfig) -> dict[str, Any]:
    """The flags that a configuration would have with its data set and its loss alone."""
    bare = RunConfig("bare", dataset=config.dataset, loss=config.loss, loss_options=config.loss_options)
    return {**bare.flags(), **resolve_options(config.loss, {})}


def resume_command(folder: Path) -> str:
    """The command that goes on with the run in a folder."""
    return f"{command(folder, {})} --resume"


def grid_command(folder: Path, configs: list[RunConfig]) -> str | None:
    """The command that makes exactly these runs in the folder of an experiment; None if there is no such grid.

    Tried are a grid of the flags that vary, and each preset with what is not its own. What a command would make is
    compared with the runs before it is told.
    """
    wanted = {config.experiment: config for config in configs}
    for preset in (None, *PRESETS):
        given: dict[str, Any] = {}
        if preset is None:
            found = {name: values_of(configs, name) for name in flags_in_order()}
            given = {name: one_or_several(v) for name, v in found.items() if len(v) > 1 or name in ("dataset", "loss")}
        try:
            made = configurations(given, preset)
            for name in flags_in_order():
                values = values_of(configs, name)
                if values and set(values) != set(values_of(made, name)):
                    given[name] = one_or_several(values)
                    made = configurations(given, preset)
            if {config.experiment: config for config in made} == wanted:
                return command(folder, given, preset)
        except (OptionError, ResultsError):
            continue
    return None


def on_dataset(config: RunConfig, dataset: str) -> RunConfig:
    """The same run of a grid on another data set, with the presets' epochs there if it has the presets' here."""
    name = config.experiment.replace(run_name({"dataset": config.dataset}), run_name({"dataset": dataset}))
    presets = config.epochs == EPOCHS_OF.get(config.dataset, EPOCHS)
    epochs = EPOCHS_OF.get(dataset, EPOCHS) if presets else config.epochs
    return replace(config, experiment=name, dataset=dataset, epochs=epochs)


def values_of(configs: list[RunConfig], name: str) -> list[Any]:
    """The values of a flag in runs that are named after it, else in all that have it; each once."""
    having = [config for config in configs if name in config.flags()]
    named = [config for config in having if is_named(config.experiment, name, config.flags()[name])]
    return list(dict.fromkeys(config.flags()[name] for config in named or having))


def one_or_several(values: list[Any]) -> Any:
    """One value as it is, several as a list."""
    return values if len(values) > 1 else values[0]


def is_named(run: str, name: str, value: Any) -> bool:
    """Whether a flag with its value is part of the name of a run."""
    return f"_{run_name({name: value})}_" in f"_{run}_"


def command(folder: Path, flags: dict[str, Any], preset: str | None = None) -> str:
    """A command line with these flags, for the experiment of that folder."""
    words = ["python", "main.py", folder.name]
    if folder.parent != RESULTS_DIR:
        words += ["--results-dir", str(folder.parent)]
    if preset:
        words += ["--preset", preset]
    for name, value in flags.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words += [f"--{flag}" if value else f"--no-{flag}"]
        else:
            words += [f"--{flag}", *map(str, value if isinstance(value, list) else [value])]
    return shlex.join(words)
