"""One option of a run: its name, default, bounds and help, in one place for the command line, JSON and Python.

A record of several is a dataclass on top of `Settings`, with one line for each:

    epochs: int = setting(30, "passes over the training images", minimum=1)
"""

import difflib
import sys
from collections.abc import Iterable
from dataclasses import Field, dataclass, field, fields
from functools import cache
from typing import Any, Literal, get_args


class OptionError(ValueError):
    """An option has a value that is not allowed; the message is one line that names the flag and what was expected."""


def flag_of(name: str) -> str:
    """The flag of a setting or an option: of GJS_A it is --GJS-A."""
    return "--" + name.replace("_", "-")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Of the known names the one that a mistyped name is nearest to, whatever the case; None if none is near."""
    names = {plain(one): one for one in known}
    near = difflib.get_close_matches(plain(name), names, n=1, cutoff=0.7)
    return names[near[0]] if near else None


def plain(name: str) -> str:
    """A name as it is compared with others."""
    return name.lstrip("-").replace("_", "-").casefold()


@dataclass(frozen=True)
class Option:
    """A named value with bounds; on the command line GJS_A is the flag --GJS-A."""

    name: str
    default: float | int | bool | str | None
    help: str
    kind: type = float
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None  # an exclusive lower bound
    choices: tuple[str, ...] | None = None  # the texts that are allowed
    symbol: str | None = None  # what papers, tables and figures call it, such as α; None: its name
    named: bool = False  # a table tells its value even where all runs have the same
    regularises: Literal["more", "less"] | None = None  # what a larger value does, where it weighs a regulariser

    @property
    def flag(self) -> str:
        return flag_of(self.name)

    @property
    def limits(self) -> str:
        """The bounds or choices in words, such as "0 to 1"; empty if there are none."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        if self.minimum is not None and self.maximum is not None:
            return f"{self.minimum:,} to {self.maximum:,}"
        lower = f"above {self.above:,}" if self.above is not None else ""
        if self.minimum is not None:
            lower = f"{self.minimum:,} or more"
        upper = f"{self.maximum:,} or less" if self.maximum is not None else ""
        return ", ".join(filter(None, (lower, upper)))

    @property
    def expected(self) -> str:
        """What a value has to be, in words, such as "a number (0 to 1)"."""
        if self.choices:
            return self.limits
        kind = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}[self.kind]
        return f"{kind} ({self.limits})" if self.limits else kind

    def check(self, value: float | int | bool | str | None) -> float | int | bool | str | None:
        """Return the value in this option's type, or None where that is the default.

        Raises OptionError, in one line, if the value is not allowed.
        """
        if value is None and self.default is None:
            return None
        accepted = (int, float) if self.kind is float else self.kind
        if not isinstance(value, accepted) or (isinstance(value, bool) and self.kind is not bool):
            raise OptionError(f"{self.flag} {value!r}: expected {self.expected}")
        if self.choices and value not in self.choices:
            raise OptionError(f"{self.flag} {value}: expected {self.expected}")
        if self.kind in (int, float) and not (
            abs(value) <= sys.float_info.max  # not so of infinity and nan
            and (self.minimum is None or value >= self.minimum)
            and (self.maximum is None or value <= self.maximum)
            and (self.above is None or value > self.above)
        ):
            raise OptionError(f"{self.flag} {value}: expected {self.expected}")
        return self.kind(value)

    def parse(self, text: str) -> float | int | bool | str:
        """The value that a text stands for. Raises OptionError, in one line, if it stands for none."""
        try:
            return self.check(self.kind(text))
        except ValueError:
            raise OptionError(f"{self.flag} {text}: expected {self.expected}") from None


def setting(default: Any, help: str, **bounds: Any) -> Any:
    """A field of a Settings record. Its Option has the field's name and type; the bounds are Option's, choices too."""
    return field(default=default, metadata={"help": help, **bounds})


@dataclass(frozen=True)
class Settings:
    """A record of options. Raises OptionError, in one line, for a value that is not allowed."""

    def __post_init__(self):
        for name, option in self.options().items():
            option.check(getattr(self, name))

    @classmethod
    @cache
    def options(cls) -> dict[str, Option]:
        """The Option of each setting, by the setting's name."""
        return {own.name: option_of(own) for own in fields(cls) if "help" in own.metadata}


def option_of(own: Field) -> Option:
    """The Option of a field that `setting` has made."""
    kind = (get_args(own.type) or (own.type,))[0]  # of `int | None` it is int
    return Option(own.name, own.default, kind=kind, **own.metadata)
