"""From flags to the configurations of a grid, and the names of its runs."""

import re
from itertools import product
from pathlib import Path
from typing import Any

from utils.datasets import portable_name
from utils.grids.presets import as_list, preset_grids
from utils.runs.config import COMPOSED, RunConfig, flags_in_order, used_flags
from vae.options import OptionError


def configurations(
    given: dict[str, Any], preset: str | None = None, data_dir: str | Path = "", scale: str = "paper"
) -> list[RunConfig]:
    """The configuration of every run of a grid, or of a preset at a scale with flags given besides.

    Data are below `data_dir`.

    A loss that does not use a flag runs once without it. Raises OptionError for a flag that no loss of the grid uses,
    and for whatever is wrong in any configuration.
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
    whole = []
    for grid in grids:
        names = sorted(grid, key=flags_in_order().index)
        for values in product(*(as_list(grid[name]) for name in names)):
            flags = dict(zip(names, values))
            composed = {part: registry.name_of(flags[part]) for part, registry in COMPOSED.items() if part in flags}
            whole.append((flags | composed, used_flags(composed)))
    optional = set().union(*(used for _, used in whole))
    kept = (tuple((n, v) for n, v in flags.items() if n in used or n not in optional) for flags, used in whole)
    return [dict(flags) for flags in dict.fromkeys(kept)]


def run_name(flags: dict[str, Any]) -> str:
    """The name of the run with these values, such as loss-GJS_GJS-A-0.1: one component of a path."""

    def text(value: Any) -> str:
        return str(value).removesuffix(".0") if isinstance(value, float) else portable_name(str(value))

    pairs = (f"{name.replace('_', '-')}-{text(value)}" for name, value in flags.items())
    return re.sub(r"[^\w.+-]", "-", "_".join(pairs))
