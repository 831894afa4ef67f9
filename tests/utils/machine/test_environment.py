"""What is chosen for a machine."""

import pytest
import torch

from utils.machine import environment
from utils.machine.environment import is_out_of_memory

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


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
