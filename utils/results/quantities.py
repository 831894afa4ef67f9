"""What each configuration of a group has come to on the test images: a table with a row each."""

from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

from utils.grids.saved import SavedRun
from utils.results.cells import estimate_text, markdown_rows
from utils.results.groups import EVIDENCE, Estimate, RunGroup, by_configuration, comparable
from utils.results.labels import labels_of, table_order
from vae.evaluation.evaluator import rate


class Quantity(NamedTuple):
    """A number of a run."""

    title: str
    of: Callable[[SavedRun], float | None]  # None: it was not measured
    digits: int
    name: str = ""  # in the evaluation, where runs may not compare in it


def of_test(name: str) -> Callable[[SavedRun], float | None]:
    """A quantity of the test evaluation."""
    return lambda run: run.evaluation["test"].get(name)


def evidence(run: SavedRun) -> float | None:
    """The mean of log p(x)."""
    return run.evaluation["test"].get("evidence", {}).get("mean")


def seconds(run: SavedRun) -> float:
    """What an epoch has taken, the median."""
    return median(line["seconds"] for line in run.folder.read_metrics() if line["split"] == "train")


QUANTITIES = (
    Quantity("squared error", of_test("squared_error"), 2),
    Quantity("KL(q‖p), nats", lambda run: rate(run.evaluation["test"]), 2),
    Quantity("log p(x), nats", evidence, 1, EVIDENCE),
    Quantity("active units", of_test("active_units"), 0),
    Quantity("distance of q(z) from p(z)", of_test("aggregate_distance"), 3),
    Quantity("seconds an epoch", seconds, 1),
)


def quantities_table(group: RunGroup) -> str:
    """The table of a group in Markdown: means over seeds ± half of their 95 % interval, in the order of tables.

    Quantities that no run has are left out.
    """
    rows = sorted(by_configuration(group.runs), key=lambda own: table_order(own[0].config))
    labels = labels_of([own[0].config for own in rows])
    columns = {one.title: [cell(own, one) for own in comparable(one.name, *rows)] for one in QUANTITIES}
    columns = {"objective": labels, **{title: cells for title, cells in columns.items() if any(cells)}}
    if len(group.seeds) > 1:
        columns["seeds"] = [str(len(own)) for own in rows]
    return "\n".join(markdown_rows(list(columns), list(zip(*columns.values()))))


def cell(runs: Sequence[SavedRun], quantity: Quantity) -> str:
    """A quantity over the seeds that have it; empty if none has."""
    values = {run.config.seed: value for run in runs if (value := quantity.of(run)) is not None}
    return estimate_text(Estimate(values), digits=quantity.digits) if values else ""
