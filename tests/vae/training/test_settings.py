"""Records of options."""

from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from vae.options import Option, OptionError, Settings, setting
from vae.training.ensemble import shared_settings
from vae.training.settings import TrainingSettings


@dataclass(frozen=True, kw_only=True)
class Newer(TrainingSettings):
    patience: int | None = setting(None, "epochs without a better one", minimum=1)
    schedule: str = setting("constant", "of the learning rate", choices=("constant", "cosine"))


def test_a_setting_is_one_line_from_which_its_option_comes():
    options = Newer.options()
    assert list(options)[-2:] == ["patience", "schedule"]
    assert options["patience"] == Option("patience", None, "epochs without a better one", int, minimum=1)
    assert options["schedule"].parse("cosine") == "cosine"
    assert options["lr"] == TrainingSettings.options()["lr"]
    assert Newer(patience=3).patience == 3
    assert Newer().patience is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"patience": 0}, r"--patience 0: expected a whole number \(1 or more\)"),
        ({"schedule": "step"}, "--schedule step: expected one of constant, cosine"),
        ({"schedule": None}, "--schedule None: expected one of constant, cosine"),
        ({"lr": 0.0}, r"--lr 0.0: expected a number \(above 0\)"),
        ({"batch_size": 2.5}, r"--batch-size 2.5: expected a whole number \(1 to 1,000,000\)"),
        ({"lr": 10**400}, "--lr 10{400}: expected a number"),
        ({"lr": float("nan")}, "--lr nan: expected a number"),
        ({"seed": True}, r"--seed True: expected a whole number \(0 or more\)"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused(wrong, message):
    with pytest.raises(OptionError, match=message):
        Newer(**wrong)


def test_a_setting_that_is_new_is_not_free_to_differ_in_an_ensemble():
    assert Newer().free_to_differ() == TrainingSettings().free_to_differ() == {"seed", "epochs"}
    assert Newer(lr_schedule="cosine").free_to_differ() == {"seed"}
    members = [SimpleNamespace(settings=Newer(patience=patience, seed=patience)) for patience in (1, 2)]
    with pytest.raises(ValueError, match="^the members of an ensemble differ in patience: expected one for all$"):
        shared_settings(members)


def test_a_field_that_is_no_setting_is_no_option():
    @dataclass(frozen=True)
    class Named(Settings):
        name: str
        count: int = setting(1, "how many")

    assert Named("x").options().keys() == {"count"}
