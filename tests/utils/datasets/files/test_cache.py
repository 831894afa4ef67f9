import os
import signal
import subprocess
import sys
import threading
import time

import h5py
import numpy as np
import pytest

from utils.datasets.files import cache
from utils.datasets.files.cache import cached
from utils.machine import locks

SPLITS = {
    "train": {"images": np.arange(4000, dtype=np.uint8).reshape(10, 1, 20, 20), "labels": np.arange(10)},
    "test": {"images": np.ones((2, 1, 20, 20), dtype=np.uint8), "labels": np.arange(2)},
}
FORM = {"images": (np.uint8, (1, 20, 20)), "labels": (np.int64, ())}


class Preparation:
    """Counts how often it is asked."""

    def __init__(self, seconds=0.0):
        self.count, self.seconds = 0, seconds

    def __call__(self):
        self.count += 1
        time.sleep(self.seconds)
        return SPLITS, "made up"


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_IN_MEMORY", {})
    return tmp_path / "made on the way" / "cache.h5"


def check(found, split="train"):
    assert found.arrays.keys() == SPLITS[split].keys()
    for name, array in found.arrays.items():
        assert array.dtype == SPLITS[split][name].dtype
        assert np.array_equal(array, SPLITS[split][name])
    assert found.origin == "made up"


def test_images_are_prepared_once_and_read_afterwards(path, capsys):
    prepare = Preparation()
    first = [cached(path, "recipe", split, FORM, prepare) for split in SPLITS]
    second = [cached(path, "recipe", split, FORM, prepare) for split in SPLITS]
    for split, made, read in zip(SPLITS, first, second):
        check(made, split)
        check(read, split)
        assert made.sha256 == read.sha256
    assert first[0].sha256 != first[1].sha256
    assert prepare.count == 1
    assert list(path.parent.iterdir()) == [path]
    assert capsys.readouterr() == ("", "")


def test_folders_of_long_and_equal_names_have_caches_of_their_own(tmp_path):
    paths = [tmp_path / place / (63 * "𐍈") for place in ("here", "there")]
    for path in paths:
        path.mkdir(parents=True)
    names = [cache.name_of(path) for path in paths]
    assert names[0] != names[1] and names[0][:-12] == names[1][:-12]
    for name in names:
        (tmp_path / name).mkdir()  # no longer than a name may be


def test_another_recipe_makes_it_anew(path):
    prepare = Preparation()
    for recipe in ("one", "other", "other"):
        check(cached(path, recipe, "train", FORM, prepare))
    assert prepare.count == 2


def flip_an_image(path):
    content = bytearray(path.read_bytes())
    place = content.index(bytes(range(100)))
    content[place] ^= 1
    path.write_bytes(content)


def lose_a_split(path):
    with h5py.File(path, "a") as file:
        del file["train"]


@pytest.mark.parametrize(
    "damage",
    [
        flip_an_image,
        lose_a_split,
        lambda path: path.write_bytes(path.read_bytes()[:-1000]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"<html>"),
    ],
    ids=["one bit", "no split", "truncated", "empty", "html"],
)
def test_damaged_cache_is_made_anew(path, damage, capsys):
    prepare = Preparation()
    cached(path, "recipe", "train", FORM, prepare)
    damage(path)
    check(cached(path, "recipe", "train", FORM, prepare))
    assert prepare.count == 2
    assert (
        capsys.readouterr().err == f"{path} was damaged, or of other files or another version: it has been made anew\n"
    )
    check(cached(path, "recipe", "train", FORM, prepare))
    assert prepare.count == 2


