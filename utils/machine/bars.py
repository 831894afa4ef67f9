"""Progress bars."""

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm


def bar(things: Iterable[Any] | None = None, *, show: bool = True, **form: Any) -> tqdm:
    """tqdm's bar over things, or to be moved by hand: if standard error is a terminal and `show`; gone in the end."""
    seen = show and sys.stderr is not None and sys.stderr.isatty()
    return tqdm(things, leave=False, dynamic_ncols=True, disable=not seen, **form)
