"""npz archives, and which of their arrays is what by the names that people give them. Nothing is ever unpickled."""

import re
import zipfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from utils.datasets.dataset import DatasetError
from utils.datasets.splits import PARTS, tested_part
from utils.machine.environment import memory_bytes

WORDS = {
    **dict.fromkeys(("images", "image", "imgs", "img", "x", "data", "vectors"), "data"),
    **dict.fromkeys(("labels", "label", "y", "targets", "target"), "labels"),
}
OWN = ("images", "labels", "test_images", "test_labels")  # meant where others could be meant too
SIDES = (28, 32, 64)  # of images
FLAT = {side**2 * channels: (side, channels) for side in SIDES for channels in (1, 3)}  # by the length of a row
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


@dataclass
class Roles:
    """Which array of an archive is what.

    Arguments:
        data, labels: names of arrays, by the split that they are, "train" or "test".
        left_out: names of the others, by the reason.
    """

    data: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=dict)

    def leave_out(self, reason: str, *names: str) -> None:
        if names:
            self.left_out.setdefault(reason, []).extend(names)


def find_roles(path: Path) -> Roles:
    """Which array is what, where their names leave no doubt: a word for the data or the labels, and one for the part.

    A name without a part is for training. Two arrays without names are the data and their labels.

    Raises:
        DatasetError: no archive, no array that is the data by its name, or two of the same meaning.
    """
    sizes = member_sizes(path)
    meanings: dict[tuple[str, str], list[str]] = {}
    roles = Roles()
    for name in sizes:
        if meaning := _meaning(name, sizes):
            meanings.setdefault(meaning, []).append(name)
        else:
            roles.leave_out("other arrays", name)
    for meaning, names in meanings.items():
        meanings[meaning] = [name for name in names if name in OWN] or names
        if len(meanings[meaning]) > 1:
            raise DatasetError(f"{path} has {' and '.join(names)}, which mean the same; leave one of them out")
        roles.leave_out("other arrays", *(name for name in names if name not in meanings[meaning]))
    if ("data", "train") not in meanings:
        raise DatasetError(_nothing(path, sizes))
    tested = tested_part([part for what, part in meanings if what == "data"])
    for (what, part), (name,) in meanings.items():
        if part in ("train", tested):
            getattr(roles, what)["train" if part == "train" else "test"] = name
        else:
            roles.leave_out("of neither split" if ("data", part) in meanings else "other arrays", name)
    return roles


def _meaning(name: str, names: Collection[str]) -> tuple[str, str] | None:
    """What an array is by its name, "data" or "labels", and of which part of the set."""
    if set(names) <= {"arr_0", "arr_1"}:
        return ("data" if name == "arr_0" else "labels"), "train"
    words = re.split(r"[\W_]+", name.lower())
    whats = [WORDS[word] for word in words if word in WORDS]
    parts = [PARTS[word] for word in words if word in PARTS]
    if len(whats) != 1 or len(parts) > 1 or len(words) != len(whats) + len(parts):
        return None
    return whats[0], parts[0] if parts else "train"


def _nothing(path: Path, sizes: dict[str, int]) -> str:
    """The line on an archive without data, and how to write one with the largest of its arrays as images."""
    if not sizes:
        return f"{path} has no array named images; it has none at all: np.savez(path, images=...) writes one"
    largest = max(sizes, key=lambda name: sizes[name])
    return (
        f"{path} has no array named images; it has {', '.join(sizes)}; if {largest} are the images (vectors are called "
        f"vectors): {rewritten(path, largest)}"
    )


def rewritten(path: Path, name: str, form: str = "{}") -> str:
    """The line of Python that writes an archive anew, with one of its arrays in some form as the images."""
    array = f'np.load("{path.name}")["{name}"]'
    return f'np.savez("new.npz", images={form.format(array)})'


def member_sizes(path: Path) -> dict[str, int]:
    """How many bytes each array of an archive has, by name.

    Raises:
        DatasetError: no regular file, no archive, or one that is cut short.
    """
    if not path.is_file():
        raise DatasetError(f"{path} is no regular file; expected an npz archive (folder:PATH is for a folder)")
    try:
        with path.open("rb") as file:
            single = file.read(6) == b"\x93NUMPY"
        with zipfile.ZipFile(path) as archive:
            members = {member.filename: member.file_size for member in archive.infolist()}
    except OSError:
        raise
    except Exception as error:  # of any kind: zipfile parses what the file says of itself
        how = f'np.savez("new.npz", images=np.load("{path.name}"))' if single else "np.savez(path, images=...)"
        what = "is a single array" if single else f"is not an npz archive or is cut short ({error})"
        raise DatasetError(f"{path} {what}; {how} writes one") from error
    return {name.removesuffix(".npy"): size for name, size in members.items() if name.endswith(".npy")}


def read_arrays(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """These arrays of an archive.

    Raises:
        DatasetError: one is damaged, or of objects, or takes more memory than there is.
    """
    names = list(names)
    try:
        sizes = member_sizes(path)
        if (unpacked := sum(sizes[name] for name in names)) > (most := memory_bytes()):
            raise ValueError(f"its arrays take {unpacked:,} bytes and this machine has {most:,}")
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in names}
        for name, array in arrays.items():
            if not isinstance(array, np.ndarray):
                raise ValueError(f"{name} is no array")
    except Exception as error:  # of any kind: NumPy parses what the file says of itself
        raise DatasetError(
            f"{path} cannot be read ({error}); write it anew with np.savez(path, images=...), numbers only"
        ) from error
    return arrays


def kind_of(path: Path) -> str:
    """What an archive holds, "images" or "vectors", of which no more is read than it says of its first array.

    Raises:
        DatasetError: as of `find_roles`.
    """
    name = find_roles(path).data["train"]
    form = array_form(path, name)
    return kind_by(name, *form) if form else "images"


def array_form(path: Path, name: str) -> tuple[tuple[int, ...], np.dtype] | None:
    """The shape and the type of an array, which is not read; None if it does not say."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as stream:
            shape, _, dtype = HEADERS[np.lib.format.read_magic(stream)](stream)
            return shape, dtype
    except Exception:  # of any kind: NumPy parses what the file says of itself; `read_arrays` will tell
        return None


def kind_by(name: str, shape: tuple[int, ...], dtype: np.dtype) -> str:
    """What an array of that name, shape and type is.

    Vectors are what is called so, and numbers with a point in two dimensions, if they are no flattened images.
    """
    rows = len(shape) == 2 and dtype.kind == "f" and shape[1] not in FLAT
    return "vectors" if rows or "vectors" in name.lower() else "images"
