"""From flags to the configurations of a grid, and the names of its runs."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from utils.datasets import portable_name
from utils.grids.presets import preset_grids
from utils.runs.config import COMPOSED, RunConfig, as_list, flags_in_order, used_flags
from vae.options import OptionError


def configurations(
    given: dict[str, Any], preset: str | None = None, data_dir: str | Path = "", scale: str = "paper"
) -> list[RunConfig]:
    """The configuration of every run of a grid, or of a preset at a scale with flags given besides.

    Data at a path are looked for from here, then below `data_dir`. A loss that does not use a flag runs once without
    it. Raises OptionError for a flag that no loss of the grid uses, and for whatever is wrong in any configuration.
    """
    grids = preset_grids(preset, given, scale) if preset else [{"loss": RunConfig.options()["loss"].default, **given}]
    several = {name for grid in grids for name, value in grid.items() if isinstance(value, list)}
    configs: dict[str, RunConfig] = {}
    for flags in combinations(grids):
        name = run_name({name: value for name, value in flags.items() if name in several})
        if name in configs:
            raise OptionError(f"two runs would have the name {name}: give their data sets other names")
        configs[name] = RunConfig.from_flags(name, flags, data_dir)
    return list(configs.values())


def combinations(grids: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every combination of the values in the grids, once, less the flags that only others' losses or networks use."""
    optional = set().union(*(used_flags(parts) for grid in grids for parts in combined(grid, list(COMPOSED), set())))
    names = flags_in_order()
    found = [flags for grid in grids for flags in combined(grid, sorted(grid, key=names.index), optional)]
    return [dict(flags) for flags in dict.fromkeys(tuple(flags.items()) for flags in found)]


def combined(grid: dict[str, Any], names: list[str], optional: set[str]) -> list[dict[str, Any]]:
    """Every combination of the values of these names in a grid; of those that are optional, where they are used.

    Losses and networks come before the flags that they use, so that flags of others never multiply.
    """
    found: list[dict[str, Any]] = [{}]
    for name in (name for name in names if name in grid):
        registry, grown = COMPOSED.get(name), []
        for flags in found:
            parts = {part: flags[part] for part in COMPOSED if part in flags}
            if name in optional and name not in used_flags(parts):
                grown.append(flags)
            else:
                grown += [flags | {name: registry.name_of(v) if registry else v} for v in as_list(grid[name])]
        found = grown
    return found


def run_name(flags: dict[str, Any]) -> str:
    """The name of the run with these values, such as loss-GJS_GJS-A-0.1: one component of a path."""
    return "_".join(name_part(name, value) for name, value in flags.items())


@lru_cache(maxsize=None, typed=True)  # the search for the command of a grid asks for the same ones many times
def name_part(name: str, value: Any) -> str:
    """What a flag with its value is in the name of a run."""
    text = str(value).removesuffix(".0") if isinstance(value, float) else portable_name(str(value))
    return re.sub(r"[^\w.+-]", "-", f"{name.replace('_', '-')}-{text}")
