"""One option of a run: its name, default, bounds and help, in one place for the command line, JSON and Python."""

import math
from dataclasses import dataclass


class OptionError(ValueError):
    """An option has a value that is not allowed; the message is one line that names the flag and what was expected."""


def flag_of(name: str) -> str:
    """The flag of a setting or an option: of GJS_A it is --GJS-A."""
    return "--" + name.replace("_", "-")


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
        if self.minimum is not None:
            return f"{self.minimum:,} or more"
        if self.maximum is not None:
            return f"{self.maximum:,} or less"
        return f"above {self.above:,}" if self.above is not None else ""

    @property
    def expected(self) -> str:
        """What a value has to be, in words, such as "a number (0 to 1)"."""
        if self.choices:
            return self.limits
        kind = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}[self.kind]
        return f"{kind} ({self.limits})" if self.limits else kind

    def check(self, value: float | int | bool | str) -> float | int | bool | str:
        """Return the value in this option's type. Raises OptionError, in one line, if it is not allowed."""
        accepted = (int, float) if self.kind is float else self.kind
        if not isinstance(value, accepted) or (isinstance(value, bool) and self.kind is not bool):
            raise OptionError(f"{self.flag} {value!r}: expected {self.expected}")
        if self.choices and value not in self.choices:
            raise OptionError(f"{self.flag} {value}: expected {self.expected}")
        if self.kind in (int, float) and not (
            math.isfinite(value)
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
        except (ValueError, OverflowError):
            raise OptionError(f"{self.flag} {text}: expected {self.expected}") from None
