"""What is chosen for a machine."""

import pytest
import torch

from utils.machine import compilation, environment
from utils.machine.compilation import COMPILE_FROM, choose_compile, missing_for_compile
from utils.machine.environment import MachineError, is_out_of_memory

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """A CPU with AVX-512 and all that compiling needs."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(compilation, "missing_for_compile", lambda device: None)
    monkeypatch.setattr(compilation, "broken_for_compile", lambda device: None)


def test_what_is_asked_for_is_done():
    assert choose_compile(True, CPU, steps=1)
    assert not choose_compile(False, CPU, steps=10 * COMPILE_FROM)


@pytest.mark.parametrize("device", [CPU, CUDA])
def test_unasked_only_long_runs_are_compiled(device):
    assert choose_compile(None, device, steps=COMPILE_FROM)
    assert not choose_compile(None, device, steps=COMPILE_FROM - 1)


@pytest.mark.parametrize("asked", [None, True])
def test_a_run_that_goes_on_keeps_to_what_was_chosen(asked):
    assert choose_compile(asked, CPU, steps=1, before=True)
    assert not choose_compile(asked, CPU, steps=COMPILE_FROM, before=False)


def test_unasked_nothing_is_compiled_where_it_gains_nothing(monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert not choose_compile(None, CPU, steps=COMPILE_FROM)
    assert choose_compile(None, CUDA, steps=COMPILE_FROM)


def test_without_a_compiler_one_line_says_so(monkeypatch, capsys):
    monkeypatch.undo()
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setenv("PATH", "")
    assert not choose_compile(None, CPU, steps=COMPILE_FROM)
    assert capsys.readouterr().out == "note: training is not compiled, which needs a C++ compiler, such as g++\n"
    with pytest.raises(MachineError, match=r"needs a C\+\+ compiler, .*: install it, or begin with --no-compile"):
        choose_compile(True, CPU, steps=1)
    assert not choose_compile(None, CPU, steps=1)
    assert capsys.readouterr().out == ""
    assert not choose_compile(None, CPU, steps=1, before=True), (
        "a run that goes on does so without, where it was not asked for"
    )
    assert capsys.readouterr().out.startswith("note: training is not compiled, which needs ")


def test_a_compiler_that_does_not_work_is_no_reason_to_fail_unless_asked_for(monkeypatch, capsys):
    def fails(function):
        raise RuntimeError("CppCompileError: C++ compile error\n\nCommand: g++")

    monkeypatch.undo()
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(compilation, "missing_for_compile", lambda device: None)
    monkeypatch.setattr(torch, "compile", fails)
    assert not choose_compile(None, CPU, steps=COMPILE_FROM)
    missing = "a compiler that works (CppCompileError: C++ compile error)"
    assert capsys.readouterr().out == f"note: training is not compiled, which needs {missing}\n"
    with pytest.raises(MachineError, match=r"needs a compiler that works \(.*\): install it, or begin with"):
        choose_compile(True, CPU, steps=1)


def test_only_what_was_not_asked_for_is_told(capsys):
    assert choose_compile(True, CPU, steps=1)
    assert choose_compile(None, CPU, steps=1, before=True)
    assert capsys.readouterr().out == ""
    assert choose_compile(None, CPU, steps=COMPILE_FROM)
    assert capsys.readouterr().out.startswith("note: training is compiled first, ")


@pytest.mark.parametrize("capability, missing", [((6, 1), "a GPU of compute capability 7.0 or more"), ((9, 0), None)])
def test_triton_is_not_for_every_gpu(capability, missing, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(compilation, "find_spec", lambda name: name)
    assert missing_for_compile(CUDA) == missing


def test_the_gpu_is_recorded(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H200")
    assert environment.environment(CUDA)["machine"]["gpu"] == "NVIDIA H200"
    assert "gpu" not in environment.environment(CPU)["machine"]


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
