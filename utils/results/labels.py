"""What runs are called, in words and in which order: by their loss, and by what tells it from others."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from utils.grids.commands import given_flags
from utils.runs.config import COMPOSED, EVALUATION_OPTIONS, RunConfig, default_options
from vae.losses import LOSSES

# No part of what a run is: what was measured of it, and whether it was compiled, which is a matter of rounding.
INCIDENTAL = ("evaluate_every", *EVALUATION_OPTIONS, "compile")
UNTOLD = {"dataset", "rec_dist", "loss", "seed", *INCIDENTAL}  # in labels
# Quantities whose names are not their identifiers with spaces, those of every loss and those that a loss adds.
TERMS = {"reconstruction": "reconstruction error", "elbo": "ELBO"}
TERMS |= {name: words for loss in LOSSES.values() for name, words in loss.extras_called.items()}


def in_order(losses: Iterable[str]) -> list[str]:
    """Losses, each once, as tables and legends have them."""
    return sorted(set(losses), key=LOSSES.in_order().index)


def swept_option(loss: str) -> str | None:
    """The option of a loss whose values are compared, such as GJS_A; None if there is none."""
    return LOSSES[loss].swept


def learnt_option(loss: str) -> str | None:
    """The option whose value a loss learns, and is given only to start from; None if there is none."""
    return LOSSES[LOSSES[loss].learns].swept if LOSSES[loss].learns else None


def without_mathematics(text: str) -> str:
    """A text that figures are to show as it is: matplotlib takes what is between dollar signs for a formula."""
    return text.replace("$", r"\$")


def symbol_of(flag: str) -> str:
    """What a setting or an option is called in short: α, or by the name of its flag."""
    options = (option for registry in COMPOSED.values() for entry in registry.values() for option in entry.options)
    symbols = {option.name: option.symbol for option in options if option.symbol}
    return symbols.get(flag, flag.replace("_", "-"))


def flag_label(name: str, value: Any) -> str:
    """A flag and its value, in short."""
    if isinstance(value, bool):
        return ("" if value else "no-") + name.replace("_", "-")
    text = str(value).removesuffix(".0") if isinstance(value, float) else str(value)
    if value is None:
        text = "all" if name in ("train_size", "test_size") else "default"
    return f"{symbol_of(name)} = {text}"


def term_name(name: str) -> str:
    """What people call a quantity of metrics.jsonl or evaluation.json."""
    return TERMS.get(name, name.replace("_", " "))


def run_label(config: RunConfig, flags: Iterable[str]) -> str:
    """The loss with some of its flags, such as "GJS α = 0.1, λ = 2"."""
    return f"{config.loss} {', '.join(flag_label(name, config.flags()[name]) for name in flags)}".strip()


def varying_flags(configs: Iterable[RunConfig]) -> set[tuple[str | None, str]]:
    """The flags that vary between runs on the same data with the same likelihood: (None, setting), (loss, option)."""
    values: dict[tuple, set] = defaultdict(set)
    for config in configs:
        for name, value in given_flags(config).items():
            if name not in UNTOLD:
                loss = config.loss if name in config.loss_options else None
                values[config.dataset, config.rec_dist, loss, name].add(value)
    return {(loss, name) for (_, _, loss, name), found in values.items() if len(found) > 1}


def told_flags(config: RunConfig, varying: set[tuple[str | None, str]] = frozenset()) -> list[str]:
    """The flags that a label tells: those that vary, options that are not at their defaults, and named ones."""
    defaults = default_options("loss", config.loss)
    named = {option.name for option in LOSSES[config.loss].options if option.named} - {learnt_option(config.loss)}

    def is_told(option: str) -> bool:
        value = config.loss_options[option]
        return (config.loss, option) in varying or value != defaults[option] or option in named

    options = [option for option in defaults if is_told(option)]
    return options + [name for name in given_flags(config) if (None, name) in varying]


def labels_of(configs: Sequence[RunConfig]) -> list[str]:
    """What each of several configurations is called beside the others, with its data where these differ."""
    varying = varying_flags(configs)
    data = {(config.dataset, config.rec_dist) for config in configs}
    places = [f", {config.dataset}, {config.rec_dist}" if len(data) > 1 else "" for config in configs]
    return [run_label(config, told_flags(config, varying)) + place for config, place in zip(configs, places)]


def table_order(config: RunConfig) -> tuple:
    """Where a configuration stands in a table: by its loss, then by its options, then by its settings."""
    values = [*config.loss_options.items(), *((name, getattr(config, name)) for name in RunConfig.options())]
    told = [(value is not None, value or 0) for name, value in values if name not in UNTOLD]
    return LOSSES[config.loss].display.place, config.loss, told
