"""What people do with the page of a report: sort, filter, open a run."""

import json

import numpy as np
import pytest

from browser import opened
from utils.figures.images import image_grid
from utils.runs.folder import EVALUATION, RECONSTRUCTIONS, REPORT
from written_runs import EVIDENCE, report, write_grid

pytestmark = pytest.mark.slow

GRID = {"loss": ["KL", "GJS", "dGJS"], "GJS_A": [0.1, 0.3], "dataset": ["digits", "mnist"]}


@pytest.fixture
def page(results):
    """A report of ten runs, whose errors fall in the order of the table."""
    errors = iter(range(90, 10, -5))
    write_grid(results / "exp", lambda config: float(next(errors)), **GRID)
    figure = image_grid(np.zeros((2, 4, 1, 32, 32), np.float32), title="a run")
    for folder in (results / "exp").iterdir():
        figure.savefig(folder / RECONSTRUCTIONS, format="png")
    report(results)
    return results / "exp" / REPORT


def shown(browser):
    """The titles of the cards that are seen."""
    cards = browser.find_elements("css selector", ".card:not([hidden]) .title")
    return [card.text for card in cards]


def choose(browser, name, value):
    """Choose from a list, as people do; the list that a browser opens for it is not a part of the page."""
    browser.execute_script(
        "const list = document.querySelector(`[name=${arguments[0]}]`); list.value = arguments[1];"
        "list.dispatchEvent(new Event('input', {bubbles: true}))",
        name,
        value,
    )


def test_tables_are_sorted_and_runs_are_filtered_and_opened(page):
    with opened(page) as browser:
        labels = lambda: [  # noqa: E731
            cell.text for cell in browser.find_elements("css selector", ".numbers tbody th")
        ]
        before = labels()
        head = browser.find_element("css selector", ".numbers thead tr + tr th button")
        head.click()
        column = [float(c.text.split()[0]) for c in browser.find_elements("css selector", ".numbers tbody td.first")][
            ::2
        ]
        assert column == sorted(column) and sorted(labels()) == sorted(before) and labels() != before
        assert browser.find_element("css selector", "th[aria-sort]").get_attribute("aria-sort") == "ascending"
        head.click(), head.click()
        assert labels() == before

        assert len(shown(browser)) == 10
        words = browser.find_element("name", "words")
        words.send_keys("gjs 0.3 mnist")
        assert shown(browser) == ["GJS α = 0.3", "dGJS α = 0.3"]
        assert browser.find_element("css selector", ".shown").text == "2 of 10 shown"
        words.clear()
        words.send_keys(" ")
        choose(browser, "loss", "KL")
        assert shown(browser) == ["KL", "KL"]
        choose(browser, "loss", "")
        choose(browser, "order", "error")
        errors = browser.execute_script("return [...document.querySelectorAll('.card')].map((c) => +c.dataset.error)")
        assert errors == sorted(errors)

        card = browser.find_element("css selector", ".card")
        card.find_element("tag name", "summary").send_keys("\ue007")  # Enter: it works without a mouse
        assert card.get_attribute("open") and card.find_element("css selector", ".command code").is_displayed()
        link = browser.find_element("css selector", ".numbers td a")
        link.click()
        target = browser.find_element("id", link.get_attribute("href").rpartition("#")[2])
        assert target.get_attribute("open"), "a number leads to its runs, and opens them"


def test_only_columns_of_numbers_have_a_heading_to_sort_by(page, results):
    for number, folder in enumerate(results.glob("exp/*/")):
        if (folder / EVALUATION).exists():
            evaluation = json.loads((folder / EVALUATION).read_text())
            evaluation["test"]["evidence"] = EVIDENCE | {"mean": -100.0 - number}
            (folder / EVALUATION).write_text(json.dumps(evaluation))
    report(results)
    with opened(page) as browser:
        evidence = "#evidence ~ .scroll .numbers"
        assert [one.text for one in browser.find_elements("css selector", f"{evidence} button")] == [
            *("evidence", "draws", "seeds")
        ]
        browser.find_element("css selector", f"{evidence} button").click()
        found = [float(one.text) for one in browser.find_elements("css selector", f"{evidence} td.first")]
        assert found == sorted(found) and len(found) == 10
        heads = browser.find_elements("css selector", "#errors ~ .scroll .numbers thead tr + tr th")
        assert all(head.find_elements("tag name", "button") for head in heads[:4])


def test_the_page_fits_a_telephone_and_a_dark_room(page):
    with opened(page, width=390, dark=True) as browser:
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
        ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert max(map(int, ground.removeprefix("rgb(").removesuffix(")").split(","))) < 60
        places = [
            link.get_attribute("href").rpartition("#")[2] for link in browser.find_elements("css selector", "nav a")
        ]
        assert places == ["settings", "errors", "figures", "runs", "missing"]
        assert all(browser.find_element("id", place).tag_name == "h2" for place in places)


def test_every_picture_is_described_and_every_field_has_a_name(page):
    with opened(page) as browser:
        unnamed = browser.execute_script(
            "return [...document.querySelectorAll('img:not([alt]), input, select, nav')]"
            ".filter((one) => !one.ariaLabel && !one.closest('label')).length"
        )
        assert unnamed == 0
