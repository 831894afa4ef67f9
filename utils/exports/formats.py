"""How arrays are written: as an archive of NumPy's, as a table of comma-separated values, or as numbered pictures.

Each function takes the next rows of the arrays, see utils.exports.arrays, and gives what it has written in words.
"""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from utils.exports.arrays import Parts


def write_npz(file: BinaryIO, parts: Parts) -> str:
    """An archive of the whole arrays, by their names."""
    found: dict[str, list[np.ndarray]] = {}
    for part in parts:
        for name, rows in part.items():
            found.setdefault(name, []).append(rows)
    arrays = {name: np.concatenate(rows) for name, rows in found.items()}
    np.savez_compressed(file, **arrays)
    return ", ".join(f"{name} {array.dtype} {array.shape}" for name, array in arrays.items())


def write_csv(file: BinaryIO, parts: Parts) -> str:
    """A line for each row of arrays that are called SPLIT_NAME, with the split in the first column.

    An array (N, D) has the columns NAME_0 to NAME_(D-1), one of (N,) the column NAME.
    """
    text, count = io.TextIOWrapper(file, encoding="utf-8", newline=""), 0
    writer = csv.writer(text)
    for part in parts:
        (split,) = {name.partition("_")[0] for name in part}
        arrays = {name.removeprefix(f"{split}_"): array for name, array in part.items()}
        if not count:
            writer.writerow(["split", *(column for name, array in arrays.items() for column in columns(name, array))])
        values = [array.reshape(len(array), -1) for array in arrays.values()]
        writer.writerows([split, *(number for row in rows for number in row)] for rows in zip(*values))
        count += len(values[0])
    text.flush()
    text.detach()  # else it would close the file
    return f"{count:,} rows"


def columns(name: str, array: np.ndarray) -> Iterator[str]:
    """What the columns of an array are called."""
    return iter([name]) if array.ndim == 1 else (f"{name}_{place}" for place in range(array.shape[1]))


def write_png(folder: Path, parts: Parts) -> str:
    """A picture for each image, 000000.png and so on; of several arrays, each has a folder of its name."""
    counts: Counter[str] = Counter()
    for part in parts:
        for name, images in part.items():
            place = folder if len(part) == 1 else folder / name
            place.mkdir(exist_ok=True)
            for number, image in enumerate(images, start=counts[name]):
                Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(place / f"{number:06d}.png")
            counts[name] += len(images)
    return f"{counts.total():,} pictures"


FORMATS: dict[str, Callable[..., str]] = {"npz": write_npz, "csv": write_csv, "png": write_png}
