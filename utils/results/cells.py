"""Cells of Markdown tables: numbers over seeds, and what columns are called."""

from collections.abc import Iterator, Mapping, Sequence

from utils.results.groups import RunGroup
from vae.evaluation.statistics import FEWEST_SEEDS, Estimate

TITLES = {"mnist": "MNIST", "fashion": "Fashion-MNIST", "dsprites": "dSprites", "chairs": "Chairs"}


def markdown_rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a table."""
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    yield from (f"| {' | '.join(row)} |" for row in rows)


def title(column: RunGroup) -> str:
    """A column by its data set and likelihood, and by its size where not all images are trained on."""
    config = column.runs[0].config
    size = f", {config.epochs} epochs of {config.train_size:,} images" if config.train_size else ""
    return f"{TITLES.get(column.dataset, column.dataset)}, `{column.rec_dist}`{size}"


def number(values: Mapping[int, float], *remarks: str, digits: int = 2, sign: str = "") -> str:
    """Mean over seeds ± half of the interval; in brackets remarks, and how many seeds there are where not three."""
    if not values:
        return ""
    found = Estimate(values)
    seeds = [str(found.count)] if found.count != FEWEST_SEEDS else []
    return estimate_text(found, *remarks, *seeds, digits=digits, sign=sign)


def estimate_text(found: Estimate, *remarks: str, digits: int = 2, sign: str = "") -> str:
    """Mean ± half of the interval, where there is one; in brackets remarks."""
    half = f" ± {found.half_width:.{digits}f}" if found.half_width is not None else ""
    return f"{found.mean:{sign}.{digits}f}{half}" + (f" ({', '.join(remarks)})" if remarks else "")
