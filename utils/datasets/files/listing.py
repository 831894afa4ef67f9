"""What lies below a folder: every regular file in it, in its subfolders, and in folders that links lead to."""

import hashlib
import os
import stat
from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from utils.datasets.dataset import DatasetError

MOST_ENTRIES = 1_000_000  # files and folders that are looked at
SYSTEM = (Path("/proc"), Path("/sys"))  # which hold no files but what the system says


@dataclass
class Listing:
    """What was found.

    Arguments:
        files: every regular file, by its path below the folder, with /, in the order of these.
        left_out: what else there is, by the reason in a word or two.
    """

    files: dict[str, Path] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=dict)

    def leave_out(self, reason: str, name: str) -> None:
        self.left_out.setdefault(reason, []).append(name)

    def state(self) -> str:
        """A digest that is another one as soon as a file is: of all names, and each file's size and times.

        A file that changes has another time of change, whatever its date is set to.
        """
        digest = hashlib.sha256(repr(self.left_out).encode("utf-8", "backslashreplace"))
        for name, place in self.files.items():
            info = place.stat()
            digest.update(os.fsencode(name) + b"\0%d %d %d\0" % (info.st_size, info.st_mtime_ns, info.st_ctime_ns))
        return digest.hexdigest()


def files_below(folder: Path, without: Path | None = None) -> Listing:
    """List a folder. What is hidden is passed over, and each folder is listed once, however many links lead to it.

    A link to a folder is followed once all that needs no link is listed; one to a folder above is not. A folder of
    our own below it, `without`, is not listed.

    Raises:
        DatasetError: the root of a file system or another folder of the system's, or more than a million entries.
        OSError: the folder cannot be read.
    """
    _check_no_systems(folder)
    found = Listing()
    seen = {_identity(place) for place in (*folder.resolve().parents, *SYSTEM) if place.exists()}
    own = _identity(without) if without and without.exists() else None
    folders, links, looked_at = deque([folder]), deque(), 0
    while folders or links:
        place = (folders or links).popleft()
        try:
            if (identity := _identity(place)) == own:
                continue
            if identity in seen:
                found.leave_out("links to folders above or listed already", _name(place, folder))
                continue
            inside = _entries(place)
        except OSError:
            if place == folder:
                raise
            found.leave_out("unreadable folders", _name(place, folder))
            continue
        seen.add(identity)
        looked_at += len(inside)
        if looked_at > MOST_ENTRIES:
            raise DatasetError(
                f"{folder} holds more than {MOST_ENTRIES:,} files and folders; expected a folder of pictures: "
                "name the one that they are in"
            )
        for entry in inside:
            _take(entry, folder, found, folders, links)
    found.files = dict(sorted(found.files.items()))
    return found


def _check_no_systems(folder: Path) -> None:
    """Raise DatasetError for a folder that is no user's."""
    whole = folder.resolve()
    if whole == whole.parent or any(whole.is_relative_to(place) for place in SYSTEM):
        raise DatasetError(f"{folder} belongs to the system; expected a folder of pictures: name the one they are in")


def _entries(place: Path) -> list[os.DirEntry]:
    """What is in a folder, by name, or as much of it as is too much."""
    with os.scandir(place) as entries:
        return sorted(islice(entries, MOST_ENTRIES + 1), key=lambda entry: entry.name)


def _take(entry: os.DirEntry, folder: Path, found: Listing, folders: deque[Path], links: deque[Path]) -> None:
    """Put an entry of a folder where it belongs."""
    path = Path(entry.path)
    name = _name(path, folder)
    if entry.name.startswith("."):
        found.leave_out("hidden", name)
        return
    try:
        mode = entry.stat().st_mode
    except OSError:
        found.leave_out("links to nowhere" if entry.is_symlink() else "unreadable files", name)
        return
    if stat.S_ISDIR(mode):
        (links if entry.is_symlink() else folders).append(path)
    elif stat.S_ISREG(mode):
        found.files[name] = path
    else:
        found.leave_out("devices, pipes or sockets", name)


def _identity(place: Path) -> tuple[int, int]:
    """What a folder is known by, whichever way leads to it."""
    info = place.stat()
    return info.st_dev, info.st_ino


def _name(path: Path, folder: Path) -> str:
    """A path below the folder, with /."""
    return path.relative_to(folder).as_posix()
