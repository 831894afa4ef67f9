"""The table that the command of a grid ends with."""

from collections.abc import Sequence

from utils.grids.saved import SavedRun

HEADS = ("run", "test: squared error", "KL(q‖p)", "divergence")


def summary(runs: Sequence[SavedRun]) -> str:
    """A line for each run that has ended, in their order; of each data set's the least squared error is marked."""
    ended = [run for run in runs if run.ended]
    least: dict[str, float] = {}
    for run in ended:
        dataset, error = run.config.dataset, run.evaluation["test"]["squared_error"]
        least[dataset] = min(error, least.get(dataset, error))
    rows = [HEADS, *(row_of(run, least[run.config.dataset]) for run in ended)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    first, *others = widths
    return "\n".join(
        "  ".join([row[0].ljust(first), *(cell.rjust(width) for cell, width in zip(row[1:], others))]).rstrip()
        for row in rows
    )


def row_of(run: SavedRun, least: float) -> tuple[str, ...]:
    """What the table has of a run, the mark behind its error included."""
    test = run.evaluation["test"]
    error = f"{test['squared_error']:.2f}{' *' if test['squared_error'] == least else '  '}"
    numbers = [-test["elbo"] - test["reconstruction"], test["divergence"]] if "elbo" in test else []
    return (run.folder.path.name, error, *(f"{number:.4g}" for number in numbers), *[""] * (2 - len(numbers)))
