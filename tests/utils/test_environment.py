"""What is chosen for a machine."""

import pytest
import torch

from utils import environment
from utils.environment import COMPILE_FROM, MachineError, choose_compile

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """A CPU with AVX-512 and all that compiling needs."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(environment, "missing_for_compile", lambda device: None)


def test_what_is_asked_for_is_done():
    assert choose_compile(True, CPU, steps=1)
    assert not choose_compile(False, CPU, steps=10 * COMPILE_FROM)


@pytest.mark.parametrize("device", [CPU, CUDA])
def test_unasked_only_long_runs_are_compiled(device):
    assert choose_compile(None, device, steps=COMPILE_FROM)
    assert not choose_compile(None, device, steps=COMPILE_FROM - 1)


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
