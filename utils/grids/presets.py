"""Runs that belong together, as grids of flags.

They are those behind the tables and figures of the geometric Jensen-Shannon paper (Deasy et al. 2020), and the zoo,
which is every objective under one protocol.

A preset is a few grids. A flag with a list is part of the names of the runs, even where one value is left of it, so
that one data set after the other can go into the same folder; any other flag has one value for all runs that use it.
"""

from dataclasses import dataclass, field
from typing import Any

from utils.runs.config import as_list
from vae.losses import LOSSES
from vae.options import Option, OptionError

# What weighs an objective in the zoo, where it is not its first option that regularises more.
WEIGHTS = {"btcvae": "btcvae_B", "InfoCatVAE": "mi_weight"}
ALPHAS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


def grid(*datasets: str, loss: list[str], **options: Any) -> dict[str, Any]:
    """One grid on those data sets. The paper's MNIST numbers come from training with bernoulli, the default."""
    return {"dataset": list(datasets), "rec_dist": ["bernoulli"], "loss": loss, **options}


def zoo() -> list[dict[str, Any]]:
    """Every objective under one protocol: Gaussian likelihood, 15 epochs at any scale, two seeds, and the evidence.

    A grid of those without a weight, and one for each weight: a quarter of the default, the default, and four times it.
    """
    protocol = {"rec_dist": ["gaussian"], "epochs": 15, "seed": [1, 2], "importance_samples": 100}
    shared = grid("mnist", "fashion", loss=[], **protocol)
    sharing: dict[Option | None, list[str]] = {}
    for name in LOSSES.in_order():
        sharing.setdefault(weight_of(name), []).append(name)
    values = {one: {one.name: [one.default / 4, one.default, 4 * one.default]} for one in sharing if one}
    # Merged, not as arguments: an option of one's own may have a name that is taken, which is refused only afterwards.
    return [shared | {"loss": names} | values.get(weight, {}) for weight, names in sharing.items()]


def weight_of(name: str) -> Option | None:
    """The option that weighs an objective in the zoo; None if it has none, or learns something else."""
    loss = LOSSES[name]
    if loss.learns is not None:
        return None
    more = [one.name for one in loss.options if one.regularises == "more"]
    weight = WEIGHTS.get(name, more[0] if more else None)
    return next((one for one in loss.options if one.name == weight), None)


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
    "figure5": [  # with the evidence
        grid("mnist", "fashion", loss=["KL", "rKL"], importance_samples=100),
        grid("mnist", "fashion", loss=["MMD"], MMD_B=500, importance_samples=100),
        grid("mnist", "fashion", loss=["GJS", "dGJS"], GJS_A=ALPHAS, importance_samples=100),
    ],
    "lambda": [grid("mnist", loss=["GJS"], GJS_A=[0.1, 0.3, 0.5, 0.7, 0.9], GJS_B=[1, 2, 3, 4])],  # Appendix E
    "beta": [grid("mnist", loss=["betaH"], betaH_B=[0.25, 0.5, 0.75, 1, 2, 3, 4])],  # Appendix F
    "zoo": zoo(),
}

# The paper does not say for how long it trained; these are the epochs of its authors' later runs.
EPOCHS, EPOCHS_OF = 100, {"dsprites": 50}


@dataclass(frozen=True)
class Scale:
    """How large the runs of a preset are, and of lists in it which values are left."""

    summary: str
    settings: dict[str, Any]
    settings_of: dict[str, dict[str, Any]] = field(default_factory=dict)  # of data sets that have others
    lists: dict[str, list[float]] = field(default_factory=dict)

    def of(self, dataset: str) -> dict[str, Any]:
        """The settings on a data set."""
        return self.settings_of.get(dataset, self.settings)


SCALES = {
    "quick": Scale(
        "minutes for a figure: 10,000 images, 5 values of α, a larger lr",
        {"epochs": 6, "train_size": 10_000, "test_size": 1000, "lr": 1e-3},
        lists={"GJS_A": [0.1, 0.3, 0.5, 0.7, 0.9], "GJS_B": [1, 4], "betaH_B": [0.25, 1, 4]},
    ),
    "day": Scale(
        "as in results/reference: 15 epochs",
        {"epochs": 15},
        {"dsprites": {"epochs": 10, "train_size": 100_000, "test_size": 10_000}},
    ),
    "paper": Scale("100 epochs, dSprites 50", {"epochs": EPOCHS}, {"dsprites": {"epochs": EPOCHS_OF["dsprites"]}}),
}


def preset_grids(preset: str, given: dict[str, Any], scale: str = "paper") -> list[dict[str, Any]]:
    """The grids of a preset at a scale, one data set after the other, with the flags given besides.

    `loss` leaves only those losses. Any other flag replaces the value in the grids that have it; one that none has goes
    into all. Raises OptionError for a loss that the preset does not have.
    """
    own = [name for one in PRESETS[preset] for name in one["loss"]]
    chosen = [LOSSES.name_of(name) for name in as_list(given.get("loss", own))]
    for name in chosen:
        if name not in own:
            raise OptionError(f"--loss {name}: --preset {preset} has {', '.join(own)}")
    grids = [{**one, "loss": losses} for one in PRESETS[preset] if (losses := [x for x in one["loss"] if x in chosen])]
    grids = [{name: left(value, SCALES[scale].lists.get(name)) for name, value in one.items()} for one in grids]
    for name in given.keys() - {"loss"}:
        for one in [one for one in grids if name in one] or grids:
            one[name] = as_list(given[name]) if is_list(one.get(name)) else given[name]
    datasets = dict.fromkeys(dataset for one in grids for dataset in as_list(one["dataset"]))
    return [
        {**SCALES[scale].of(dataset), **one, "dataset": [dataset]}
        for dataset in datasets
        for one in grids
        if dataset in as_list(one["dataset"])
    ]


def left(value: Any, kept: list[float] | None) -> Any:
    """Of a list those values that are to be kept, if it is said which; any other value as it is."""
    return [one for one in value if one in kept] if kept and is_list(value) else value


def is_list(value: Any) -> bool:
    """Whether there are several values."""
    return isinstance(value, list)
