"""The published numbers of the geometric Jensen-Shannon paper (Deasy et al. 2020, arXiv:2006.10599), as far as they go.

Each is a squared error per image, summed over pixels, at z = posterior mean: one run of an unknown number of epochs.
beta-VAE and MMD stand in Table 1. The rest stands, with more digits than in Table 1, in the saved outputs of the
notebooks that its authors published (gjs, dgjs, alpha_change, reconstruction_grid), tGJS and tdGJS in those of 2021.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from utils.grids.presets import ALPHAS
from utils.results.groups import Model
from utils.runs.config import RunConfig
from vae.models.settings import ModelSettings
from vae.training.settings import TrainingSettings

DATASETS = ("mnist", "fashion", "dsprites", "chairs")  # the columns of Table 1
LEFT_OPEN = {"rec_dist", "loss", "epochs", "seed", "compile"}  # which a published number stands beside at any value
PAPER_SETTINGS = {  # the defaults are the paper's
    name: option.default
    for settings in (ModelSettings, TrainingSettings)
    for name, option in settings.options().items()
    if name not in LEFT_OPEN
}

# What the numbers carry: the likelihood is not stated, and inferred from rates and from runs of either kind.
MARKS = {
    "b": "most likely trained with bernoulli",
    "g": "most likely trained with gaussian",
    "u": "trained with an unknown likelihood",
    "t": "on training images: there was no test split",
    "m": "of another objective: MMD of (mean, logvar), concatenated, from N(0, I)",
    "a": "runs of 2021: gaussian, 100 epochs (dSprites 50), mean over initial α instead of one run",
}
LIKELIHOOD_OF_MARK = {"b": "bernoulli", "g": "gaussian", "a": "gaussian"}
REMARKS = (
    "The paper's numbers are of one run each, with no interval, and it does not say for how many epochs. The same "
    "objective run twice by its authors (MNIST, α = 0.5) gave 9.87 and 9.71 for GJS, 7.56 and 8.26 for dGJS: "
    "differences below that tell nothing.",
    "The paper's table mixes protocols. Its MNIST column can only come from training with bernoulli, most of its "
    "Fashion-MNIST column from training with gaussian, and its dSprites column has both. Numbers of the other "
    "likelihood are in brackets: they do not compare with those beside them.",
    "The paper chose α on the test data, and advises to choose it on the training data.",
    "The dSprites entry of Table 1 for JS^G, 5.54 (α = 0.1), is the dual's; the authors' notebook has 6.63, as here. "
    "The dual at α = 0.9 must be close to KL(q‖p): its 5.74 beside 13.55 says that those runs differed in more.",
)


@dataclass(frozen=True)
class PaperNumber:
    """A published squared error."""

    test: float | None
    train: float | None
    marks: str  # a letter for each of its MARKS

    @property
    def likelihood(self) -> str | None:
        """What the model was most likely trained with, as a --rec-dist; None where nothing tells."""
        return next((name for mark, name in LIKELIHOOD_OF_MARK.items() if mark in self.marks), None)

    @property
    def value(self) -> float:
        """The one to show: on test images where there is one."""
        return self.train if self.test is None else self.test


# By data set: test and train, or train alone where there was no test split.
KL = {"mnist": (8.460, 7.853), "fashion": (11.981, 11.679), "dsprites": (None, 13.551), "chairs": (None, 12.266)}
REVERSE_KL = {
    "mnist": (11.609, 11.346),
    "fashion": (14.421, 14.145),
    "dsprites": (None, 14.182),
    "chairs": (None, 19.876),
}
BETA_VAE = {"mnist": (11.75, None), "fashion": (13.32, None), "dsprites": (None, 10.51), "chairs": (None, 20.79)}
MMD = {"mnist": (13.19, None), "fashion": (11.10, None), "dsprites": (None, 11.87), "chairs": (None, 18.85)}

# By loss, data set and split: alpha = 0.1, 0.2 ... 0.9.
OVER_ALPHA = {
    ("GJS", "mnist", "test"): (7.523, 8.303, 8.843, 9.389, 9.866, 10.288, 10.518, 11.000, 11.870),
    ("GJS", "mnist", "train"): (6.978, 7.801, 8.430, 9.027, 9.552, 9.994, 10.274, 10.764, 11.545),
    ("GJS", "fashion", "test"): (10.038, 10.035, 10.500, 10.927, 11.294, 11.717, 12.095, 12.437, 13.211),
    ("GJS", "fashion", "train"): (9.617, 9.666, 10.153, 10.609, 11.004, 11.435, 11.811, 12.150, 12.908),
    ("GJS", "dsprites", "train"): (6.634, 7.502, 8.558, 9.161, 9.892, 10.378, 10.796, 11.399, 12.053),
    ("GJS", "chairs", "train"): (12.624, 11.946, 12.403, 12.961, 13.567, 14.153, 14.679, 15.482, 16.276),
    ("dGJS", "mnist", "test"): (12.200, 7.604, 7.339, 7.382, 7.560, 7.771, 7.903, 8.251, 8.554),
    ("dGJS", "mnist", "train"): (12.015, 6.959, 6.697, 6.754, 6.984, 7.253, 7.456, 7.804, 8.161),
    ("dGJS", "fashion", "test"): (13.517, 10.900, 10.508, 9.580, 9.800, 10.006, 10.337, 10.841, 11.402),
    ("dGJS", "fashion", "train"): (13.257, 10.500, 10.160, 9.157, 9.389, 9.635, 9.998, 10.509, 11.076),
    ("dGJS", "dsprites", "train"): (5.543, 5.176, 5.064, 5.166, 4.968, 5.299, 5.258, 5.421, 5.743),
    ("dGJS", "chairs", "train"): (15.531, 13.056, 12.095, 11.644, 11.751, 12.066, 12.525, 13.110, 13.524),
}
# Nielsen's skew (--no-GJS-invA), MNIST test.
NIELSEN = {
    "GJS": (9.191, 9.368, 9.527, 9.706, 9.707, 9.535, 9.397, 9.172, 8.760),
    "dGJS": (7.954, 7.968, 8.009, 8.049, 8.264, 8.283, 8.391, 8.487, 8.708),
}
# Appendices E and F, MNIST test: GJS by lambda (alpha = 0.1, 0.3 ... 0.9), beta-VAE by beta.
WEIGHTED = {
    2: (8.512, 9.508, 10.393, 11.183, 11.850),
    3: (8.724, 10.009, 11.153, 12.058, 13.226),
    4: (9.082, 10.587, 11.825, 12.945, 14.616),
}
BETA = {0.25: 8.094, 0.5: 8.293, 0.75: 8.311, 1: 8.460, 2: 9.189, 3: 10.199}
# By loss and data set, with a learnt alpha: test and train.
LEARNT_ALPHA = {
    "tGJS": {"mnist": (8.98, 8.45), "fashion": (9.89, 9.50), "dsprites": (None, 8.07)},
    "tdGJS": {"mnist": (8.54, 7.92), "fashion": (9.62, 9.19), "dsprites": (None, 7.36)},
}
# The likelihood that models were most likely trained with.
MARK_OF = {
    **{("mnist", loss): "b" for loss in ("KL", "rKL", "GJS", "dGJS", "betaH")},
    **{("fashion", loss): "g" for loss in ("KL", "rKL", "GJS", "dGJS")},
    ("fashion", "betaH"): "b",
    ("dsprites", "KL"): "g",
    **{("dsprites", loss): "b" for loss in ("GJS", "dGJS")},
}


def all_numbers() -> dict[tuple, PaperNumber]:
    """Every number by data set, loss and options."""
    found: dict[tuple, PaperNumber] = {}

    def add(dataset: str, loss: str, test: float | None, train: float | None, marks: str = "", **options: float):
        marks = ("" if "a" in marks else MARK_OF.get((dataset, loss), "u")) + marks + ("t" if test is None else "")
        found[dataset, loss, tuple(sorted(options.items()))] = PaperNumber(test, train, marks)

    for loss, table, marks, options in (
        ("KL", KL, "", {}),
        ("rKL", REVERSE_KL, "", {}),
        ("betaH", BETA_VAE, "", {"betaH_B": 4}),
        ("MMD", MMD, "m", {"MMD_B": 500}),
        *((loss, table, "a", {"GJS_B": 1, "GJS_invA": True}) for loss, table in LEARNT_ALPHA.items()),
    ):
        for dataset, (test, train) in table.items():
            add(dataset, loss, test, train, marks, **options)
    for loss in ("GJS", "dGJS"):
        for dataset in DATASETS:
            test, train = (OVER_ALPHA.get((loss, dataset, split), [None] * 9) for split in ("test", "train"))
            for alpha, *values in zip(ALPHAS, test, train):
                add(dataset, loss, *values, GJS_A=alpha, GJS_B=1, GJS_invA=True)
        for alpha, value in zip(ALPHAS, NIELSEN[loss]):
            add("mnist", loss, value, None, GJS_A=alpha, GJS_B=1, GJS_invA=False)
    for weight, values in WEIGHTED.items():
        for alpha, value in zip(ALPHAS[::2], values):
            add("mnist", "GJS", value, None, GJS_A=alpha, GJS_B=weight, GJS_invA=True)
    for beta, value in BETA.items():
        add("mnist", "betaH", value, None, betaH_B=beta)
    return found


NUMBERS = all_numbers()


def number_of(dataset: str, model: Model) -> PaperNumber:
    """What the paper has of a model on a data set."""
    return NUMBERS[dataset, model.loss, tuple(sorted(model.options.items()))]


def published(config: RunConfig) -> PaperNumber | None:
    """The paper's number for a configuration, whatever its likelihood, epochs and number of images; None if none."""
    if config.prior == "standard":  # which all of these objectives have of their own
        config = replace(config, prior=None)
    if any(getattr(config, name) != value for name, value in PAPER_SETTINGS.items()):
        return None
    options = dict(config.loss_options)
    if config.loss in LEARNT_ALPHA:
        del options["GJS_A"]  # where alpha starts: the number is a mean over it
    return NUMBERS.get((config.dataset, config.loss, tuple(sorted(options.items()))))


def published_over(config: RunConfig, option: str) -> dict[float, PaperNumber]:
    """The paper's numbers for configurations that differ in an option of the loss only, by its value, ascending."""
    values = {dict(options).get(option) for _, loss, options in NUMBERS if loss == config.loss}
    configs = {
        value: replace(config, loss_options={**config.loss_options, option: value}) for value in sorted(values - {None})
    }
    return {value: number for value, config in configs.items() if (number := published(config))}


def is_comparison(configs: Iterable[RunConfig]) -> bool:
    """Whether runs are of what Table 1 compares: KL(q‖p) with JS^G or its dual, at the paper's settings."""
    losses = {config.loss for config in configs if published(config)}
    return "KL" in losses and any(loss in losses for loss, *_ in OVER_ALPHA)
