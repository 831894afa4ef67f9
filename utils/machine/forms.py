"""What a file of JSON has to look like: when it is read, it is compared with its form as a whole.

A form is a type (float stands for any number that a float can hold); a tuple of forms, of which one has to fit; a list
of one form, for a list of such things, or of several, for just these; or a dictionary with the form of each name.
There, a name with "?" at its end may be missing, and `...` stands for all names that are not told; without it there
must not be any.
"""

import sys
from typing import Any

NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", None: "null"}


def check_form(value: Any, form: Any, name: str = "it") -> None:
    """Raise ValueError, in one line, unless a value that JSON can hold has a form; `name` says where it stands."""
    if isinstance(form, dict) and isinstance(value, dict):
        check_names(value, form, "" if name == "it" else f"{name}.")
    elif isinstance(form, list) and isinstance(value, list):
        forms = form if len(form) > 1 else form * len(value)
        if len(value) != len(forms):
            raise ValueError(f"{name} is a list of {len(value)}, expected one of {len(forms)}")
        for number, (item, one) in enumerate(zip(value, forms), start=1):
            check_form(item, one, f"{name}[{number}]")
    elif isinstance(form, tuple):
        check_form(value, next((one for one in form if is_of_kind(value, one)), form[0]), name)
    elif not is_of_kind(value, form) or isinstance(value, dict | list):
        raise ValueError(f"{name} is {shortened(value)}, expected {told(form)}")


def check_names(value: dict[str, Any], form: dict[Any, Any], place: str) -> None:
    """Raise ValueError unless what stands in an object has the form of its name."""
    for name in form:
        if name is not ... and not name.endswith("?") and name not in value:
            raise ValueError(f"{place}{name} is missing")
    for name, own in value.items():
        expected = form.get(name, form.get(f"{name}?", form.get(...)))
        if expected is None and ... not in form:
            raise ValueError(f"{place}{name} is unknown")
        check_form(own, expected, place + name)


def is_of_kind(value: Any, form: Any) -> bool:
    """Whether a value is of a form's type, whatever stands in it."""
    if form in (int, float):
        kinds = int if form is int else (int, float)
        return isinstance(value, kinds) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    return value is None if form is None else isinstance(value, form if isinstance(form, type) else type(form))


def told(form: Any) -> str:
    """A form in words."""
    return NAMES[form] if form is None or isinstance(form, type) else {dict: "an object", list: "a list"}[type(form)]


def shortened(value: Any) -> str:
    """What was found, in a few signs."""
    if isinstance(value, dict | list):
        return told(value)
    text = repr(value)
    return text if len(text) < 40 else f"{text[:30]}..."
