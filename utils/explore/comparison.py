"""What the page says of configurations beside each other: their numbers over seeds, settings and curves."""

from collections.abc import Iterator, Sequence
from math import floor, log10

from utils.figures.charts import overlaid_curves
from utils.figures.style import colors_by_label, png
from utils.grids.saved import SavedRun
from utils.machine.console import counted
from utils.pages import data_address
from utils.results.cells import estimate_text
from utils.results.groups import REPEATED, by_configuration, comparable, estimate, rate_estimate
from utils.results.labels import symbol_of, table_order, term_name
from utils.runs.folder import ResultsError
from vae.evaluation.statistics import Estimate
from vae.losses import LOSSES
from vae.options import flag_of

Configuration = list[SavedRun]  # runs that differ in nothing but their seeds


def configurations(runs: Sequence[SavedRun]) -> list[Configuration]:
    """Runs that have ended by their configurations, in the order of tables. Raises ResultsError if there are none."""
    ended = [run for run in runs if run.ended]
    if not ended:
        raise ResultsError("--explore: no run has ended: train one first")
    return sorted(by_configuration(ended), key=lambda own: table_order(own[0].config))


def summary_of(own: Configuration, name: str, color: str) -> dict[str, str]:
    """The row of a configuration: what it minimises, and what it came to on the test images, over seeds."""
    loss = LOSSES[own[0].config.loss]
    used = ", ".join(dict.fromkeys(str(run.evaluation["test"]["active_units"]) for run in own))
    return {
        "name": name,
        "formula": loss.formula,
        "summary": loss.summary,
        "color": color,
        "squared_error": estimate_text(estimate(own, "squared_error")),
        "kl": estimate_text(nats) if (nats := rate_estimate(own)) else "–",
        "used": f"{used} of {own[0].config.latent_dim}",
    }


def every_quantity(groups: Sequence[Configuration]) -> dict[str, list[str]]:
    """What was measured of test images, and disentanglement, by name: of each configuration over seeds, else "–"."""
    found = {}
    for part, path in dict.fromkeys(place for own in groups for run in own for place in quantities_in(run)):
        estimates = [estimate(own, path, part) for own in comparable(path, *groups)]
        name = " ".join(map(term_name, path.split()))
        found[name] = [estimate_text(one, digits=four_digits(one)) if one else "–" for one in estimates]
    return found


def four_digits(found: Estimate) -> int:
    """How many digits behind the point make four in all, and two of a number below 0.1; none of counts."""
    size = abs(found.mean)
    if all(type(value) is int for value in found.values.values()):
        return 0
    return 1 - floor(log10(size)) if 0 < size < 0.1 else max(0, 4 - len(f"{size:.0f}"))


def quantities_in(run: SavedRun) -> Iterator[tuple[str, str]]:
    """The numbers in a run's evaluation: in which part they are, and the names that lead to them."""
    for part in ("test", "disentanglement"):
        for name, value in run.evaluation.get(part, {}).items():
            for inner, one in (value if isinstance(value, dict) else {"": value}).items():
                if type(one) in (int, float):
                    yield part, f"{name} {inner}".strip()


def two_in_words(groups: Sequence[Configuration], names: Sequence[str]) -> str:
    """What two configurations of the same data came to beside each other, in words; nothing of more, or of one."""
    if len(groups) != 2 or len({(own[0].config.dataset, own[0].config.test_size) for own in groups}) > 1:
        return ""
    rates = [rate_estimate(own) for own in groups]
    if not all(rates):  # of older evaluations
        return ""
    errors = [estimate(own, "squared_error").mean for own in groups]
    (error, better, nats), (other_error, other, other_nats) = sorted(zip(errors, names, (one.mean for one in rates)))
    closer = f"{better} reconstructs closer than {other}: a squared error of {error:.4g} against {other_error:.4g}"
    caution = "That says nothing of its samples"
    if any(len(own) == 1 for own in groups):
        caution += ", and another seed may differ"
    more = "more" if nats > other_nats else "less"
    return f"Here {closer}. Its z tells {more} of an image: {nats:.3g} nats against {other_nats:.3g}. {caution}."


def common_settings(groups: Sequence[Configuration]) -> str:
    """The settings that all share and that matter most, in words."""
    first = groups[0][0].config
    words = {
        "dataset": first.dataset,
        "rec_dist": f"trained with {first.rec_dist}",
        "epochs": counted(first.epochs, "epoch"),
        "lr": f"learning rate {first.lr:g}",
        "train_size": images_text(first.train_size, "training"),
        "test_size": images_text(first.test_size, "test"),
    }
    return ", ".join(words[name] for name in words if len({getattr(own[0].config, name) for own in groups}) == 1)


def images_text(size: int | None, kind: str) -> str:
    """How many images of a kind, such as "all test images"."""
    return f"{size:,} {kind} images" if size else f"all {kind} images"


def differing_settings(groups: Sequence[Configuration]) -> dict[str, list[str]]:
    """The settings in which configurations differ, by flag after its symbol if it has one, each with its values.

    A loss without an option has none of it.
    """
    flags = [own[0].config.flags() for own in groups]
    names = dict.fromkeys(name for own in flags for name in own if name not in ("loss", *REPEATED))
    values = {name: [str(own.get(name, "–")) for own in flags] for name in names}
    return {symbol_before(name): own for name, own in values.items() if len(set(own)) > 1}


def symbol_before(name: str) -> str:
    """A flag after the symbol of what it sets, if there is one: α --GJS-A."""
    flag, symbol = flag_of(name), symbol_of(name)
    return flag if flag == f"--{symbol}" else f"{symbol} {flag}"


def colors_of(groups: Sequence[Configuration], labels: Sequence[str]) -> dict[str, str]:
    """The colour of each configuration by its label: its loss's, or a shade of that."""
    return colors_by_label({label: own[0].config.loss for label, own in zip(labels, groups)})


def curves_address(groups: Sequence[Configuration], colors: dict[str, str]) -> str:
    """The curves of the first seeds, each in its colour, by label, as a picture within the page."""
    metrics = {label: own[0].folder.read_metrics() for label, own in zip(colors, groups)}
    return data_address(png(overlaid_curves(metrics, colors)))
