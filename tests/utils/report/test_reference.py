"""What pages say of reference runs, by runs that are made up."""

import pytest

from utils.report.reference import BLOCKS, columns_of, filled
from utils.results.cells import number, title
from written_runs import write_grid

FLAGS = {"loss": ["KL", "rKL", "GJS", "dGJS"], "GJS_A": [0.1, 0.3], "seed": [1, 1234]}


@pytest.fixture
def reference(tmp_path):
    """Two seeds on MNIST, one on Fashion-MNIST with gaussian."""

    def error(config):
        return {"KL": 10.0, "rKL": 12.0}.get(config.loss, 9 + config.loss_options.get("GJS_A", 0)) + config.seed % 2

    for name in ("beta", "lambda"):
        (tmp_path / name).mkdir()
    write_grid(tmp_path / "table1", error, dataset=["mnist"], **FLAGS)
    write_grid(tmp_path / "table1", error, dataset=["fashion"], rec_dist=["gaussian"], **{**FLAGS, "seed": [1234]})
    return tmp_path


def lines_of(reference, name):
    """The lines of a block by their first cell."""
    lines = [line.strip("|").split(" | ") for line in BLOCKS[name](reference) if line.startswith("| ")]
    return {first.strip(): [cell.strip() for cell in cells] for first, *cells in lines}


def test_numbers_have_an_interval_and_say_how_many_seeds_they_are_of():
    assert number({1: 11.0, 2: 12.0, 3: 13.0}) == "12.00 ± 2.48"
    assert number({1: 11.0, 2: 12.0, 3: 13.0}, "α = 0.1", digits=1, sign="+") == "+12.0 ± 2.5 (α = 0.1)"
    assert number({1: 11.0}, "α = 0.1") == "11.00 (α = 0.1, 1)"
    assert number({}) == ""


def test_columns_are_in_the_papers_order(reference):
    assert [(own.dataset, own.rec_dist) for own in columns_of(["table1"], reference)] == [
        ("mnist", "bernoulli"),
        ("fashion", "gaussian"),
    ]


def test_a_column_of_fewer_images_says_how_many(tmp_path):
    flags = {"dataset": ["dsprites"], "loss": ["KL"], "epochs": 10, "train_size": 100_000}
    write_grid(tmp_path / "table1", lambda config: 9.0, **flags)
    (column,) = columns_of(["table1"], tmp_path)
    assert title(column) == "dSprites, `bernoulli`, 10 epochs of 100,000 images"
    assert "| KL | 9.00 (1) | 13.55 |" in BLOCKS["results"](tmp_path)


def test_a_column_without_the_papers_numbers_and_without_its_divergence_is_in_the_table_of_all_errors_alone(tmp_path):
    for name in ("beta", "lambda"):
        (tmp_path / name).mkdir()
    write_grid(
        tmp_path / "table1", lambda config: 9.0, dataset=["mnist"], loss=["KL"], rec_dist=["bernoulli", "gaussian"]
    )
    shown = {name: [line for line in BLOCKS[name](tmp_path) if "`gaussian`" in line] for name in ("errors", "results")}
    assert shown["errors"] and not shown["results"]
    assert not any("`gaussian`" in line for name in ("claims", "verdicts") for line in BLOCKS[name](tmp_path))


def test_the_table_has_every_loss_beside_the_papers(reference):
    rows = lines_of(reference, "results")
    assert rows["KL"] == ["10.50 ± 6.35 (2)", "8.46", "10.00 (1)", "11.98"]
    assert rows["GJS, best α"] == ["9.60 ± 6.35 (α = 0.1, 2)", "7.52 (α = 0.1)", "9.10 (α = 0.1, 1)", "10.04 (α = 0.2)"]
    assert rows["MMD, weight 500"] == ["", "13.19¹", "", "11.10¹"]
    assert lines_of(reference, "errors")["dGJS, α = 0.3"] == ["9.80 ± 6.35 (2)", "9.30 (1)"]


def test_claims_have_a_verdict_and_their_differences(reference):
    rows = lines_of(reference, "claims")
    assert rows["KL(p‖q) has a larger error than KL(q‖p)"] == ["too few seeds"] * 2
    assert rows["No β reaches the dual"] == ["", ""]
    assert rows["KL(p‖q)"] == ["-2.00 ± 0.00 (2): undecided", "-2.00 (1): undecided"]
    text = "\n".join(BLOCKS["claims"](reference))
    assert "### No β reaches the dual\n" in text and "There are no runs yet that decide it." in text


def test_the_verdicts_in_short_count_what_is_undecided(reference):
    for seed in (1, 2):
        write_grid(
            reference / "table1",
            lambda c: 10.0 if c.loss == "KL" else 12.0 + c.seed / 10,
            dataset=["fashion"],
            rec_dist=["gaussian"],
            loss=["KL", "rKL"],
            seed=[seed],
        )
    holds, fails, undecided = BLOCKS["verdicts"](reference)
    assert holds == "- **Holds**: KL(p‖q) has a larger error than KL(q‖p) (Fashion-MNIST, `gaussian`)."
    assert fails == "- **Does not hold**: none yet."
    counted = "1 of 15, a claim counted by column; 13 more have too few seeds."
    assert undecided == f"- **Undecided**: {counted}"


def test_a_page_is_written_between_its_marks_and_nowhere_else(reference):
    page = "Above.\n<!-- errors -->\nold\n<!-- end of errors -->\nBelow <!-- results -->.\n"
    text = filled(page, reference)
    assert text.startswith("Above.\n<!-- errors -->\n\n|  | MNIST, `bernoulli` |")
    assert text.endswith("\n\n<!-- end of errors -->\nBelow <!-- results -->.\n") and "old" not in text
    assert filled(text, reference) == text
