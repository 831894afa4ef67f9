"""Labels of the user's own data, of whatever kind, as classes 0, 1, 2, …"""

import numpy as np
import torch

from utils.datasets.dataset import DatasetError

UNLABELLED = -1


def numbered(
    arrays: dict[str, np.ndarray], counts: dict[str, int], place: str
) -> tuple[list[str], dict[str, torch.Tensor]]:
    """What the classes of examples are called, and the number of each example's, int64 (N,), by the arrays' names.

    Classes are the distinct values of all arrays together, in their order, numbered from 0. Arrays hold whole numbers,
    truth values or texts, of shape (N,) or (N, 1), or rows of (N, K) with a single 1. The number -1 is no class: it
    stands for an example without a label, and stays.

    Arguments:
        counts: how many examples there are, by the names of the arrays.
        place: what an error names before the array.

    Raises:
        DatasetError: another type, shape or number of labels, or negative ones that may be classes.
    """
    values = {key: _values(array, counts[key], f"{place}: {key}") for key, array in arrays.items()}
    every = set().union(*values.values())
    if len({type(value) for value in every}) > 1:
        raise DatasetError(f"{place}: {' and '.join(arrays)} are numbers and texts; expected one of the two")
    if int in map(type, every) and min(every) < 0:
        _check_negative(every, f"{place}: {' and '.join(arrays)}")
    classes = sorted(every - {UNLABELLED})
    numbers = {value: number for number, value in enumerate(classes)}
    found = {key: torch.tensor([numbers.get(value, UNLABELLED) for value in own]) for key, own in values.items()}
    return list(map(str, classes)), found


def _check_negative(values: set[int], place: str) -> None:
    """Raise a DatasetError unless the only negative label is -1, and the others do not make it look like a class."""
    if min(values) < UNLABELLED:
        raise DatasetError(f"{place} have the value {min(values)}; number classes from 0: -1 is for no label")
    if values == {UNLABELLED, 1}:
        raise DatasetError(f"{place} are -1 and 1; -1 is for no label: as two classes, write (labels + 1) // 2")


def _values(labels: np.ndarray, count: int, place: str) -> list[int] | list[str]:
    """The value of each label."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    elif is_one_hot(labels):
        labels = labels.argmax(1)
    kind = labels.dtype.kind
    if kind not in "biuUS" or labels.shape != (count,):
        remedy = "; of whole numbers, labels.astype(int) makes integers" if kind == "f" else ""
        raise DatasetError(
            f"{place} is {labels.dtype} of shape {labels.shape}; expected an integer for each of {count} examples, or "
            f"a text{remedy}"
        )
    if kind == "S":
        return [value.decode("utf-8", "replace") for value in labels.tolist()]
    return labels.tolist() if kind == "U" else [int(value) for value in labels.tolist()]


def is_one_hot(labels: np.ndarray) -> bool:
    """Whether an array is (N, K), each row a single 1 and zeros."""
    if labels.ndim != 2 or labels.dtype.kind not in "biuf":
        return False
    return bool(((labels == 0) | (labels == 1)).all() and (labels.sum(1) == 1).all())
