"""Whether training is compiled."""

import pytest
import torch

from utils.machine import compilation
from utils.machine.compilation import (
    COMPILE_FROM,
    broken_for_compile,
    choose_compile,
    compiling_pays,
    missing_for_compile,
)
from utils.machine.environment import MachineError

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def chosen(asked, before=None, *, pays=False, lacking=None):
    return choose_compile(asked, before, pays=pays, lack=lambda: lacking)


def test_what_is_asked_for_is_done():
    assert chosen(True)
    assert not chosen(False, pays=True)


@pytest.mark.parametrize("device", [CPU, CUDA])
def test_unasked_only_long_runs_are_compiled(device):
    assert compiling_pays(COMPILE_FROM, device, "AVX512")
    assert not compiling_pays(COMPILE_FROM - 1, device, "AVX512")
    assert chosen(None, pays=True)
    assert not chosen(None, pays=False)


@pytest.mark.parametrize("asked", [None, True])
def test_a_run_that_goes_on_keeps_to_what_was_chosen(asked):
    assert chosen(asked, before=True)
    assert not chosen(asked, before=False, pays=True)


def test_unasked_nothing_is_compiled_where_it_gains_nothing():
    assert not compiling_pays(COMPILE_FROM, CPU, "AVX2")
    assert compiling_pays(COMPILE_FROM, CUDA, "AVX2")


def test_what_is_lacking_is_named_in_one_line(capsys):
    lacking = "a C++ compiler, such as g++"
    assert not chosen(None, pays=True, lacking=lacking)
    assert capsys.readouterr().out == "note: training is not compiled, which needs a C++ compiler, such as g++\n"
    with pytest.raises(MachineError, match=r"needs a C\+\+ compiler, .*: install it, or begin with --no-compile"):
        chosen(True, lacking=lacking)
    assert not chosen(None, lacking=lacking)
    assert capsys.readouterr().out == ""
    assert not chosen(None, before=True, lacking=lacking), (
        "a run that goes on does so without, where it was not asked for"
    )
    assert capsys.readouterr().out.startswith("note: training is not compiled, which needs ")


def test_without_a_compiler_there_is_no_compiling(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert missing_for_compile(CPU) == "a C++ compiler, such as g++"


def test_a_compiler_that_does_not_work_is_no_reason_to_fail_unless_asked_for(monkeypatch, capsys):
    def fails(function):
        raise RuntimeError("CppCompileError: C++ compile error\n\nCommand: g++")

    monkeypatch.setattr(torch, "compile", fails)
    broken = broken_for_compile(CPU)
    assert broken == "a compiler that works (CppCompileError: C++ compile error)"
    assert not chosen(None, pays=True, lacking=broken)
    assert capsys.readouterr().out == f"note: training is not compiled, which needs {broken}\n"
    with pytest.raises(MachineError, match=r"needs a compiler that works \(.*\): install it, or begin with"):
        chosen(True, lacking=broken)


def test_only_what_was_not_asked_for_is_told(capsys):
    assert chosen(True)
    assert chosen(None, before=True)
    assert capsys.readouterr().out == ""
    assert chosen(None, pays=True)
    assert capsys.readouterr().out.startswith("note: training is compiled first, ")


@pytest.mark.parametrize("capability, missing", [((6, 1), "a GPU of compute capability 7.0 or more"), ((9, 0), None)])
def test_triton_is_not_for_every_gpu(capability, missing, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(compilation, "find_spec", lambda name: name)
    assert missing_for_compile(CUDA) == missing
