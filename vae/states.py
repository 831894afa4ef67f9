"""Saved states, taken over by what they are the states of: each tensor has to have the shape and the type of its own.

PyTorch's own `load_state_dict` compares less. A model's accepts other types. An optimiser's accepts other shapes, which
later end in an access beyond memory, and replaces its settings silently.
"""

from typing import Any

import torch
from torch import Tensor, nn


def load_tensors_of(module: nn.Module, state: dict[str, Any]) -> None:
    """Take over a module's state. Raises KeyError, RuntimeError, TypeError or ValueError if it is another's."""
    for name, own in module.state_dict().items():
        if isinstance(own, Tensor):
            check_alike(name, state[name], own)
    module.load_state_dict(state)


def load_averages(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Take over what Adam has gathered of the gradients, and nothing else: its settings stay as they are.

    Raises AttributeError, LookupError, TypeError or ValueError if it is another's.
    """
    own = optimizer.state_dict()
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, gathered in state["state"].items():
        if number not in range(len(parameters)):
            raise ValueError(f"the optimizer's state has a parameter {number!r}: expected 0 to {len(parameters) - 1}")
        like = parameters[number]
        expected = {"step": torch.zeros(()), "exp_avg": like, "exp_avg_sq": like}
        if gathered.keys() != expected.keys():
            found, wanted = (", ".join(map(repr, one)) for one in (gathered, expected))
            raise ValueError(f"the optimizer's state has {found} for parameter {number}: expected {wanted}")
        for name, tensor in expected.items():
            check_alike(f"the optimizer's {name} of parameter {number}", gathered[name], tensor)
    optimizer.load_state_dict({"state": state["state"], "param_groups": own["param_groups"]})


def check_alike(name: str, found: Any, own: Tensor) -> None:
    """Raise TypeError or ValueError unless what was found is a tensor of the shape and the type of one's own."""
    if not isinstance(found, Tensor):
        raise TypeError(f"{name} is a {type(found).__name__} instead of a tensor")
    if (found.shape, found.dtype) != (own.shape, own.dtype):
        expected = f"{own.dtype} of shape {tuple(own.shape)}"
        raise ValueError(f"{name} is {found.dtype} of shape {tuple(found.shape)} instead of {expected}")
