"""What is kept of a large folder of pictures, so that a second run begins at once."""

import os
import shutil
from dataclasses import replace

import pytest
import torch

from own_data import fill, picture, save
from utils.datasets import DatasetError, load_dataset
from utils.datasets.files import cache
from utils.datasets.sources import folder as source

TORN = b"\xff\xd8\xff\xe0 a photograph that is torn off"


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
    """Where caches go; folders of more than ten files have one."""
    monkeypatch.setattr(source, "MOST_UNCACHED", 10)
    monkeypatch.setattr(cache, "_IN_MEMORY", {})
    return tmp_path / "data"


@pytest.fixture
def folder(tmp_path):
    """Twenty pictures of two classes, and a file that is none."""
    path = fill(tmp_path / "my pictures", ("cats", 12), ("dogs", 8), mode="RGB")
    (path / "notes.txt").write_text("not a picture")
    return path


@pytest.fixture
def prepared(monkeypatch):
    """Counts how often pictures have been read."""
    calls = []
    prepare = source._prepare
    monkeypatch.setattr(source, "_prepare", lambda **own: calls.append(own["split"]) or prepare(**own))
    return calls


def load(path, data_dir, split="train", size=None, side=None):
    return load_dataset(f"folder:{path}", split, data_dir, size, side)


def same(first, second):
    """Whether two splits are equal in all but the notes on the cache."""
    equal = torch.equal(first.images, second.images) and torch.equal(first.labels, second.labels)
    bare = [replace(own, images=None, labels=None, notes=()) for own in (first, second)]
    return equal and bare[0] == bare[1] and first.notes[1:] == second.notes[1:]


def caches(data_dir):
    return sorted(path.name for path in data_dir.glob("folders/*/*"))


@pytest.mark.parametrize("side", [None, 24])
def test_a_second_run_reads_no_picture_and_gets_the_same(side, folder, data_dir, prepared, monkeypatch):
    for split in ("train", "test"):
        first, second = (load(folder, data_dir, split, side=side) for _ in range(2))
        with monkeypatch.context() as patch:
            patch.setattr(source, "MOST_UNCACHED", 100)
            without = load(folder, data_dir, split, side=side)
        assert prepared == [split, split]  # first, and without
        prepared.clear()
        assert same(first, second) and same(first, without)
        assert first.notes == second.notes
        (place,) = data_dir.glob("folders/*")
        assert first.notes[0] == f"{without.notes[0]}; kept in {place}"
        assert first.labels.dtype == torch.int64
    assert caches(data_dir) == ([f"{split}-24.h5" for split in ("test", "train")] if side else ["test.h5", "train.h5"])
    assert list(data_dir.parent.glob("my pictures/.*")) == []


def test_small_folders_are_not_kept(folder, data_dir, monkeypatch):
    monkeypatch.setattr(source, "MOST_UNCACHED", 21)
    load(folder, data_dir)
    assert not data_dir.exists()


def test_a_part_is_kept_as_a_part_and_served_from_the_whole(folder, data_dir, prepared):
    part = load(folder, data_dir, size=5)
    whole = load(folder, data_dir)
    assert prepared == ["train", "train"] and len(whole) == 18
    assert same(part, load(folder, data_dir, size=5)) and len(prepared) == 2
    assert torch.equal(part.images, whole.images[:5]) and part.sha256 == whole.sha256
    assert load(folder, data_dir, size=5).images.untyped_storage().nbytes() == 5 * whole.images[0].numel()
    with pytest.raises(DatasetError, match="has 18 train images; a size of 19 is not between 1 and 18"):
        load(folder, data_dir, size=19)


def repainted(path):
    """Another picture in the same file, with the same size in bytes and the same date."""
    before = path.stat()
    save(picture(99), path)
    content = path.read_bytes()[: before.st_size]
    path.write_bytes(content + b"\0" * (before.st_size - len(content)))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


@pytest.mark.parametrize(
    "change",
    [
        lambda path: repainted(path / "cats/3.png"),
        lambda path: (path / "cats/3.png").unlink(),
        lambda path: save(picture(7), path / "cats/new.png"),
        lambda path: (path / "cats/3.png").rename(path / "dogs/33.png"),
        lambda path: save(picture(1, mode="L"), path / "cats/.hidden.png"),
    ],
    ids=["another picture", "removed", "added", "another class", "hidden"],
)
def test_whatever_has_changed_is_noticed(change, folder, data_dir, monkeypatch, capsys):
    load(folder, data_dir)
    change(folder)
    found = load(folder, data_dir)
    assert "it has been made anew" in capsys.readouterr().err
    monkeypatch.setattr(source, "MOST_UNCACHED", 100)
    assert same(found, load(folder, data_dir))


def test_another_folder_of_the_same_name_has_a_cache_of_its_own(folder, data_dir, tmp_path):
    other = fill(tmp_path / "elsewhere" / "my pictures", ("cats", 12), ("birds", 8), mode="RGB")
    found = [load(path, data_dir) for path in (folder, other, folder)]
    assert same(found[0], found[2]) and not torch.equal(found[0].images, found[1].images)
    assert len(caches(data_dir)) == 2


def test_a_broken_cache_costs_a_line_and_one_that_is_gone_nothing(folder, data_dir, capsys):
    first = load(folder, data_dir)
    (place,) = data_dir.glob("folders/*/train.h5")
    content = bytearray(place.read_bytes())
    content[len(content) // 2] ^= 1
    place.write_bytes(content)
    assert same(first, load(folder, data_dir))
    assert (
        capsys.readouterr().err == f"{place} was damaged, or of other files or another version: it has been made anew\n"
    )
    shutil.rmtree(data_dir)
    assert same(first, load(folder, data_dir))
    assert capsys.readouterr().err == ""


def test_where_none_can_be_written_there_is_a_line(folder, data_dir, prepared, capsys):
    data_dir.write_text("a file where a folder should be")
    first = load(folder, data_dir)
    assert same(first, load(folder, data_dir)) and prepared == ["train"]
    (line,) = capsys.readouterr().err.splitlines()
    assert "train.h5 cannot be written (" in line and line.endswith("its images stay in memory")


def test_broken_pictures_are_refused_and_nothing_is_kept(folder, data_dir):
    (folder / "cats" / "3.png").write_bytes(TORN)
    with pytest.raises(DatasetError, match="cats/3.png cannot be read"):
        load(folder, data_dir)
    assert not data_dir.exists()


def test_caches_are_no_part_of_a_folder_that_they_lie_in(folder, prepared, monkeypatch, data_dir):
    first, second = (load(folder, folder / "data") for _ in range(2))
    assert prepared == ["train"]
    assert same(first, second) and first.notes == second.notes
