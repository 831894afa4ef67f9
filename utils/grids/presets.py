"""The runs behind the tables and figures of the geometric Jensen-Shannon paper (Deasy et al. 2020), as grids of flags.

A preset is a few grids. A flag with a list is part of the names of the runs, even where one value is left of it, so
that one data set after the other can go into the same folder; any other flag has one value for all runs that use it.
"""

from typing import Any

from vae.losses import LOSSES
from vae.options import OptionError

ALPHAS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


def grid(*datasets: str, loss: list[str], **options: Any) -> dict[str, Any]:
    """One grid on those data sets. The paper's MNIST numbers come from training with bernoulli, the default."""
    return {"dataset": list(datasets), "rec_dist": ["bernoulli"], "loss": loss, **options}


PRESETS: dict[str, list[dict[str, Any]]] = {
    "table1": [
        grid("mnist", "fashion", "dsprites", loss=["KL", "rKL"]),
        grid("mnist", "fashion", "dsprites", loss=["betaH"], betaH_B=4),
        grid("mnist", "fashion", "dsprites", loss=["MMD"], MMD_B=500),
        grid("mnist", "fashion", "dsprites", loss=["tGJS", "tdGJS"]),
        grid("mnist", "fashion", "dsprites", loss=["GJS", "dGJS"], GJS_A=ALPHAS),
    ],
    "figure3": [
        grid("mnist", loss=["KL", "rKL"]),
        grid("mnist", loss=["GJS", "dGJS"], GJS_A=ALPHAS),
    ],
    "figure5": [
        grid("mnist", "fashion", loss=["KL", "rKL"]),
        grid("mnist", "fashion", loss=["MMD"], MMD_B=500),
        grid("mnist", "fashion", loss=["GJS", "dGJS"], GJS_A=ALPHAS),
    ],
    "lambda": [grid("mnist", loss=["GJS"], GJS_A=[0.1, 0.3, 0.5, 0.7, 0.9], GJS_B=[1, 2, 3, 4])],  # Appendix E
    "beta": [grid("mnist", loss=["betaH"], betaH_B=[0.25, 0.5, 0.75, 1, 2, 3, 4])],  # Appendix F
}

# The paper does not say for how long it trained; these are the epochs of its authors' later runs.
EPOCHS, EPOCHS_OF = 100, {"dsprites": 50}


def preset_grids(preset: str, given: dict[str, Any]) -> list[dict[str, Any]]:
    """The grids of a preset, one data set after the other, with the flags given besides.

    `loss` leaves only those losses. Any other flag replaces the value in the grids that have it; one that none has goes
    into all. Raises OptionError for a loss that the preset does not have.
    """
    own = [name for one in PRESETS[preset] for name in one["loss"]]
    chosen = [LOSSES.name_of(name) for name in as_list(given.get("loss", own))]
    for name in chosen:
        if name not in own:
            raise OptionError(f"--loss {name}: --preset {preset} has {', '.join(own)}")
    grids = [{**one, "loss": losses} for one in PRESETS[preset] if (losses := [x for x in one["loss"] if x in chosen])]
    for name in given.keys() - {"loss"}:
        for one in [one for one in grids if name in one] or grids:
            one[name] = as_list(given[name]) if isinstance(one.get(name), list) else given[name]
    datasets = dict.fromkeys(dataset for one in grids for dataset in as_list(one["dataset"]))
    return [
        {"epochs": EPOCHS_OF.get(dataset, EPOCHS), **one, "dataset": [dataset]}
        for dataset in datasets
        for one in grids
        if dataset in as_list(one["dataset"])
    ]


def as_list(value: Any) -> list[Any]:
    """Several values as they are, one as a list of one."""
    return value if isinstance(value, list) else [value]
