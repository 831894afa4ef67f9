"""A loss of someone's own: one file, and nothing else touched, and it is in tables, in the report and in figures."""

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pages import own_divergence

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
EXAMPLE = own_divergence()
NAME, OPTION = re.search(r'@register\("(\w+)"', EXAMPLE)[1], re.search(r'Option\("(\w+)"', EXAMPLE)[1]
FLAG = OPTION.replace("_", "-")
DRAW = f"""
import json

import main
from utils.figures.rate_distortion import rate_distortion
from utils.figures.style import colors
from utils.results.reading import read_groups

sizes = "--train-size 16 --test-size 8 --epochs 1 --batch-size 8 --latent-dim 2 --no-progress-bar --device cpu".split()
losses = "--loss KL {NAME} --{FLAG} 0.5 2".split()
main.main(["own", "--dataset", "digits", *losses, *sizes, "--report"], draw=None)
groups = read_groups("results/own", "table1", dataset="digits")  # as the notebook of rate and distortion does
lines = rate_distortion(groups).axes[0].lines
found = {{line.get_label(): [line.get_color(), len(line.get_xdata())] for line in lines}}
print(json.dumps({{"lines": found, "colors": colors()}}))
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the code with one more file; what it draws is known as `drawn`."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("vae", "utils"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "main.py", folder)
    for path in (folder / "vae" / "losses").glob("*.py"):  # of who tries it here
        if f'@register("{NAME}"' in path.read_text(encoding="utf-8"):
            path.unlink()
    swept = EXAMPLE.replace("    options = (", f'    swept = "{OPTION}"\n    options = (')
    (folder / "vae" / "losses" / "my.py").write_text(swept, encoding="utf-8")
    command = [sys.executable, "-c", DRAW]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout.splitlines()[-1])


def test_a_file_of_twenty_lines_is_enough():
    assert len(EXAMPLE.splitlines()) <= 25


def test_it_has_its_rows_and_its_colour_in_the_table_and_its_figure_in_the_report(copy):
    results = copy[0] / "results" / "own"
    with open(results / "table.csv", newline="") as file:
        labels = [line["label"] for line in csv.DictReader(file)]
    values = [f"{NAME} {FLAG} = {value}" for value in ("0.5", "2")]
    assert labels == ["KL", *values, *(f"{NAME}, best {FLAG} on {split}" for split in ("train", "test"))]
    page = (results / "report.html").read_text(encoding="utf-8")
    rows = re.findall(r'<th scope="row" style="--loss: ([^"]*)">([^<]*)</th>', page)
    expected = {True: copy[1]["colors"][NAME], False: copy[1]["colors"]["KL"]}
    assert rows == [(expected[label != "KL"], label) for label in labels]
    name = f"{FLAG}_dataset-digits_rec-dist-bernoulli.png"
    assert f'alt="{name}"' in page and (results / name).exists()


def test_it_has_its_line_in_a_colour_of_its_own(copy):
    found = copy[1]
    assert found["lines"]["KL(q‖p)"][1] == 1
    color, points = found["lines"][NAME]
    assert points == 2
    assert color == found["colors"].pop(NAME)
    assert color not in found["colors"].values()
