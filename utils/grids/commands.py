"""The command lines that make runs: one run, or all runs of a grid."""

import contextlib
import shlex
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from utils.grids.grid import configurations, name_part, run_name
from utils.grids.presets import EPOCHS, EPOCHS_OF, PRESETS
from utils.runs.config import COMPOSED, RunConfig, as_list, default_options, flags_in_order, used_flags
from utils.runs.folder import ResultsError
from utils.runs.runtime import Runtime, flag_words
from vae.options import OptionError, flag_of


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
    """The flags that a configuration would have with its data set and its loss alone, and those of its other parts."""
    bare = RunConfig.from_flags("bare", {"dataset": config.dataset, "loss": config.loss, **config.loss_options})
    options = (default_options(part, getattr(config, part)) for part in COMPOSED)
    return {**bare.flags(), **{name: value for own in options for name, value in own.items()}}


@dataclass(frozen=True)
class GridCommand:
    """A command that makes several runs."""

    preset: str | None
    flags: dict[str, Any]
    runs: int

    def command(self, folder: Path) -> str:
        """The command line, for the experiment of that folder."""
        return command(folder, self.flags, self.preset)


def find_grid(
    configs: list[RunConfig], presets: Sequence[str | None] = (None, *PRESETS), *, exact: bool = True
) -> GridCommand | None:
    """The shortest command that makes these runs, and unless `exact` perhaps others; None if there is none.

    Tried are each preset with what is not its own and, for None, a grid of the flags that vary. What a command would
    make is compared with the runs.
    """
    wanted = {config.experiment: config for config in configs}
    values = values_by_flag(configs)
    found = []
    for preset in presets:
        with contextlib.suppress(OptionError, ResultsError):  # no such grid can be
            flags = grid_flags(values, preset)
            made = runs_of_grid(flags, preset)
            if made == wanted or (not exact and wanted.items() <= made.items()):
                found.append(GridCommand(preset, without_needless(flags, preset), len(made)))
    return min(found, key=lambda grid: len(grid.flags), default=None)


def grid_flags(values: dict[str, list[Any]], preset: str | None) -> dict[str, Any]:
    """Flags besides those of a preset, or of none, with which runs have these values."""
    several = {name for name in values if len(values[name]) > 1 and not preset}
    flags = {name: one_or_several(own) for name, own in values.items() if name in {"dataset", "loss", *several}}
    theirs = values_by_flag(configurations(flags, preset))
    for name, own in values.items():
        if set(own) != set(theirs.get(name, ())):
            flags[name] = one_or_several(own)
            theirs = values_by_flag(configurations(flags, preset))
    return flags


def without_needless(flags: dict[str, Any], preset: str | None) -> dict[str, Any]:
    """The flags less the data set and the loss of a preset, where the preset has them anyway."""
    made = runs_of_grid(flags, preset)
    for name in ("dataset", "loss") if preset else ():
        others = {key: value for key, value in flags.items() if key != name}
        flags = others if runs_of_grid(others, preset) == made else flags
    return flags


def runs_of_grid(flags: dict[str, Any], preset: str | None) -> dict[str, RunConfig]:
    """The configurations of a grid by the names of their runs."""
    return {config.experiment: config for config in configurations(flags, preset)}


def on_dataset(config: RunConfig, dataset: str) -> RunConfig:
    """The same run of a grid on another data set, with the presets' epochs there if it has the presets' here."""
    name = config.experiment.replace(run_name({"dataset": config.dataset}), run_name({"dataset": dataset}))
    presets = config.epochs == EPOCHS_OF.get(config.dataset, EPOCHS)
    epochs = EPOCHS_OF.get(dataset, EPOCHS) if presets else config.epochs
    return replace(config, experiment=name, dataset=dataset, epochs=epochs, is_metrics=False)  # factors: dSprites only


def values_by_flag(configs: list[RunConfig]) -> dict[str, list[Any]]:
    """The values of each flag, each once. Where runs are named after a flag, only these count, else all do."""
    having, named = defaultdict(dict), defaultdict(dict)
    for config in configs:
        for name, value in given_flags(config).items():
            having[name][value] = None
            if is_named(config.experiment, name, value):
                named[name][value] = None
    return {name: list({**having, **named}[name]) for name in flags_in_order() if name in having}


def given_flags(config: RunConfig) -> dict[str, Any]:
    """The flags of a configuration, less a latent_dim that follows from others."""
    own = "latent_dim" in used_flags({"loss": config.loss})
    return {name: value for name, value in config.flags().items() if own or name != "latent_dim"}


def one_or_several(values: list[Any]) -> Any:
    """One value as it is, several as a list."""
    return values if len(values) > 1 else values[0]


def is_named(run: str, name: str, value: Any) -> bool:
    """Whether a flag with its value is part of the name of a run."""
    return f"_{name_part(name, value)}_" in f"_{run}_"


def command(folder: Path, flags: dict[str, Any], preset: str | None = None) -> str:
    """A command line with these flags, for the experiment of that folder."""
    words = ["python", "main.py", folder.name]
    if folder.parent != Runtime.results_dir:
        words += flag_words("--results-dir", folder.parent)
    if preset:
        words += ["--preset", preset]
    for name, value in flags.items():
        if isinstance(value, bool):
            words += [flag_of(name if value else f"no_{name}")]
        else:
            words += flag_words(flag_of(name), *as_list(value))
    return shlex.join(words)
