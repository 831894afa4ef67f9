"""Names, aliases and options of a registry, and the files that fill it."""

import importlib

import pytest

from vae.options import Option, OptionError
from vae.registry import Registry

SIZE = Option("size", 1.0, "how large", minimum=0)


@pytest.fixture
def fruits():
    """A registry with an entry of two names and an option, and one without either."""
    registry = Registry("fruit", flag="--eat", refused={"Berry": "is ambiguous: say which"})

    @registry.register("Apple", aliases=("pomme",))
    class Apple:
        options = (SIZE,)

    @registry.register("Pear")
    def pear():
        return "a pear"

    return registry


def test_it_is_a_dictionary_in_the_order_of_registration(fruits):
    assert list(fruits) == ["Apple", "Pear"]
    assert fruits["Pear"]() == "a pear"
    assert "pomme" not in fruits


def test_an_alias_stands_for_a_name(fruits):
    assert fruits.name_of("pomme") == fruits.name_of("Apple") == "Apple"
    assert fruits.find("pomme") is fruits.find("Apple") is fruits["Apple"]


def test_an_unknown_name_is_refused_with_the_nearest_and_all(fruits):
    with pytest.raises(OptionError, match="^--eat appel: no such fruit; did you mean Apple. choose from Apple, Pear$"):
        fruits.name_of("appel")
    with pytest.raises(OptionError, match="^--eat 17: no such fruit; choose from Apple, Pear$"):
        fruits.name_of("17")
    with pytest.raises(OptionError, match="^--eat Berry is ambiguous: say which$"):
        fruits.name_of("Berry")


def test_the_flag_is_the_noun_unless_another_is_given():
    with pytest.raises(OptionError, match="^--stone x: no such stone"):
        Registry("stone").name_of("x")


def test_options_have_their_defaults_and_their_bounds(fruits):
    assert fruits.resolve_options("pomme", {}) == {"size": 1.0}
    assert fruits.resolve_options("Apple", {"size": 3}) == {"size": 3.0}
    assert fruits.resolve_options("Pear", {}) == {}
    with pytest.raises(OptionError, match="^--size -1: expected a number"):
        fruits.resolve_options("Apple", {"size": -1})


def test_options_of_another_entry_are_refused(fruits):
    with pytest.raises(OptionError, match="^--size is not an option of --eat Pear: it belongs to Apple$"):
        fruits.resolve_options("Pear", {"size": 3})
    with pytest.raises(OptionError, match="^--sort-of is not an option of --eat Pear: no fruit has it$"):
        fruits.resolve_options("Pear", {"sort_of": 3})


@pytest.mark.parametrize("name", ["Apple", "pomme"])
@pytest.mark.parametrize("aliases", [(), ("fig",)])
def test_a_name_that_is_taken_is_refused(fruits, name, aliases):
    with pytest.raises(TypeError, match=f"^Other: the name {name} is taken$"):
        fruits.register(aliases[0] if aliases else name, aliases=(name,) if aliases else ())(type("Other", (), {}))
    assert list(fruits) == ["Apple", "Pear"]


def test_entries_may_share_an_option_and_not_its_name_alone(fruits):
    fruits.register("Plum")(type("Plum", (), {"options": (SIZE,)}))
    with pytest.raises(TypeError, match="^Fig: --size differs from that of the fruit Plum: share the Option, or"):
        fruits.register("Fig")(type("Fig", (), {"options": (Option("size", 2.0, "another default"),)}))
    assert list(fruits) == ["Apple", "Pear", "Plum"]


def test_a_package_imports_all_of_its_files(tmp_path, monkeypatch):
    package = tmp_path / "orchard_of_a_test"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from vae.registry import Registry, import_files\nTREES = Registry('tree')\nimport_files(__name__)\n"
    )
    for name in ("oak", "elm"):
        (package / f"{name}.py").write_text(
            f"from orchard_of_a_test import TREES\n\n\n@TREES.register('{name}')\nclass Tree:\n    pass\n"
        )
    monkeypatch.syspath_prepend(tmp_path)
    assert list(importlib.import_module("orchard_of_a_test").TREES) == ["elm", "oak"]


@pytest.mark.parametrize(
    ("bounds", "limits"),
    [
        ({"minimum": 0, "maximum": 1}, "0 to 1"),
        ({"minimum": 1000}, "1,000 or more"),
        ({"maximum": 1}, "1 or less"),
        ({"above": 0}, "above 0"),
        ({"above": 0, "maximum": 1}, "above 0, 1 or less"),
        ({}, ""),
    ],
)
def test_the_bounds_of_an_option_in_words(bounds, limits):
    assert Option("size", 0.5, "how large", **bounds).limits == limits
