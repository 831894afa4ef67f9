"""`npz:PATH`: the user's own images or vectors, as arrays in a NumPy archive."""

from pathlib import Path

import numpy as np
import torch

from utils.datasets.dataset import Dataset, DatasetError
from utils.datasets.files.archives import Roles, find_roles, kind_by, kind_of, read_arrays
from utils.datasets.files.arrays import as_bytes, as_vectors, channels_first, white_value
from utils.datasets.files.download import file_digest
from utils.datasets.labels import is_one_hot, numbered
from utils.datasets.notes import class_note, image_notes, left_out_note, shape_note, vector_notes
from utils.datasets.registry import first, register_path
from utils.datasets.splits import split_digest, split_indices

SPLIT_SEED = 2020
BRIGHTER = "multiply the array by {}"
TWICE = 1.01 / 255  # more than what has been divided by 255 twice

Arrays = dict[str, np.ndarray]


@register_path("npz", kind_of=kind_of, vectors={"rec_dist": "normal-diagonal", "network": "mlp"})
def load(name: str, split: str, path: Path, size: int | None) -> Dataset:
    """Images uint8 (N, C, S, S) or vectors float32 (N, D) of an archive, with labels where there are any.

    Which array is what, its name says, see `find_roles`. Images have the shape (N, H, W), (N, H, W, C) or
    (N, C, H, W), H = W from 8 to 256 and C from 1 to 4; 28x28 is padded with zeros to 32x32. They are uint8 from 0 to
    255, bool, floating point from 0 to 1, or integers, whose white is the greatest value of as many bits, 8, 10, 12, 14
    or 16, as they use.
    Without an array for testing, a tenth is. Either way the order is a fixed permutation of the archive's. `sha256` is
    that of the file's digest and the indices of the split.

    Raises:
        DatasetError: not such an archive, or a damaged one.
    """
    roles = find_roles(path)
    digest = file_digest(path)
    arrays = read_arrays(path, [*roles.data.values(), *roles.labels.values()])
    kind, data = _data(roles, arrays, path)
    part = split if "test" in data else "train"
    order = _order(len(data[part]), split, name, own="test" in data)
    chosen = order[: first(size, len(order), name, split, kind)]
    classes, labels = _labels(roles, arrays, path)
    if kind == "images":
        white = max(white_value(array, roles.data[key], path) for key, array in data.items())
        examples = torch.from_numpy(as_bytes(data[part][chosen], white))
        remarks = _image_remarks(examples, arrays[roles.data[part]], split, white)
    else:
        examples = torch.from_numpy(data[part][chosen])
        remarks = vector_notes(examples, split)
    form = f"{shape_note(examples.shape[1:])}, {class_note(classes, labels.values())}"
    return Dataset(
        name=name,
        split=split,
        labels=labels[part][chosen] if part in labels else None,
        source="arrays of an npz file",
        sha256=split_digest(digest, order),
        notes=(f"{name}: {_in_words(roles, data, kind)}; {form}{left_out_note(roles.left_out)}", *remarks),
        **{kind: examples},
    )


def _data(roles: Roles, arrays: Arrays, path: Path) -> tuple[str, Arrays]:
    """What an archive holds, "images" or "vectors", and all of it by its part, images as they are in another order."""
    kinds = {key: kind_by(key, arrays[key].shape, arrays[key].dtype) for key in roles.data.values()}
    kind = kinds[roles.data["train"]]
    if len(set(kinds.values())) > 1:
        raise DatasetError(f"{path}: {' and '.join(f'{key} are {held}' for key, held in kinds.items())}; expected one")
    checked = channels_first if kind == "images" else as_vectors
    data = {part: checked(arrays[key], key, path) for part, key in roles.data.items()}
    if len({array.shape[1:] for array in data.values()}) > 1:
        shapes = " and ".join(f"{key} {arrays[key].shape}" for key in roles.data.values())
        raise DatasetError(f"{path} has {shapes}; expected {kind} of one shape")
    return kind, data


def _order(total: int, split: str, name: str, *, own: bool) -> np.ndarray:
    """Which of an array's examples belong to a split, in its order: all, if it has an array of its own."""
    if own:
        return np.random.RandomState(SPLIT_SEED).permutation(total)
    return split_indices(total, split, test=-(-total // 10), seed=SPLIT_SEED, name=name)


def _labels(roles: Roles, arrays: Arrays, path: Path) -> tuple[list[str], dict[str, torch.Tensor]]:
    """What the classes are called, and the labels of all examples, by their part. What are no classes is left out."""
    keys = {}
    for part, key in roles.labels.items():
        if arrays[key].ndim == 2 and arrays[key].shape[1] > 1 and not is_one_hot(arrays[key]):
            roles.leave_out("several labels of an image", key)
        else:
            keys[part] = key
    counts = {key: len(arrays[roles.data[part]]) for part, key in keys.items()}
    classes, found = numbered({key: arrays[key] for key in counts}, counts, str(path))
    return classes, {part: found[key] for part, key in keys.items()}


def _in_words(roles: Roles, data: Arrays, kind: str) -> str:
    """How many examples of which array are for what."""
    trained, names = len(data["train"]), " and ".join(roles.data[part] for part in data)
    tested = len(data["test"]) if "test" in data else -(-trained // 10)
    trained -= 0 if "test" in data else tested
    return f"{trained:,} {kind} to train on and {tested:,} to test on, from {names}"


def _image_remarks(images: torch.Tensor, array: np.ndarray, split: str, white: int) -> list[str]:
    """What is to be said of the values of images, which come from an array."""
    remarks = image_notes(images, split, BRIGHTER)
    if white > 255:
        remarks.insert(0, f"integers of {white.bit_length()} bits: {white:,} is white")
    if array.dtype.kind == "f" and 0 < array.max() < TWICE:
        reached = f"warning: values reach {array.max():.2g} of 1, as if divided by 255 twice: multiply them by 255"
        remarks = [remark for remark in remarks if not remark.startswith("warning")] + [reached]
    return remarks
