"""What a run says of its data, what it records of them in config.json, and the check that it goes on with the same."""

from typing import Any

from utils.datasets.dataset import Dataset, DatasetError, printable
from utils.datasets.registry import path_kind


def data_notes(splits: dict[str, Dataset]) -> list[str]:
    """The lines on the user's own data that a run shows before it begins, those of both splits once."""
    return list(dict.fromkeys(printable(note) for split in splits.values() for note in split.notes))


def data_record(splits: dict[str, Dataset]) -> dict[str, Any]:
    """The name, source, hashes and sizes of the splits "train" and "test"."""
    train, test = splits["train"], splits["test"]
    return {
        "name": train.name,
        "source": train.source,
        "sha256": {"train": train.sha256, "test": test.sha256},
        "image_shape": list(train.image_shape),
        "train_images": len(train),
        "test_images": len(test),
    }


def check_same_data(saved: dict[str, Any], splits: dict[str, Dataset]) -> None:
    """Raise DatasetError unless the splits, "train" and "test" or one of them, come from the data of a saved record."""
    own = {name: splits[name] for name in saved["sha256"] if name in splits}
    same = all(
        (split.sha256, list(split.image_shape)) == (saved["sha256"][name], saved["image_shape"])
        for name, split in own.items()
    )
    if not same or ("train" in own and len(own["train"]) != saved["train_images"]):
        found = next(iter(own.values()))
        kind = path_kind(saved["name"])
        place, flag = (kind, f"--dataset {kind}:PATH") if kind else ("directory", "--data-dir")
        raise DatasetError(
            f"the run began with other data ({saved['name']}, {saved['source']}) than were found "
            f"({found.name}, {found.source}): name the {place} it was run with by {flag}"
        )
