"""The look of every figure."""

from typing import NamedTuple

DPI = 100  # of every figure, so that sizes in pixels can be meant
LABEL_SIZE = 9


class Style(NamedTuple):
    """What a loss is called, and its colour, in every figure."""

    label: str
    color: str


STYLES = {
    "KL": Style("KL(q‖p)", "#0072B2"),
    "rKL": Style("KL(p‖q)", "#56B4E9"),
    "betaH": Style("β-VAE", "#CC79A7"),
    "MMD": Style("MMD", "#009E73"),
    "GJS": Style(r"JS$^G$", "#E69F00"),
    "dGJS": Style(r"JS$_*^G$", "#D55E00"),
    "tGJS": Style(r"JS$^G$, α learnt", "#E69F00"),
    "tdGJS": Style(r"JS$_*^G$, α learnt", "#D55E00"),
}
LEARNT = {"GJS": "tGJS", "dGJS": "tdGJS"}
LINES = {"train": "--", "test": "-"}
PUBLISHED = "published"
SQUARED_ERROR = "squared error per image"
MARKER_SIZE = 4.5
