"""Names with a path in them, and runs on one's own data from the command line."""

import json

import numpy as np
import pytest
import torch

import main as command_line
import vae
from own_data import error_of, fill, images_of, load
from utils.datasets import DatasetError, is_dataset, load_dataset, path_kind, portable_name
from utils.figures.one_run import draw_run
from utils.runs.folder import CONFIG, MODEL

pytestmark = pytest.mark.slow

GOOD = {"images": images_of((20, 32, 32))}


@pytest.fixture
def folder(tmp_path):
    """Twenty pictures in two subfolders."""
    return fill(tmp_path / "my pictures", ("a", 10), ("b", 10), mode="RGB")


def test_names_with_a_path_are_told_from_plain_ones():
    assert is_dataset("folder:x") and is_dataset("npz:/x/y.npz") and is_dataset("mnist")
    assert not is_dataset("folder:") and not is_dataset("folder") and not is_dataset("zip:x")
    assert (path_kind("folder:a:b"), path_kind("mnist")) == ("folder", None)
    assert portable_name("folder:/home/me/cats/") == "folder:cats"
    assert portable_name("npz:data/cats.npz") == "npz:data/cats.npz"
    assert portable_name("mnist") == "mnist"


def test_unknown_name_lists_the_forms_with_a_path(tmp_path):
    with pytest.raises(DatasetError, match=r"choose from .*mnist.*, folder:PATH, npz:PATH"):
        load_dataset("folder:", "train", tmp_path)


def test_nothing_at_the_path_says_how_to_name_it(tmp_path):
    for kind in ("folder", "npz"):
        said = f"say where it is: --dataset {kind}:PATH, or --data-dir"
        assert error_of(kind, tmp_path / "no where").endswith(said)


@pytest.mark.parametrize(("name", "data_dir"), [("folder:~nosuchuser/x", "."), ("mnist", "~nosuchuser/x")])
def test_unknown_home_is_told_in_one_line(name, data_dir):
    with pytest.raises(DatasetError, match="^no home directory is known for the path ~nosuchuser/x; write it in full$"):
        load_dataset(name, "train", data_dir)


@pytest.mark.parametrize("path", ["caf\udce9", "/home/me/caf\udce9"])
def test_name_that_is_not_utf_8_can_be_recorded(path):
    assert portable_name(f"folder:{path}") == "folder:caf\ufffd"


def test_relative_path_is_looked_for_here_and_in_the_data_directory(folder, monkeypatch, tmp_path):
    monkeypatch.chdir(folder.parent)
    here = load_dataset("folder:my pictures", "train", tmp_path / "elsewhere")
    monkeypatch.chdir("/")
    there = load_dataset("folder:my pictures", "train", folder.parent)
    assert torch.equal(here.images, there.images)
    assert here.name == there.name == load("folder", folder).name == "folder:my pictures"


# From the command line


def command(*arguments, draw=None):
    try:
        command_line.main([*map(str, arguments)], draw=draw)
        return 0
    except SystemExit as exit:
        return exit.code


