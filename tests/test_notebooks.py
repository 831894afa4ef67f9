"""The notebooks run from end to end: the mathematical ones as they are, the others beside short runs."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from notebooks import gallery
from utils.notebooks import load_or_run
from utils.runs.config import RunConfig

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed: see requirements-dev.txt")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed: see requirements-dev.txt")
pytest.importorskip("ipykernel", reason="ipykernel is not installed: see requirements-dev.txt")

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"
SIZES = {"train_size": 20, "test_size": 10, "epochs": 1}
SMALL = {"dataset": "digits", **SIZES}
RUNS = {  # of each notebook that shows some
    "csrae": [
        RunConfig.from_flags("csrae-mnist", {"loss": "CS", **SMALL}),
        RunConfig.from_flags("csrae-fashion", {"loss": "CS", **SMALL}),
    ],
    "infocatvae": [RunConfig.from_flags("infocatvae", {"loss": "InfoCatVAE", **SMALL})],
    "infovae": [
        RunConfig.from_flags("mixture2d-infovae", {"dataset": "mixture2d", "loss": "InfoVAE", **SIZES}),
        RunConfig.from_flags("mixture2d-kl", {"dataset": "mixture2d", "loss": "KL", **SIZES}),
        RunConfig.from_flags("digits-infovae", {"loss": "InfoVAE", "latent_dim": 2, **SMALL}),
    ],
}
OF_RESULTS = [
    *("beta", "dgjs", "generative", "gjs", "noise", "rate_distortion", "reconstruction", "reconstruction_grid"),
    *("table_1", "trainable_alpha", "zoo"),
]
MATHEMATICAL = sorted({path.stem for path in NOTEBOOKS.glob("*.ipynb")} - RUNS.keys() - set(OF_RESULTS))


class Page(NamedTuple):
    """A notebook to run: from which folder, and with what data directory if it is to be led to the project too."""

    name: str
    folder: Path
    data_dir: Path | None = None


ALONE = """
import sys
for name in [name for name in sys.modules if name.partition(".")[0] in ("notebooks", "utils", "vae")]:
    del sys.modules[name]
sys.path[:] = [place for place in sys.path if place not in ("", ".", "..", {root!r})]
"""
LED = """
import os, sys
sys.path.insert(0, {root!r})
os.environ["VAE_DATA"] = {data_dir!r}
"""
AFRESH = """
%cd -q {folder}
%reset -f
"""


def start_of(page):
    """A cell after which a kernel is as new to a notebook."""
    lines = (LED if page.data_dir else ALONE).format(root=str(ROOT), data_dir=str(page.data_dir))
    return nbformat.v4.new_code_cell(lines + AFRESH.format(folder=page.folder))


@pytest.fixture(scope="module")
def execute(tmp_path_factory):
    """Runs notebooks in one kernel, because each takes seconds to start: each afresh, as it would be in its own.

    Takes pages by name, and gives their notebooks with the outputs.
    """

    def run(pages):
        notebooks = {key: read(page.name) for key, page in pages.items()}
        joined = nbformat.v4.new_notebook(metadata=next(iter(notebooks.values())).metadata)
        for key, page in pages.items():
            joined.cells += [start_of(page), *notebooks[key].cells]
        for number, cell in enumerate(joined.cells):
            cell.id = f"cell-{number}"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
            patch.setenv("OMP_NUM_THREADS", "1")
            nbclient.NotebookClient(joined, timeout=300).execute()
        return notebooks

    return run


def pages_of_results(root):
    """The notebooks of results, in a project that has its results in `root`, and no data set by chance."""
    (root / "notebooks").mkdir(exist_ok=True)
    return {name: Page(name, root / "notebooks", data_dir=root) for name in OF_RESULTS}


@pytest.fixture(scope="module")
def of_results(execute, results, tmp_path_factory):
    """The notebooks of results beside runs, and without any."""
    places = {"runs": results, "none": tmp_path_factory.mktemp("empty")}
    pages = {(place, name): page for place in places for name, page in pages_of_results(places[place]).items()}
    return execute(pages)


@pytest.fixture(scope="module")
def others(execute, tmp_path_factory):
    """The mathematical notebooks where they are, one of them from the root, and those that show single runs."""
    pages = {name: Page(name, NOTEBOOKS) for name in MATHEMATICAL}
    pages["from the root"] = Page("gaussian_example", ROOT)
    for name, configs in RUNS.items():
        root = tmp_path_factory.mktemp(name)
        for config in configs:
            load_or_run(config.experiment, otherwise=config, results_dir=root / "results")
        (root / "notebooks").mkdir()
        pages[name] = Page(name, root / "notebooks", data_dir=root)  # no data set is there by chance
    return execute(pages) | {"folders": {name: pages[name].folder.parent for name in RUNS}}


def read(name):
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


def printed(notebook):
    """What its cells print, one text for each output."""
    return [output.text for output in outputs(notebook) if output.output_type == "stream"]


def pictures(notebook):
    return sum("image/png" in output.get("data", {}) for output in outputs(notebook))


def outputs(notebook):
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


@pytest.mark.parametrize("name", MATHEMATICAL)
def test_a_mathematical_notebook_shows_what_it_gives(others, name):
    given, shown = others[name], read(name)
    assert printed(given) == printed(shown)
    assert pictures(given) == pictures(shown) >= 1


def test_a_mathematical_notebook_may_start_in_the_root(others):
    assert pictures(others["from the root"]) >= 1


@pytest.mark.parametrize("name", RUNS)
def test_a_notebook_shows_runs_that_are_there(others, name):
    """Runs of one epoch on a few examples, which it takes for its own, so that it makes no other."""
    assert pictures(others[name]) >= 1
    results_dir = others["folders"][name] / "results"
    assert {path.name for path in results_dir.iterdir()} == {config.experiment for config in RUNS[name]}


@pytest.mark.parametrize("name", OF_RESULTS)
def test_a_notebook_of_results_shows_the_runs_that_are_there(of_results, name):
    notebook = of_results["runs", name]
    assert any("digits, gaussian: " in text for text in printed(notebook))
    tables = sum("text/markdown" in output.get("data", {}) for output in outputs(notebook))
    assert pictures(notebook) + tables >= 1


@pytest.mark.parametrize("name", OF_RESULTS)
def test_a_notebook_of_results_without_runs_says_how_to_make_them(of_results, name):
    notebook = of_results["none", name]
    said = "".join(printed(notebook))
    assert pictures(notebook) == 0
    folders = re.findall(r"^    python main.py (\S+) --results-dir results/reference ", said, re.M)
    assert folders


def test_the_gallery_has_pictures_of_the_notebooks():
    page = (ROOT / "docs" / "figures.md").read_text(encoding="utf-8")
    assert {path.stem for path in gallery.GALLERY.iterdir()} == gallery.PICTURES.keys()
    for name in gallery.PICTURES:
        assert (gallery.GALLERY / f"{name}.png").read_bytes() == gallery.picture(name)
        assert f"notebooks/gallery/{name}.png" in page
