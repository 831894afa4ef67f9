"""Folders that stay only if something comes into them, and locks that end with their process and leave no file."""

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: two processes are not kept apart there
    fcntl = None


@contextmanager
def made(folder: Path) -> Iterator[None]:
    """Make a folder, and those above it, if need be; those of them that are empty in the end go again."""
    new = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        with contextlib.suppress(OSError):  # which stops at the first that is not empty
            for place in new:
                place.rmdir()


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Wait for the lock of a file or folder and hold it; where there are no locks, go on without.

    Gives whether the path still names what is locked: whoever held it before may have replaced or removed that.
    With wait=False, raises BlockingIOError where another process holds it.
    """
    if not fcntl:
        yield True
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:  # a file system without locks
            pass
        yield path.exists() and os.path.samestat(os.fstat(handle), path.stat())
    finally:
        os.close(handle)