SMALL = "--loss dGJS --epochs 1 --train-size 9 --test-size 2 --batch-size 8 --no-progress-bar --no-cuda".split()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "npz"])
def test_run_on_own_images_records_no_path_and_goes_on(kind, folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = folder
    if kind == "npz":
        path = tmp_path / "away" / "mine.npz"
        path.parent.mkdir()
        np.savez(path, **GOOD)
    results = tmp_path / "results"
    common = ("smoke", "--results-dir", results)
    assert command(*common, "--dataset", f"{kind}:{path}", *SMALL) == 0
    text = (results / "smoke" / CONFIG).read_text()
    assert json.loads(text)["dataset"] == json.loads(text)["data"]["name"] == f"{kind}:{path.name}"
    assert str(tmp_path) not in text

    moved = tmp_path / "moved" / "new $name$.npz"
    moved.parent.mkdir()
    path.rename(moved)
    capsys.readouterr()
    assert command(*common, "--resume", "--epochs", "2") == 2
    assert f"say where it is: --dataset {kind}:PATH" in capsys.readouterr().err
    assert command(*common, "--resume", "--epochs", "2", "--dataset", f"{kind}:{moved}") == 0
    assert command(*common, "--is-eval-only", "--dataset", f"{kind}:{moved}") == 0
    assert json.loads((results / "smoke" / CONFIG).read_text())["dataset"] == f"{kind}:new $name$.npz"
    assert str(tmp_path) not in (results / "smoke" / CONFIG).read_text()


def test_other_images_than_the_run_began_with_are_refused(tmp_path, capsys):
    mine, other = tmp_path / "mine.npz", tmp_path / "other.npz"
    np.savez(mine, **GOOD)
    np.savez(other, images=255 - GOOD["images"])
    common = ("smoke", "--results-dir", tmp_path / "results")
    assert command(*common, "--dataset", f"npz:{mine}", *SMALL) == 0
    before = (tmp_path / "results" / "smoke" / MODEL).read_bytes()
    capsys.readouterr()
    assert command(*common, "--is-eval-only", "--dataset", f"npz:{other}") == 2
    assert "name the npz it was run with by --dataset npz:PATH" in capsys.readouterr().err
    assert command(*common, "--resume", "--epochs", "2", "--dataset", "mnist") == 2
    assert "the saved run has npz:mine.npz" in capsys.readouterr().err
    assert (tmp_path / "results" / "smoke" / MODEL).read_bytes() == before


def test_a_run_says_what_it_took_once_and_before_it_begins(folder, tmp_path, capsys):
    (folder / "notes.txt").write_text("no picture")
    common = ("smoke", "--results-dir", tmp_path / "results")
    assert command(*common, "--dataset", f"folder:{folder}", *SMALL) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("folder:my pictures, dGJS ")
    assert lines[1].startswith("folder:my pictures: 18 pictures to train on and 2 to test on; 32x32 colour, 2 classes")
    assert lines[1].endswith("; left out: not pictures 1 (notes.txt)")
    assert lines[2] == "values 1 to 255 of 255, mean 128"
    assert lines[3].startswith("9 train and 2 test images, 32x32 colour; ")
    assert "not pictures" not in "".join(lines[2:])


def test_warnings_are_shown_too(tmp_path, capsys):
    path = tmp_path / "dark.npz"
    np.savez(path, images=GOOD["images"] // 32)
    assert command("smoke", "--results-dir", tmp_path / "results", "--dataset", f"npz:{path}", *SMALL) == 0
    warnings = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning: ")]
    assert [line.split()[4] for line in warnings] == ["train", "test"]


VECTORS = "--loss dGJS --epochs 1 --batch-size 8 --no-progress-bar --no-cuda".split()


@pytest.mark.parametrize("beside", [False, True])
def test_vectors_get_their_likelihood_and_networks(tmp_path, beside, capsys, monkeypatch):
    """Wherever the archive lies: here, or in the data directory."""
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / ("data" if beside else "") / "points.npz", vectors=np.random.default_rng(0).random((30, 5)))
    common = ("smoke", "--results-dir", "results", "--data-dir", "data", "--dataset", "npz:points.npz")
    assert command(*common, *VECTORS, draw=draw_run) == 0
    config = json.loads((tmp_path / "results" / "smoke" / CONFIG).read_text())
    assert config["rec_dist"] == "normal-diagonal" and config["data"]["image_shape"] == [5]
    assert command(*common, "--resume", "--epochs", "2") == 0
    assert command(*common, "--is-eval-only") == 0
    assert command("grid", *common[1:], *VECTORS, "--seed", "0", "1") == 0
    assert command("other", *common[1:], *VECTORS, "--rec-dist", "normal") == 0
    capsys.readouterr()
    for flags, line in (
        (
            ("--rec-dist", "bernoulli"),
            "--rec-dist bernoulli: --dataset npz:points.npz has vectors: choose from normal, ",
        ),
        (("--noise", "0.1"), "--noise 0.1: --dataset npz:points.npz has vectors, noise is for images only"),
    ):
        assert command("third", *common[1:], *VECTORS, *flags) == 2
        assert line in capsys.readouterr().err


def test_images_are_no_vectors(tmp_path, capsys):
    np.savez(tmp_path / "mine.npz", **GOOD)
    flags = ("--results-dir", tmp_path / "results", "--dataset", f"npz:{tmp_path / 'mine.npz'}", "--rec-dist", "normal")
    assert command("smoke", *flags, *VECTORS) == 2
    assert "has images: choose from bernoulli, continuous-bernoulli, gaussian, laplace" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("flags", "side", "noted"),
    [
        ([], 32, False),
        (["--image-size", "24", "--network", "resnet", "--width", "2"], 24, False),
        (["--image-size", "24", "--network", "mlp"], 24, False),
        (["--image-size", "24"], 32, True),
        (["--image-size", "33", "--network", "resnet", "--width", "2"], 40, True),
    ],
)
def test_pictures_have_the_size_asked_for_and_are_padded_to_one_that_the_network_takes(
    flags, side, noted, folder, tmp_path, capsys
):
    common = ("smoke", "--results-dir", tmp_path / "results")
    assert command(*common, "--dataset", f"folder:{folder}", *SMALL, *flags) == 0
    note = f"folder:my pictures: padded with zeros to {side}x{side}, a size that the network takes\n"
    assert capsys.readouterr().out.count(note) == noted
    model, _, config = vae.load(tmp_path / "results" / "smoke")
    assert config.data.image_shape == [3, side, side]
    assert model.sample(2).shape == (2, 3, side, side)


def test_the_margin_is_black_and_the_picture_in_the_middle(folder):
    data = load_dataset(f"folder:{folder}", "train", folder.parent, side=24)
    padded = data.padded(33)
    assert padded.images[..., 4:28, 4:28].equal(data.images)
    assert padded.images.double().sum() == data.images.double().sum()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_arrays_are_taken_as_they_are_with_one_to_four_channels(channels, tmp_path):
    np.savez(tmp_path / "mine.npz", images=images_of((20, 12, 12, channels)))
    flags = ("--dataset", f"npz:{tmp_path / 'mine.npz'}", "--network", "resnet", "--width", "2")
    assert command("smoke", "--results-dir", tmp_path / "results", *SMALL, *flags, draw=draw_run) == 0
    assert vae.load(tmp_path / "results" / "smoke")[2].data.image_shape == [channels, 12, 12]
    assert (tmp_path / "results" / "smoke" / "reconstructions.png").exists()


def test_a_size_is_for_pictures_in_a_folder(tmp_path, capsys):
    assert command("smoke", "--results-dir", tmp_path, "--dataset", "digits", *SMALL, "--image-size", "64") == 2
    assert "--image-size 64: --dataset digits has a size of its own, this is for folder:PATH" in capsys.readouterr().err
