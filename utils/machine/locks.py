"""Folders that stay only if something comes into them, and locks that end with their process and leave no file."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from errno import ENOTDIR
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: two processes are not kept apart there
    fcntl = None


@contextmanager
def made(folder: Path) -> Iterator[None]:
    """Make a folder, and those above it, if need be; those of them that are empty in the end go again."""
    new = make(folder)
    try:
        yield
    finally:
        remove_empty(new)


@contextmanager
def held(folder: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock of a folder, which is made as `made` does, and goes again before others get the lock.

    With wait=False, raises BlockingIOError where another process holds it.
    """
    with ExitStack() as stack:
        same = False
        while not same:  # whoever held it before has removed it
            stack.close()
            new = make(folder)
            with suppress(FileNotFoundError):
                same = stack.enter_context(locked(folder, wait=wait))
        stack.callback(remove_empty, new)
        yield


def make(folder: Path) -> list[Path]:
    """Make a folder, and those above it, if need be; gives those that are new, from the lowest on."""
    above = [place for place in folder.parents if not place.exists()]
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        if folder.exists() and not folder.is_dir():
            raise
        for place in (folder, *folder.parents):
            if place.is_symlink() and not place.exists():
                raise NotADirectoryError(ENOTDIR, f"{place} is a link to nothing", str(folder)) from None
        return []
    return [folder, *above]


def remove_empty(folders: list[Path]) -> None:
    """Remove folders, of which each lies in the next, up to the first that is not empty."""
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()


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
