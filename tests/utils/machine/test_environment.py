"""What is chosen for a machine."""

import subprocess

import pytest
import torch

from utils.machine import environment
from utils.machine.compilation import broken_for_compile
from utils.machine.environment import MachineError, choose_device, explained, is_out_of_memory

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def test_the_gpu_is_recorded(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H200")
    assert environment.environment(CUDA)["machine"]["gpu"] == "NVIDIA H200"
    assert "gpu" not in environment.environment(CPU)["machine"]


@pytest.mark.parametrize(("count", "told"), [(0, "0 CUDA devices"), (1, "1 CUDA device"), (2, "2 CUDA devices")])
def test_a_device_that_is_not_there_is_told_with_how_many_there_are(count, told, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    with pytest.raises(MachineError, match=f"^--device cuda:7: this machine has {told}; --device cpu always works$"):
        choose_device("cuda:7")


@pytest.mark.parametrize(
    "error, expected",
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (MemoryError(), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_a_want_of_memory_is_told_from_other_errors(error, expected):
    assert is_out_of_memory(error) == expected


def test_an_error_of_a_file_says_which_and_why():
    assert explained(OSError(28, "No space left", "results")).startswith("results cannot be used (No space left): ")
    assert explained(OSError("boom")) == "boom"


def test_the_instructions_of_the_cpu_are_recorded(monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    assert environment.environment(CPU)["machine"]["instructions"] == "DEFAULT"


def test_the_revision_is_that_of_the_code_and_of_no_repository_that_it_merely_lies_in(tmp_path, monkeypatch):
    git = ["git", "-c", "user.name=me", "-c", "user.email=me@here"]
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run([*git, *command], cwd=tmp_path, check=True)
    revisions = []
    for root in (tmp_path, tmp_path / "vendored"):
        (root / "utils" / "machine").mkdir(parents=True)
        monkeypatch.setattr(environment, "ROOT", root)
        revisions.append(environment.git_revision())
    assert len(revisions[0]) == 40
    assert revisions[1] is None


def test_the_revision_is_that_of_the_code_in_a_hook_of_another_repository_too(tmp_path, monkeypatch):
    own = environment.git_revision()
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    for name, value in (("GIT_DIR", ".git"), ("GIT_WORK_TREE", "."), ("GIT_INDEX_FILE", ".git/index")):
        monkeypatch.setenv(name, str(tmp_path / value))
    assert environment.git_revision() == own


def test_code_that_differs_from_its_revision_is_told_from_other_code_that_does(tmp_path, monkeypatch):
    git = ["git", "-c", "user.name=me", "-c", "user.email=me@here"]
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae" / "kl.py").write_text("one")
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], cwd=tmp_path, check=True)
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    clean = environment.git_revision()
    (tmp_path / "notes.txt").write_text("not the code")
    assert environment.git_revision() == clean
    found = []
    for name, text in (("kl.py", "two"), ("own.py", "4"), ("own.py", "44"), ("kl.py", "one")):
        (tmp_path / "vae" / name).write_text(text)
        found.append(environment.git_revision())
        assert found[-1] == environment.git_revision()
    assert len({clean, *found}) == 5 and all(one.startswith(f"{clean}-dirty-") for one in found)
    (tmp_path / "vae" / "own.py").unlink()
    assert environment.git_revision() == clean


@pytest.mark.parametrize("reason", ["'getpwuid(): uid not found: 4242'", "[Errno 13] Permission denied: '/.cache'"])
def test_a_cache_that_cannot_be_written_is_no_want_of_a_compiler(reason, monkeypatch):
    def failing(function):
        raise RuntimeError(reason)

    monkeypatch.setattr(torch, "compile", failing)
    assert broken_for_compile(CPU) == (
        "a folder for its cache that can be written to (TORCHINDUCTOR_CACHE_DIR names one)"
    )
