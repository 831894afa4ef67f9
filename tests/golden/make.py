"""Golden vectors for every closed form of `vae.divergences`, to 30 digits, in divergences.json beside this file.

    python -m tests.golden.make

Everything is computed with mpmath at 100 digits from the textbook definitions in definitions/, never from the stable
forms of the package. Gradients are central differences of the values. What has no closed form is integrated.

A case names a function, its arguments and its value; `gradients` has one of every argument that is a list.
"""

import json
from pathlib import Path

from mpmath import mp, mpf

from tests.golden.cases import all_cases, precise

mp.dps = 100
STEP = mpf(10) ** -30
PLACE = Path(__file__).with_name("divergences.json")


def shifted(x, index, step):
    """A nested list with `step` added to one element."""
    if not index:
        return x + step
    return [shifted(row, index[1:], step) if i == index[0] else row for i, row in enumerate(x)]


def indices(x):
    if not isinstance(x, list):
        return [()]
    return [(i, *rest) for i, row in enumerate(x) for rest in indices(row)]


def derivative(definition, arguments, name, index):
    """By an element of an argument: of a covariance in equal parts by it and by its mirror image, 0 above a factor's
    diagonal."""
    if "scale_tril" in name and index[1] > index[0]:
        return mpf(0)

    def value(step):
        x = arguments[name]
        for place in (index, index[::-1]) if "covariance" in name else (index,):
            x = shifted(x, place, step / 2 if "covariance" in name else step)
        return definition(**arguments | {name: x})

    return (value(STEP) - value(-STEP)) / (2 * STEP)


def nested(values, like):
    return [nested(values, row) for row in like] if isinstance(like, list) else next(values)


def gradients(definition, arguments):
    if hasattr(definition, "gradients"):
        return definition.gradients(**arguments)
    found = {}
    for name, x in arguments.items():
        if isinstance(x, list):
            found[name] = nested((derivative(definition, arguments, name, i) for i in indices(x)), x)
    return found


def digits(x):
    """30 digits; what is below the rounding of the differences is 0."""
    if isinstance(x, list):
        return [digits(value) for value in x]
    return mp.nstr(x, 30) if abs(x) > mpf(10) ** -55 else "0.0"


def solved(name, definition, arguments):
    exact = precise(arguments)
    slopes = {key: digits(x) for key, x in gradients(definition, exact).items()}
    return {"function": name, "arguments": arguments, "value": digits(definition(**exact)), "gradients": slopes}


if __name__ == "__main__":
    lines = ",\n".join(json.dumps(solved(*case)) for case in all_cases())
    PLACE.write_text(f"[\n{lines}\n]\n")