@pytest.mark.parametrize(
    "arrays",
    [
        {"images": np.zeros((3, 1, 7, 7), np.uint8), "labels": np.arange(3)},
        {"images": np.zeros((3, 1, 20, 20), np.float32), "labels": np.arange(3)},
        {"images": np.zeros((3, 1, 20, 20), np.uint8), "labels": np.arange(2)},
        {"images": np.zeros((3, 1, 20, 20), np.uint8)},
        {"images": np.uint8(3), "labels": np.int64(3)},
    ],
    ids=["shape", "type", "lengths", "no labels", "numbers"],
)
def test_cache_of_another_form_is_made_anew(path, arrays, capsys):
    """Its digests are right: whoever made it computed them."""
    path.parent.mkdir()
    assert cache._write(path, "recipe", dict.fromkeys(SPLITS, arrays), "made up") is None
    check(cached(path, "recipe", "train", FORM, Preparation()))
    assert "it has been made anew" in capsys.readouterr().err


def test_what_cannot_be_written_stays_in_memory(path, capsys):
    path.parent.write_text("a file where a directory should be")
    prepare = Preparation()
    for split in ("train", "test", "train"):
        check(cached(path, "recipe", split, FORM, prepare), split)
    assert prepare.count == 1
    err = capsys.readouterr().err
    assert err.startswith(f"{path} cannot be written (")
    assert err.endswith("its images stay in memory\n") and err.count("\n") == 1


def test_what_stays_in_memory_is_not_taken_for_what_another_recipe_makes(path, capsys):
    path.parent.write_text("a file where a directory should be")
    prepare = Preparation()
    for recipe in ("one", "other"):
        check(cached(path, recipe, "train", FORM, prepare))
    assert prepare.count == 2


def test_a_cache_that_does_not_hold_enough_is_made_anew_without_a_word(path, capsys):
    prepare = Preparation()
    for count, made in ((10, 1), (3, 1), (11, 2)):
        check(cached(path, "recipe", "train", None, prepare, lambda found, n=count: len(found.arrays["labels"]) >= n))
        assert prepare.count == made
    assert capsys.readouterr() == ("", "")


def test_full_disk_leaves_nothing_behind(path, monkeypatch, capsys):
    monkeypatch.setattr(h5py.Group, "create_dataset", lambda *_, **__: (_ for _ in ()).throw(OSError("no space left")))
    check(cached(path, "recipe", "train", FORM, Preparation()))
    assert not path.parent.exists()
    assert "cannot be written (no space left)" in capsys.readouterr().err


def test_one_prepares_while_the_others_wait(path):
    prepare = Preparation(seconds=0.2)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(cached(path, "recipe", "train", FORM, prepare))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert prepare.count == 1
    for one in found:
        check(one)


@pytest.mark.slow
def test_killed_preparation_leaves_no_lock_and_no_cache(path):
    code = "import sys, time; from pathlib import Path; from utils.datasets.files.cache import cached; "
    code += "cached(Path(sys.argv[1]), 'recipe', 'train', {}, lambda: print('begun', flush=True) or time.sleep(60))"
    with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "begun\n"
        os.kill(process.pid, signal.SIGKILL)
    assert not list(path.parent.iterdir())
    prepare = Preparation()
    check(cached(path, "recipe", "train", FORM, prepare))
    assert prepare.count == 1


def test_errors_of_the_preparation_are_not_taken_for_those_of_the_cache(path):
    with pytest.raises(PermissionError, match="the archive"):
        cached(path, "recipe", "train", FORM, lambda: (_ for _ in ()).throw(PermissionError("the archive")))
    assert not path.parent.exists()


def test_failure_to_make_it_anew_is_the_only_thing_told(path, capsys):
    path.parent.mkdir()
    path.write_bytes(b"<html>")
    with pytest.raises(FileNotFoundError):
        cached(path, "recipe", "train", FORM, lambda: (_ for _ in ()).throw(FileNotFoundError("the archive")))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("system", ["Windows", "without locks"])
def test_where_there_are_no_locks_it_goes_on_without(path, monkeypatch, system):
    if system == "Windows":
        monkeypatch.setattr(locks, "fcntl", None)
    else:
        monkeypatch.setattr(locks.fcntl, "flock", lambda *_: (_ for _ in ()).throw(OSError("no locks available")))
    check(cached(path, "recipe", "train", FORM, Preparation()))
    assert list(path.parent.iterdir()) == [path]
