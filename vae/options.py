"""One option of a run: its name, default, bounds and help, in one place for the command line, JSON and Python."""

import math
from dataclasses import dataclass


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

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def bounds(self) -> str:
        """The bounds in words, such as "a number from 0 to 1"."""
        kind = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}[self.kind]
        if self.minimum is not None and self.maximum is not None:
            return f"{kind} from {self.minimum:g} to {self.maximum:g}"
        if self.minimum is not None:
            return f"{kind}, {self.minimum:g} or more"
        if self.above is not None:
            return f"{kind} above {self.above:g}"
        return kind

    def check(self, value: float | int | bool | str) -> float | int | bool | str:
        """Return the value in this option's type. Raises ValueError, in one line, if it is not allowed."""
        accepted = (int, float) if self.kind is float else self.kind
        if not isinstance(value, accepted) or (isinstance(value, bool) and self.kind is not bool):
            raise ValueError(f"{self.flag} {value!r}: expected {self.bounds}")
        if self.kind in (int, float) and not (
            math.isfinite(value)
            and (self.minimum is None or value >= self.minimum)
            and (self.maximum is None or value <= self.maximum)
            and (self.above is None or value > self.above)
        ):
            raise ValueError(f"{self.flag} {value}: expected {self.bounds}")
        return self.kind(value)

    def parse(self, text: str) -> float | int | bool | str:
        """The value that a text stands for. Raises ValueError, in one line, if it stands for none."""
        try:
            return self.check(self.kind(text))
        except (ValueError, OverflowError):
            raise ValueError(f"{self.flag} {text}: expected {self.bounds}") from None
