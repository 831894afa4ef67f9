"""What pages say of the reference runs, made of their files: Table 1, the evidence, and what has come of claims.

    python -m utils.report.reference

writes it anew into the pages, between <!-- NAME --> and <!-- end of NAME -->.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

from utils.grids.presets import ALPHAS
from utils.report.claims import Lines, differences, in_short, verdicts
from utils.report.tables import dataset_place
from utils.results.cells import markdown_rows, number, title
from utils.results.claims import read_columns
from utils.results.groups import Model, RunGroup
from utils.results.paper_claims import BETA, BY_PRIOR, CLAIMS, EVIDENCE, KL, LEARNT, MMD, RKL, chosen, dual, primal
from utils.results.paper_numbers import number_of

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "results" / "reference"
PAGES = (REFERENCE / "README.md", ROOT / "README.md")
FOLDERS = ("table1", "beta", "lambda")  # whose runs decide the claims
PAPER_COLUMNS = {"mnist": "bernoulli", "fashion": "gaussian", "dsprites": "bernoulli"}  # behind which the paper's stand

SCORES = {"MIG": "mig_sample", "FactorVAE": "factor_vae_score", "SAP": "sap"}
SCORES |= {f"DCI {part}": f"dci_{part}" for part in ("disentanglement", "completeness", "informativeness")}

BASELINES = {"KL": KL, "rKL": RKL, "betaH, β = 4": BETA, "MMD, weight 500": MMD}
SKEWED = {"GJS": primal, "dGJS": dual}
MODELS = {
    **BASELINES,
    **{f"{loss}, α = {alpha}": skewed(alpha) for loss, skewed in SKEWED.items() for alpha in ALPHAS},
    **LEARNT,
}


def columns_of(folders: Sequence[str], reference: Path) -> list[RunGroup]:
    """The reference runs, in the order of the paper's table."""
    found = read_columns(*(reference / name for name in folders))
    return sorted(found, key=lambda column: (dataset_place(column.dataset), column.dataset, column.rec_dist))


def compared(folders: Sequence[str], reference: Path) -> list[RunGroup]:
    """The columns in which losses are compared: those of the paper's likelihood, and others that have JS^G."""
    return [column for column in columns_of(folders, reference) if is_papers(column) or column.of("GJS")]


def is_papers(column: RunGroup) -> bool:
    """Whether the paper's numbers stand behind a column."""
    return PAPER_COLUMNS.get(column.dataset) == column.rec_dist


# Tables


def errors(reference: Path) -> Lines:
    """Squared error on the test images, of every model in every column."""
    columns = columns_of(["table1"], reference)
    rows = [[name, *(number(column.values(model)) for column in columns)] for name, model in MODELS.items()]
    yield from markdown_rows(["", *map(title, columns)], rows)


def evidence(reference: Path) -> Lines:
    """The evidence, and what prior sampling gives, of the models that have it."""
    columns = [column for column in columns_of(["table1"], reference) if column.values(KL, EVIDENCE)]
    rows = [
        [name, *(number(column.values(model, of), digits=1) for column in columns for of in (EVIDENCE, BY_PRIOR))]
        for name, model in MODELS.items()
    ]
    head = [name for column in columns for name in (title(column), "by prior sampling")]
    yield from markdown_rows(["", *head], [row for row in rows if any(row[1:])])


def disentanglement(reference: Path) -> Lines:
    """The scores of the models that have them."""
    columns = [column for column in columns_of(["table1"], reference) if column.values(KL, "sap", "disentanglement")]
    head = [f"{title(column)}: {score}" if len(columns) > 1 else score for column in columns for score in SCORES]
    places = [(column, name) for column in columns for name in SCORES.values()]
    rows = [
        [model, *(number(column.values(own, name, "disentanglement"), digits=3) for column, name in places)]
        for model, own in MODELS.items()
    ]
    yield from markdown_rows(["", *head], [row for row in rows if any(row[1:])])


def results(reference: Path) -> Lines:
    """Table 1: the squared error of each loss, of JS^G and its dual at the best α, beside the paper's."""
    columns = compared(["table1"], reference)
    rows: dict[str, tuple[Callable[[RunGroup], str], Callable[[str], str]]] = {
        name: (
            lambda column, own=model: number(column.values(own)),
            lambda dataset, own=model: paper_cell(dataset, own),
        )
        for name, model in {**BASELINES, "GJS, α = 0.5": primal(0.5)}.items()
    }
    for loss, skewed in SKEWED.items():
        ours, papers = (lambda of, cell=cell, own=skewed: cell(of, own) for cell in (best_cell, paper_best_cell))
        rows[f"{loss}, best α"] = ours, papers
    for loss, model in LEARNT.items():
        rows[f"{loss}, learnt α"] = (lambda column, own=model: learnt_cell(column, own), lambda dataset: "")
    head = beside_papers(columns, title, lambda dataset: "the paper")
    yield from markdown_rows(["", *head], [[name, *beside_papers(columns, *cells)] for name, cells in rows.items()])


def beside_papers(
    columns: Sequence[RunGroup], ours: Callable[[RunGroup], str], papers: Callable[[str], str]
) -> list[str]:
    """The cells of a row: what each column has, and behind those of PAPER_COLUMNS what the paper has."""
    cells = []
    for column in columns:
        cells += [ours(column), *([papers(column.dataset)] if is_papers(column) else [])]
    return cells


def best_cell(column: RunGroup, skewed: Callable[[float], Model]) -> str:
    """The error at the α that was chosen on the training images of one seed."""
    model = chosen(column, skewed)
    return number(column.values(model), f"α = {model.options['GJS_A']}") if model else ""


def learnt_cell(column: RunGroup, model: Model) -> str:
    """The error with a learnt α, and what it has become."""
    alphas = column.values(model, "alpha")
    return number(column.values(model), f"α = {fmean(alphas.values()):.2f}") if alphas else ""


def paper_cell(dataset: str, model: Model) -> str:
    """The paper's number, with a mark where it is of another objective."""
    found = number_of(dataset, model)
    return f"{found.value:.2f}" + "¹" * ("m" in found.marks)


def paper_best_cell(dataset: str, skewed: Callable[[float], Model]) -> str:
    """The least of the paper's numbers over α."""
    values = {alpha: number_of(dataset, skewed(alpha)).value for alpha in ALPHAS}
    alpha = min(values, key=values.get)
    return f"{values[alpha]:.2f} (α = {alpha})"


# Claims


def claims(reference: Path) -> Lines:
    """What has come of each claim of the paper, and then the differences that decide it."""
    columns = compared(FOLDERS, reference)
    yield from verdicts(CLAIMS, columns)
    for claim in CLAIMS:
        yield from differences(claim, columns)


def verdicts_in_short(reference: Path) -> Lines:
    """What has come of the claims, in three lines."""
    yield from in_short(CLAIMS, compared(FOLDERS, reference))


# Pages

BLOCKS: dict[str, Callable[[Path], Lines]] = {
    "results": results,
    "errors": errors,
    "evidence": evidence,
    "disentanglement": disentanglement,
    "claims": claims,
    "verdicts": verdicts_in_short,
}


def filled(text: str, reference: Path = REFERENCE) -> str:
    """A page with each of its blocks as the runs have it."""
    for name, lines in BLOCKS.items():
        place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        if place.search(text):
            content = "\n".join(lines(reference))
            text = place.sub(lambda found, own=content: f"{found[1]}\n{own}\n\n{found[2]}", text)
    return text


def main() -> None:
    """Write the pages."""
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
