"""What the folders that pictures lie in say of them: their splits and their classes.

Names are paths below the folder of the data set, with / between folders.
"""

from collections.abc import Sequence

from utils.datasets.splits import PARTS, tested_part


def find_parts(names: Sequence[str]) -> tuple[int | None, list[str | None]]:
    """How deep the folders lie that are called as the parts of a set, see PARTS, and the part of each name.

    There have to be "train" and "test" or "val". Below other folders, one around them all or one of each class, every
    name has to be in a part. The depth is None where there are no such folders.
    """
    folders = [name.lower().split("/")[:-1] for name in names]
    for depth in range(max(map(len, folders))):
        parts = [PARTS.get(path[depth]) if depth < len(path) else None for path in folders]
        if "train" in parts and tested_part(parts) and (depth == 0 or None not in parts):
            return depth, parts
    return None, [None] * len(names)


def lone_parts(names: Sequence[str]) -> list[str]:
    """Folders that are called as a part of a set, at the top beside others, where the other part is missing."""
    top = {name.split("/")[0] for name in names}
    return sorted(folder for folder in top if folder.lower() in PARTS) if len(top) > 1 else []


def find_classes(names: Sequence[str], depth: int | None) -> tuple[list[str], list[int]]:
    """The classes that folders stand for, in the order of their names, and the number of each name's; none if none.

    They are the first level of folders that tells names apart, the level of the split, if there is one, left out.
    Every name has to lie so deep, and there have to be twice as many names as classes.
    """
    paths = [name.split("/")[:-1] for name in names]
    if depth is not None:
        paths = [path[:depth] + path[depth + 1 :] for path in paths]
    for level in range(min(map(len, paths))):
        classes = sorted({path[level] for path in paths})
        if len(classes) > 1:
            numbers = {name: number for number, name in enumerate(classes)}
            return (classes, [numbers[path[level]] for path in paths]) if 2 * len(classes) <= len(names) else ([], [])
    return [], []
