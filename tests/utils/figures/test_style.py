"""Each loss has a colour of its own, which all eyes can tell from the others."""

import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb

from utils.figures import style
from utils.figures.style import FREE_COLORS, colors, colors_by_label, look_of, shades
from vae.losses import LOSSES
from vae.losses.base import Display, Loss

# How colours look without one kind of cone, in linear RGB (Machado, Oliveira and Fernandes 2009, severity 1).
EYES = {
    "all cones": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_CONES = [
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
]
TO_OKLAB = [
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
]
DISTANCE = 0.06  # in Oklab (Ottosson 2020); the nearest two of the colours that the paper's losses have are 0.076 apart


def oklab(color, eyes):
    """Where a colour is for such eyes, in a space where equal distances look alike."""
    values = np.array(to_rgb(color))
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return np.cbrt(TO_CONES @ np.clip(EYES[eyes] @ linear, 0, 1)) @ np.transpose(TO_OKLAB)


@pytest.fixture
def own_losses(monkeypatch):
    """Registers losses, for as long as a test takes, with the colours that they have chosen, or None."""

    def add(**chosen):
        for name, color in chosen.items():
            loss = type(name, (Loss,), {"display": Display(name, color)})
            monkeypatch.setitem(LOSSES, name, loss)

    return add


def test_a_loss_has_the_colour_and_the_label_that_it_has_chosen():
    assert look_of("dGJS") == (r"JS$_*^G$", "#d55e00")
    assert look_of("KL") == ("KL(q‖p)", "#0072b2")
    for name, loss in LOSSES.items():
        assert loss.display.color is None or colors()[name] == to_hex(loss.display.color)


def test_losses_that_have_chosen_none_have_colours_of_their_own(own_losses):
    before = colors()
    own_losses(mine=None, another=None, third=None)
    found = colors()
    own = {found.pop(name) for name in ("mine", "another", "third")}
    assert len(own) == 3 and not own & set(found.values())
    chosen = [name for name in found if LOSSES[name].display.color]
    assert {name: found[name] for name in chosen} == {name: before[name] for name in chosen}


def test_the_colour_of_a_loss_follows_from_its_name(own_losses):
    own_losses(mine=None)
    alone = colors()["mine"]
    own_losses(zzz=None)
    assert colors()["mine"] == alone


def test_a_colour_that_a_loss_has_chosen_is_no_other_losses(own_losses):
    own_losses(mine=None)
    taken = colors()["mine"]
    own_losses(chooser=taken.upper())
    assert colors()["chooser"] == taken != colors()["mine"]


def test_with_more_losses_than_colours_some_share_one_that_none_has_chosen(own_losses):
    own_losses(chooser=FREE_COLORS[0], **{f"loss{number}": None for number in range(20)})
    found = colors()
    assert {found[f"loss{number}"] for number in range(20)} <= set(FREE_COLORS[1:])


def test_colours_can_be_told_apart_by_all_eyes():
    every = {*colors().values(), *FREE_COLORS}
    for first, second in combinations(sorted(every), 2):
        for eyes in EYES:
            assert np.linalg.norm(oklab(first, eyes) - oklab(second, eyes)) > DISTANCE, (first, second, eyes)


def test_labels_of_one_loss_are_in_shades_of_its_colour():
    found = colors_by_label({"KL lr = 1": "KL", "KL lr = 2": "KL", "MMD": "MMD"})
    assert found["KL lr = 1"] == look_of("KL").color and found["MMD"] == look_of("MMD").color
    assert len(set(found.values())) == 3
    assert shades("#000000", 1) == ["#000000"]


def test_of_letters_that_the_font_lacks_nothing_is_said():
    """In a process of its own: here every warning is an error, whatever filters the module sets."""
    code = "from utils.figures import style; f = style.Figure(); f.suptitle('日本'); print(len(style.png(f)))"
    root = Path(style.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "") and int(done.stdout) > 0
