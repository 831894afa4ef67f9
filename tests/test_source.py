"""What the source must not do: run what a file holds, let an archive say where files go, import against the arrows."""

import ast
import subprocess
import sys
from collections import defaultdict
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = [path for name in ("*.py", "utils", "vae", "benchmarks", "notebooks") for path in sorted(ROOT.glob(name))]
SOURCES = [file for path in SOURCES for file in (sorted(path.rglob("*.py")) if path.is_dir() else [path])]
SOURCES = [path for path in SOURCES if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)]
FORBIDDEN = {"eval", "exec", "extract", "extractall", "unpack_archive", "read_pickle", "loads_pickle", "system"}
SAFE = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False), "numpy.load": ("allow_pickle", False)}


def calls(path):
    """Every call in a file: its line, what is called as it is written, and the constants among its keywords."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            constants = {k.arg: k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)}
            yield node.lineno, ast.unparse(node.func), len(node.args), constants


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_in_a_file_is_run_or_decides_where_files_go(path):
    for line, function, arguments, keywords in calls(path):
        name = function.rpartition(".")[2]
        place = f"{path.relative_to(ROOT)}:{line}: {function}"
        assert name not in FORBIDDEN or function.endswith("model.eval") or (name == "eval" and not arguments), place
        assert "pickle" not in function, place
        if function in SAFE:
            keyword, value = SAFE[function]
            assert keywords.get(keyword) is value, f"{place} without {keyword}={value}"


def test_the_sources_are_found():
    assert len(SOURCES) > 50
    assert {"utils/runs/folder.py", "main.py"} <= {str(path.relative_to(ROOT)) for path in SOURCES}


def test_every_file_of_the_repository_is_a_file():
    """A link leads to a place of one machine: `git add -A` takes one to a virtual environment along."""
    listed = subprocess.run(["git", "ls-files", "--stage"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    assert not [line for line in listed.stdout.splitlines() if line.startswith("120000")]


# In utils these do not know the science.
PLUMBING = ("machine", "datasets", "report")


def modules_of(path):
    """The modules that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom | ast.Import):
            names |= {node.module} if isinstance(node, ast.ImportFrom) else {alias.name for alias in node.names}
    return names


def imported(path):
    """The packages that a file imports."""
    return {name.partition(".")[0] for name in modules_of(path)}


def test_dependencies_point_one_way():
    for path in SOURCES:
        packages, place = imported(path), str(path.relative_to(ROOT))
        if path.is_relative_to(ROOT / "vae"):
            assert not packages & {"utils", "main"}, place
        if path.is_relative_to(ROOT / "utils"):
            assert "main" not in packages, place
            assert "vae" not in packages or path.relative_to(ROOT / "utils").parts[0] not in PLUMBING, place


ROOMS = (
    "machine",
    "datasets",
    "runs",
    "exports",
    "grids",
    "results",
    "figures",
    "pages",
    "explore",
    "report",
)  # each above what it imports


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_of_utils_imports_only_rooms_below_it(room):
    below = {f"utils.{other}" for other in ROOMS[: ROOMS.index(room) + 1]}
    for path in (ROOT / "utils" / room).rglob("*.py"):
        rooms = {".".join(name.split(".")[:2]) for name in modules_of(path) if name.startswith("utils.")}
        assert rooms <= below, path.relative_to(ROOT)


MODULES = {path.relative_to(ROOT): path for path in SOURCES if path.relative_to(ROOT).parts[0] in ("utils", "vae")}
MODULES = {".".join(place.with_suffix("").parts).removesuffix(".__init__"): path for place, path in MODULES.items()}


def arrows():
    """For each module of vae and utils, those of them that it imports."""
    return {name: imported_modules(path) & MODULES.keys() - {name} for name, path in MODULES.items()}


def imported_modules(path):
    """The names of what a file imports, modules and what is taken from them alike."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    taken = {(node.module, alias.name) for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
    modules = {f"{module}.{name}" for module, name in taken} & MODULES.keys()
    modules |= {module for module, name in taken if f"{module}.{name}" not in MODULES}
    return modules | {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}


def test_no_modules_import_each_other_in_a_circle():
    assert len(list(TopologicalSorter(arrows()).static_order())) == len(MODULES)  # CycleError names a circle


def test_no_rooms_import_each_other_in_a_circle():
    rooms = defaultdict(set)
    for name, others in arrows().items():
        room, *theirs = (".".join(one.split(".")[:2]) for one in (name, *others))
        rooms[room] |= {*theirs} - {room}
    assert {"vae.losses", "utils.runs"} <= set(TopologicalSorter(rooms).static_order())


REGISTRIES = {"vae/losses", "vae/divergences", "vae/models/networks", "vae/models/priors", "vae/models/likelihoods"}
REGISTRIES |= {"vae/evaluation/disentanglement", "utils/datasets/sources"}  # may grow by a file for each entry


def test_rooms_and_modules_are_small():
    rooms = defaultdict(list)
    for path in MODULES.values():
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 350, path
        if path.name != "__init__.py":
            rooms[str(path.parent.relative_to(ROOT))].append(path.stem)
    assert len(rooms["utils"]) <= 2
    assert not {room: names for room, names in rooms.items() if len(names) > 9 and room not in REGISTRIES}


LOOKING = ("utils.results", "utils.figures", "utils.report")
TRAINING = ("vae.training.trainer", "vae.training.ensemble", "vae.training.step", "utils.runs.running")
TRAINING += ("utils.runs.run", "utils.grids.sweep", "utils.grids.ensembles", "utils.grids.executors")


@pytest.mark.slow
def test_what_looks_at_results_does_not_import_what_trains():
    code = """
import pkgutil, sys
from importlib import import_module
for name in sys.argv[1:]:
    for module in pkgutil.iter_modules(import_module(name).__path__):
        import_module(f"{name}.{module.name}")
print(*(name for name in sys.modules if name.startswith("utils")))
"""
    command = [sys.executable, "-c", code, *LOOKING]
    modules = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    assert set(LOOKING) <= set(modules)
    for name in modules:
        path = ROOT / f"{name.replace('.', '/')}.py"
        names = modules_of(path) if path.exists() else set()
        trained = {one for one in {name, *names} if any(f"{one}.".startswith(f"{own}.") for own in TRAINING)}
        assert not trained, name
