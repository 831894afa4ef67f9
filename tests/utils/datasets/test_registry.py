from pathlib import Path

import pytest
import torch

import utils
from registries import OUR_DATASETS
from utils.datasets import Dataset, DatasetError, dataset_choices, dataset_names, load_dataset, registry

ROOT = Path(utils.__file__).parent.parent
BYTES = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)


def test_names_are_the_registered_ones():
    assert set(OUR_DATASETS) <= set(dataset_choices())
    assert dataset_names() == sorted(dataset_names())
    without_files = [name for name in dataset_names(without_files=True) if name in OUR_DATASETS]
    assert without_files == ["digits", "dsprites", "mixture2d"]


@pytest.mark.parametrize("document", ["docs/data.md", "data/README.md"])
def test_every_data_set_is_documented(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    assert [name for name in OUR_DATASETS if f"`{name}`" not in text] == []


def test_unknown_name_lists_the_known_ones(tmp_path):
    with pytest.raises(DatasetError, match=r"no data set 'mist'; choose from .*mnist"):
        load_dataset("mist", "train", tmp_path)


@pytest.mark.parametrize("name", ["mnist", "dsprites"])
def test_unknown_split_is_refused(tmp_path, name):
    with pytest.raises(DatasetError, match="no split 'validation'; choose from train, test"):
        load_dataset(name, "validation", tmp_path)


@pytest.mark.parametrize("size", [0, 73_729])
def test_size_beyond_the_split_names_the_size_of_the_split(tmp_path, size):
    with pytest.raises(DatasetError, match=f"dsprites has 73728 test images; a size of {size} is not"):
        load_dataset("dsprites", "test", tmp_path, size)


def test_registering_a_loader_is_all_a_new_data_set_needs(monkeypatch, tmp_path):
    monkeypatch.setattr(registry, "_NAMED", dict(registry._NAMED))

    @registry.register("stripes")
    def load(name, split, data_dir, size):
        images = torch.zeros(registry.first(size, 6, name, split), 1, 8, 8, dtype=torch.uint8)
        return Dataset(name=name, split=split, images=images, source="made up", sha256="0" * 64)

    assert "stripes" in dataset_names()
    assert len(load_dataset("stripes", "test", str(tmp_path))) == 6
    dataset = load_dataset("stripes", "test", tmp_path, size=2)
    assert len(dataset) == 2
    assert dataset.image_shape == (1, 8, 8)


def test_a_loader_that_does_not_heed_the_size_is_told_so(monkeypatch, tmp_path):
    monkeypatch.setattr(registry, "_NAMED", dict(registry._NAMED))
    registry.register("few")(lambda name, split, data_dir, size: Dataset(name, split, "made up", "0" * 64, BYTES))
    assert len(load_dataset("few", "test", tmp_path, 2)) == 2
    with pytest.raises(DatasetError, match="^few: its loader gave 2 test examples, where 1,300 were asked for$"):
        load_dataset("few", "test", tmp_path, 1300)


def test_a_name_that_is_taken_is_refused_to_another_data_set():
    for register, name in ((registry.register, "mnist"), (registry.register_path, "npz")):
        with pytest.raises(TypeError, match=f"there is a data set '{name}' already: give this one another name"):
            register(name)(lambda *of_split: None)


def test_errors_are_one_line_whatever_they_quote():
    assert str(DatasetError("one\n  two\tthree ")) == "one two three"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"images": torch.zeros(2, 1, 8, 8)}, "mine: the images are torch.float32; expected torch.uint8"),
        ({"vectors": torch.zeros(2, 3).double()}, "mine: the vectors are torch.float64; expected torch.float32"),
        ({"images": BYTES[0]}, r"mine: the images have the shape \(1, 8, 8\); expected \(N, C, H, W\)"),
        ({"vectors": torch.zeros(2)}, r"mine: the vectors have the shape \(2,\); expected \(N, D\)"),
        ({"images": BYTES, "labels": torch.zeros(3)}, "mine: 3 labels of 2 images; expected as many"),
        ({"images": BYTES, "factors": torch.zeros(1, 4)}, "mine: 1 factors of 2 images; expected as many"),
    ],
)
def test_a_loader_that_gives_something_else_is_told_so(data, said):
    with pytest.raises(DatasetError, match=f"^{said}$"):
        Dataset("mine", "train", "made up", "0" * 64, **data)
