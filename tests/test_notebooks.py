"""The notebooks run from end to end: the mathematical ones as they are, the others beside short runs."""

import re
from pathlib import Path

import pytest

from notebooks import gallery
from utils.notebooks import load_or_run
from utils.runs.config import RunConfig

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed: see requirements-dev.txt")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed: see requirements-dev.txt")
pytest.importorskip("ipykernel", reason="ipykernel is not installed: see requirements-dev.txt")

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"
SIZES = {"train_size": 20, "test_size": 10, "epochs": 1}
SMALL = {"dataset": "digits", **SIZES}
RUNS = {  # of each notebook that shows some
    "csrae": [
        RunConfig("csrae-mnist", loss="CS", **SMALL),
        RunConfig("csrae-fashion", loss="CS", **SMALL),
    ],
    "infocatvae": [RunConfig("infocatvae", loss="InfoCatVAE", **SMALL)],
    "infovae": [
        RunConfig("mixture2d-infovae", dataset="mixture2d", loss="InfoVAE", **SIZES),
        RunConfig("mixture2d-kl", dataset="mixture2d", loss="KL", **SIZES),
        RunConfig("digits-infovae", loss="InfoVAE", latent_dim=2, **SMALL),
    ],
}
OF_RESULTS = [
    *("beta", "dgjs", "generative", "gjs", "noise", "rate_distortion", "reconstruction", "reconstruction_grid"),
    *("table_1", "trainable_alpha"),
]
MATHEMATICAL = sorted({path.stem for path in NOTEBOOKS.glob("*.ipynb")} - RUNS.keys() - set(OF_RESULTS))


@pytest.fixture
def execute(monkeypatch, tmp_path):
    """Runs a notebook, by its name, in a kernel that starts in a folder; gives it with its outputs."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def run(name, folder):
        notebook = read(name)
        resources = {"metadata": {"path": str(folder)}}
        return nbclient.NotebookClient(notebook, timeout=300, resources=resources).execute()

    return run


@pytest.fixture(scope="module")
def execute_results(tmp_path_factory):
    """Runs the notebooks of results one after the other in one kernel; gives them with their outputs, by name."""

    def run(root):
        (root / "notebooks").mkdir(exist_ok=True)
        joined = nbformat.v4.new_notebook(metadata=read(OF_RESULTS[0]).metadata)
        notebooks = {name: read(name) for name in OF_RESULTS}
        for name, notebook in notebooks.items():
            start = nbformat.v4.new_code_cell(f"%cd -q {root / 'notebooks'}", id=name)
            joined.cells += [start, *notebook.cells]
        for number, cell in enumerate(joined.cells):
            cell.id = f"cell-{number}"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
            patch.setenv("OMP_NUM_THREADS", "1")
            patch.setenv("PYTHONPATH", str(ROOT))
            patch.setenv("VAE_DATA", str(root))  # no data set is there by chance
            nbclient.NotebookClient(joined, timeout=300).execute()
        return notebooks

    return run


@pytest.fixture(scope="module")
def with_runs(execute_results, results):
    return execute_results(results)


@pytest.fixture(scope="module")
def without_runs(execute_results, tmp_path_factory):
    return execute_results(tmp_path_factory.mktemp("empty"))


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
def test_a_mathematical_notebook_shows_what_it_gives(execute, name):
    given, shown = execute(name, NOTEBOOKS), read(name)
    assert printed(given) == printed(shown)
    assert pictures(given) == pictures(shown) >= 1


def test_a_mathematical_notebook_may_start_in_the_root(execute):
    assert pictures(execute("gaussian_example", ROOT)) >= 1


@pytest.mark.parametrize("name", RUNS)
def test_a_notebook_shows_runs_that_are_there(execute, name, monkeypatch, tmp_path):
    """Runs of one epoch on a few examples, which it takes for its own, so that it makes no other."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VAE_DATA", str(tmp_path))  # no data set is there by chance
    for config in RUNS[name]:
        load_or_run(config.experiment, otherwise=config)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    folder = tmp_path / "notebooks"
    folder.mkdir()
    assert pictures(execute(name, folder)) >= 1
    assert {path.name for path in Path("results").iterdir()} == {config.experiment for config in RUNS[name]}


@pytest.mark.parametrize("name", OF_RESULTS)
def test_a_notebook_of_results_shows_the_runs_that_are_there(with_runs, name):
    notebook = with_runs[name]
    assert any("digits, gaussian: " in text for text in printed(notebook))
    tables = sum("text/markdown" in output.get("data", {}) for output in outputs(notebook))
    assert pictures(notebook) + tables >= 1


@pytest.mark.parametrize("name", OF_RESULTS)
def test_a_notebook_of_results_without_runs_says_how_to_make_them(without_runs, name):
    assert pictures(without_runs[name]) == 0
    folders = re.findall(
        r"^    python main.py (\S+) --results-dir results/reference ", "".join(printed(without_runs[name])), re.M
    )
    assert folders


def test_the_gallery_has_pictures_of_the_notebooks():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert {path.stem for path in gallery.GALLERY.iterdir()} == gallery.PICTURES.keys()
    for name in gallery.PICTURES:
        assert (gallery.GALLERY / f"{name}.png").read_bytes() == gallery.picture(name)
        assert f"notebooks/gallery/{name}.png" in readme
