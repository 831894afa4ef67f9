"""Progress bars of what takes long before a run begins."""

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm


def bar(things: Iterable[Any] | None = None, **form: Any) -> tqdm:
    """tqdm's bar over things, or to be moved by hand: on standard error where that is a terminal, gone in the end."""
    shown = sys.stderr is not None and sys.stderr.isatty()
    return tqdm(things, leave=False, disable=not shown, **form)
