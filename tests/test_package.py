"""The package `vae` as pip installs it: from a wheel, in any folder, beside another package called utils."""

import ast
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import vae

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
SAVED = ROOT / "results/reference/table1/dataset-fashion_rec-dist-gaussian_loss-dGJS_GJS-A-0.4"


def pip(*arguments, cwd):
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel that is built of the package's files, without a network."""
    there = {distribution.name for distribution in distributions()}
    for name in ("pip", "setuptools"):  # to look for the module pip has setuptools leave distutils alone, from then on
        if name not in there:
            pytest.skip(f"there is no {name} to build a wheel with: pip install -r requirements-dev.txt")
    source = tmp_path_factory.mktemp("source")
    for name in ("vae", "utils"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "main.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", "wheels", ".", cwd=source)
    (wheel,) = (source / "wheels").iterdir()
    return wheel


def test_a_wheel_has_every_module_of_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "vae").rglob("*.py")}
    assert {name for name in names if ".dist-info/" not in name} == modules


def test_an_installed_package_loads_a_saved_run_beside_another_package_utils(wheel, tmp_path):
    pip("install", "--no-deps", "--no-index", "--target", "installed", str(wheel), cwd=tmp_path)
    assert {path.name for path in (tmp_path / "installed").iterdir()} >= {"vae"}
    assert not (tmp_path / "installed" / "utils").exists()
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "utils").mkdir(parents=True)
    (elsewhere / "utils" / "__init__.py").write_text("whose = 'mine'\n")
    (elsewhere / "script.py").write_text(
        "import utils, vae\n"
        f"model, loss, config = vae.load({str(SAVED)!r})\n"
        "images = model.sample(2)\n"
        "print(vae.__file__, utils.whose, type(loss).__name__, config.loss, *model.reconstruct(images).shape)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", "script.py"]
    done = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    file = tmp_path / "installed" / "vae" / "__init__.py"
    assert done.stdout.split() == [str(file), "mine", "DualGeometricJSLoss", "dGJS", "2", "1", "32", "32"]


def test_a_wheel_needs_what_the_package_imports_as_the_requirements_have_it(wheel):
    metadata = next(iter(distributions(path=[str(wheel)])))
    needed = {Requirement(line) for line in metadata.requires}
    assert {requirement.name for requirement in needed} == imported_from_elsewhere()
    assert needed <= {Requirement(line) for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").split()}


def imported_from_elsewhere():
    """The packages that the modules of vae import, but for itself, the standard library, and what is optional."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "vae").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    names |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return {name.partition(".")[0] for name in names} - {"vae", "sklearn", *sys.stdlib_module_names}


def test_the_public_face_is_there():
    assert {"load", "build_model", "build_loss", "LOSSES", "Trainer", "Evaluator", "divergences"} <= set(vae.__all__)
    assert all(hasattr(vae, name) for name in vae.__all__)
