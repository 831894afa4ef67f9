"""Training steps by torch.compile, and without it where that fails."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch

COMPILE_OPTIONS = {"fallback_random": True}  # samples from the streams that they come from without compiling


def compile_for_one_shape(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function by torch.compile, for full batches: a second time, for an epoch's last one, would never pay."""
    return torch.compile(function, dynamic=False, options=COMPILE_OPTIONS)


def compiled_or_plain(
    trainers: Sequence[Any], by: Callable[[Callable], Any], compiled: Callable, plain: Callable
) -> Any:
    """What `by` makes of a compiled function or, where compiling fails, and from then on, of the plain one."""
    if trainers[0].compiled:
        try:
            return by(compiled)
        except RuntimeError as error:  # one that is not of compiling comes again below
            for trainer in trainers:
                trainer.compiled = False
            reason = str(error).partition("\n")[0]
            warnings.warn(f"training goes on without being compiled, which failed ({reason})", stacklevel=2)
    return by(plain)
