"""Forms of what JSON can hold."""

import pytest

from utils.machine.forms import check_form

FORM = {"a": int, "b?": [float], "c": (str, None, {"d": bool}), "d?": [float, str], ...: (float, {...: float})}
WHOLE = {"a": 1, "b": [1, 2.5], "c": None, "more": 3, "deeper": {"x": 1}}

MISFITS = {
    "a is missing": {"c": ""},
    "a is 1.0, expected a whole number": WHOLE | {"a": 1.0},
    "a is True, expected a whole number": WHOLE | {"a": True},
    "b is 2, expected a list": WHOLE | {"b": 2},
    "b[2] is 'x', expected a number": WHOLE | {"b": [1, "x"]},
    "b[1] is None, expected a number": WHOLE | {"b": [None]},
    "b[1] is 100000000000000000000000000000..., expected a number": WHOLE | {"b": [10**400]},
    "c is 5, expected a text": WHOLE | {"c": 5},
    "c.d is missing": WHOLE | {"c": {}},
    "c.e is unknown": WHOLE | {"c": {"d": True, "e": 1}},
    "d is a list of 1, expected one of 2": WHOLE | {"d": [1]},
    "d[2] is 2, expected a text": WHOLE | {"d": [1, 2]},
    "deeper.x is an object, expected a number": WHOLE | {"deeper": {"x": {}}},
    "more is a list, expected a number": WHOLE | {"more": []},
    "it is a list, expected an object": [],
}


@pytest.mark.parametrize("value", [WHOLE, {"a": -3, "c": "x"}, {"a": 0, "c": {"d": False}, "d": [1, "x"]}])
def test_what_has_the_form_is_taken(value):
    check_form(value, FORM)


@pytest.mark.parametrize("message", MISFITS)
def test_what_has_another_form_is_told_with_its_place(message):
    with pytest.raises(ValueError) as caught:
        check_form(MISFITS[message], FORM)
    assert str(caught.value) == message
