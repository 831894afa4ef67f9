"""Stand-ins for torch.compile."""

import pytest
import torch


@pytest.fixture
def count_compiled(monkeypatch):
    """Given a backend's name, compile by that from now on and count what is compiled; each has to be one graph."""
    from torch._dynamo.testing import CompileCounterWithBackend  # which takes seconds, and few tests need

    def by(backend):
        counter, plain_compile = CompileCounterWithBackend(backend), torch.compile

        def compile(function, options, **others):
            return plain_compile(function, backend=counter, fullgraph=True, **others)

        monkeypatch.setattr(torch, "compile", compile)
        return counter

    return by


@pytest.fixture
def broken_compile(monkeypatch):
    """What is compiled fails when it is first called."""

    def compile(function, **others):
        def fails(*arguments):
            raise RuntimeError("BackendCompilerFailed: no such instruction\nand much more")

        return fails

    monkeypatch.setattr(torch, "compile", compile)
