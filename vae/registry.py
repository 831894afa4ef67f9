"""Registries: what can be chosen by its name, such as `--loss KL`, each with options of its own.

A registry is a dictionary of names, and a package with one file for each family of its entries. The package imports all
of its files, and a file registers what it defines, so that one new file is all that a new entry takes.
"""

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from sys import modules
from typing import Any, TypeVar

from vae.options import Option, OptionError, flag_of, nearest

Entry = TypeVar("Entry")


class Registry(dict[str, Entry]):
    """Entries by name, in the order of their registration: classes or functions, which may have `options`.

    Arguments:
        noun: what an entry is, in messages.
        flag: by which a user names one; None: --noun.
        refused: names that are not clear, and what to say of each.
    """

    def __init__(self, noun: str, *, flag: str | None = None, refused: dict[str, str] | None = None):
        super().__init__()
        self.noun, self.flag, self.refused = noun, flag or f"--{noun}", refused or {}
        self.aliases: dict[str, str] = {}
        self.places: dict[str, int] = {}

    def register(self, name: str, *, aliases: tuple[str, ...] = (), place: int = 100) -> Callable[[Entry], Entry]:
        """Decorator: make a class or a function available by its name, and by other names for the same.

        The place, ascending, says which entry comes first where that matters, see `in_order`.

        Raises TypeError if a name is taken, or an option has the name of another entry's and is not the same.
        """

        def add(entry: Entry) -> Entry:
            for taken in {name, *aliases} & {*self, *self.aliases}:
                raise TypeError(f"{entry.__name__}: the name {taken} is taken")
            known = {option.name: (option, other) for other in self for option in self.options_of(other)}
            for option in options_in(entry):
                same, other = known.get(option.name, (option, None))
                if same != option:
                    raise TypeError(
                        f"{entry.__name__}: {option.flag} differs from that of the {self.noun} {other}: share the "
                        "Option, or give one another name"
                    )
            self[name] = entry
            self.aliases.update(dict.fromkeys(aliases, name))
            self.places[name] = place
            return entry

        return add

    def name_of(self, name: str) -> str:
        """The registered name that a name or an alias stands for. Raises OptionError, in one line, if there is none."""
        name = self.aliases.get(name, name)
        if name in self:
            return name
        if name in self.refused:
            raise OptionError(f"{self.flag} {name} {self.refused[name]}")
        near = nearest(name, self)
        hint = f"did you mean {near}? " if near else ""
        raise OptionError(f"{self.flag} {name}: no such {self.noun}; {hint}choose from {', '.join(self)}")

    def find(self, name: str) -> Entry:
        """What a name or an alias stands for. Raises OptionError, in one line, if there is no such name."""
        return self[self.name_of(name)]

    def in_order(self) -> list[str]:
        """The names, by their places; those of the same place by name."""
        return sorted(self, key=lambda name: (self.places[name], name))

    def has_option(self, option: str) -> bool:
        """Whether any entry has an option of that name."""
        return any(own.name == option for name in self for own in self.options_of(name))

    def options_of(self, name: str) -> tuple[Option, ...]:
        """The options of an entry."""
        return options_in(self[name])

    def resolve_options(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        """Every option of an entry, by name, with its default where none is given.

        Raises OptionError, in one line, for an option that the entry does not have and for a value out of bounds.
        """
        options = {option.name: option for option in self.options_of(self.name_of(name))}
        for unknown in given.keys() - options.keys():
            users = [other for other in self if any(option.name == unknown for option in self.options_of(other))]
            used = f"it belongs to {', '.join(users)}" if users else f"no {self.noun} has it"
            raise OptionError(f"{flag_of(unknown)} is not an option of {self.flag} {name}: {used}")
        return {key: option.check(given.get(key, option.default)) for key, option in options.items()}


def options_in(entry: Any) -> tuple[Option, ...]:
    """The options of a class or function. Raises TypeError for what is no tuple of them."""
    options = getattr(entry, "options", ())
    if not isinstance(options, tuple) or not all(isinstance(option, Option) for option in options):
        raise TypeError(f"{entry.__name__}: its options are {options!r}: expected a tuple, such as (Option(...),)")
    return options


def import_files(package: str) -> None:
    """Import every module of a package, so that what stands in them is registered."""
    for module in iter_modules(modules[package].__path__):
        import_module(f"{package}.{module.name}")
