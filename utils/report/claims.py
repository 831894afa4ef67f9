"""Claims as Markdown: what has come of each, and the differences that decide it."""

from collections.abc import Iterator, Sequence

from utils.results.cells import markdown_rows, number, title
from utils.results.claims import FAILS, HOLDS, TOO_FEW, UNDECIDED, Claim, Comparison, outcome
from utils.results.groups import RunGroup

Lines = Iterator[str]


def verdicts(claims: Sequence[Claim], columns: Sequence[RunGroup]) -> Lines:
    """A row for each claim, with what has come of it in each column."""
    rows = [[claim.text, *(outcome(claim.of(column)) for column in columns)] for claim in claims]
    yield from markdown_rows(["claim", *map(title, columns)], rows)


def in_short(claims: Sequence[Claim], columns: Sequence[RunGroup]) -> Lines:
    """The claims that hold somewhere, those that do not, and how many are undecided or have too few seeds."""
    found = [(claim, column, outcome(claim.of(column))) for claim in claims for column in columns]
    found = [(claim, column, result) for claim, column, result in found if result]
    for wanted in (HOLDS, FAILS):
        where = {
            claim.text: [title(column) for own, column, result in found if (own, result) == (claim, wanted)]
            for claim in claims
        }
        texts = [f"{text} ({'; '.join(places)})" for text, places in where.items() if places]
        yield f"- **{wanted[0].upper()}{wanted[1:]}**: {'; '.join(texts) or 'none yet'}."
    undecided, few = (sum(result.startswith(one) for *_, result in found) for one in (UNDECIDED, TOO_FEW))
    yield f"- **Undecided**: {undecided} of {len(found)}, a claim counted by column; {few} more have {TOO_FEW}."


def differences(claim: Claim, columns: Sequence[RunGroup]) -> Lines:
    """A claim, and a row for each of its parts with the difference in each column that has runs for it."""
    found = {title(column): {one.label: one for one in claim.of(column) if one.difference} for column in columns}
    found = {name: parts for name, parts in found.items() if parts}
    labels = dict.fromkeys(label for parts in found.values() for label in parts)
    yield from ("", f"### {claim.text}", "", f"{claim.source}. Judged by: {claim.measured}.", "")
    if found:
        rows = [[label, *(part(parts.get(label)) for parts in found.values())] for label in labels]
        yield from markdown_rows(["", *found], rows)
    else:
        yield "There are no runs yet that decide it."


def part(comparison: Comparison | None) -> str:
    """A difference with its interval, seeds and verdict."""
    return f"{number(comparison.difference.values, sign='+')}: {comparison.verdict}" if comparison else ""
