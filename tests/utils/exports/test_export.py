"""What other programs read of a run."""

import csv
import errno
import importlib.util
import os

import numpy as np
import pytest
import torch
from PIL import Image

import vae
from mistakes import check_refused
from small_runs import config
from utils.datasets import load_dataset
from utils.exports.export import export
from utils.machine.environment import MachineError
from utils.runs.folder import EXPORTS, ResultsError, ResultsFolder
from utils.runs.run import run
from vae.inputs import to_network

SIZES = {"images": 12, "test_images": 4}
OF_IMAGES = config(dataset="digits", loss="KL", network="mlp", epochs=1)


@pytest.fixture
def trained(ended, runtime):
    """The folder of a run that has ended."""
    ended(OF_IMAGES)
    return runtime.results_dir / "exp"


def exported(kind, runtime, form="npz", **how):
    """The file or the folder of an export, which has left all else as it was."""
    place = runtime.results_dir / "exp" / EXPORTS[kind][form]

    def others():
        return {path: path.read_bytes() for path in place.parent.iterdir() if path.is_file() and path != place}

    before = others()
    export("exp", kind, {}, runtime, form=form, **how)
    assert others() == before
    return place


def arrays(kind, runtime, **how):
    with np.load(exported(kind, runtime, **how), allow_pickle=False) as archive:
        return dict(archive)


def test_latents_are_the_posteriors_with_what_is_known_of_the_images(trained, runtime, monkeypatch):
    monkeypatch.setattr("utils.exports.arrays.CHUNK", 6)
    found = arrays("latents", runtime)
    model, _, _ = vae.load(trained)
    for split, size in (("train", 20), ("test", 10)):
        data = load_dataset("digits", split, runtime.data_dir, size)
        with torch.no_grad():
            mean, logvar = model.encode(to_network(data.images))
        np.testing.assert_allclose(found[f"{split}_mean"], mean, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found[f"{split}_logvar"], logvar, rtol=1e-5, atol=1e-6)
        assert (found[f"{split}_labels"] == data.labels.numpy()).all()


def test_a_table_of_latents_has_the_same_numbers(trained, runtime):
    found = arrays("latents", runtime)
    with open(exported("latents", runtime, "csv"), newline="", encoding="utf-8") as file:
        first, *rows = csv.reader(file)
    assert first == [*"split mean_0 mean_1 mean_2 logvar_0 logvar_1 logvar_2 labels".split()]
    for split in ("train", "test"):
        numbers = np.array([row[1:] for row in rows if row[0] == split]).astype(np.float32)
        expected = [found[f"{split}_mean"], found[f"{split}_logvar"], found[f"{split}_labels"][:, None]]
        assert (numbers == np.concatenate(expected, axis=1)).all()
    assert len(rows) == 30


@pytest.mark.parametrize("labelled", ["train", "test"])
def test_a_split_without_labels_has_as_many_columns_as_the_other(labelled, runtime):
    rng = np.random.default_rng(0)
    runtime.data_dir.mkdir()
    pictures = {name: rng.integers(0, 256, (size, 8, 8), dtype=np.uint8) for name, size in SIZES.items()}
    name = {"train": "labels", "test": "test_labels"}[labelled]
    known = np.arange(len(pictures[name.replace("labels", "images")])) % 2
    np.savez(runtime.data_dir / "half.npz", **pictures, **{name: known})
    run(config(dataset="npz:half.npz", network="mlp", train_size=None, test_size=None, epochs=1), runtime)
    with open(exported("latents", runtime, "csv"), newline="", encoding="utf-8") as file:
        first, *rows = csv.reader(file)
    assert first[-1] == "labels" and {len(row) for row in rows} == {len(first)}
    for split in ("train", "test"):
        assert {row[-1] for row in rows if row[0] == split} == ({"0", "1"} if split == labelled else {"-1"})


def test_samples_are_bytes_with_channels_last_and_the_same_each_time(trained, runtime, monkeypatch):
    monkeypatch.setattr("utils.exports.arrays.CHUNK", 3)
    first, again = (arrays("samples", runtime, samples=7, overwrite=True)["arr_0"] for _ in range(2))
    assert (first.dtype, first.shape) == (np.uint8, (7, 32, 32, 1))
    assert (first == again).all()
    assert len(np.unique(first.reshape(7, -1), axis=0)) == 7


def pictures_in(folder):
    """The pictures of a folder in their order, as one array."""
    names = sorted(path.name for path in folder.iterdir())
    assert names == [f"{number:06d}.png" for number in range(len(names))]
    return np.stack([np.asarray(Image.open(folder / name)) for name in names])


def test_samples_as_numbered_pictures_are_the_same_ones(trained, runtime, monkeypatch):
    monkeypatch.setattr("utils.exports.arrays.CHUNK", 3)
    expected = arrays("samples", runtime, samples=7)["arr_0"]
    assert (pictures_in(exported("samples", runtime, "png", samples=7)) == expected.squeeze(-1)).all()


def test_reconstructions_lie_beside_what_they_are_of(trained, runtime):
    found = arrays("reconstructions", runtime)
    data = load_dataset("digits", "test", runtime.data_dir, 10).images
    assert (found["images"] == data.permute(0, 2, 3, 1).numpy()).all()
    model, _, _ = vae.load(trained)
    expected = model.reconstruct(data).permute(0, 2, 3, 1).numpy() * 255
    assert np.abs(found["reconstructions"] - expected).max() <= 0.51
    folder = exported("reconstructions", runtime, "png")
    assert {name: (pictures_in(folder / name) == found[name].squeeze(-1)).all() for name in found} == {
        "images": True,
        "reconstructions": True,
    }


def test_colour_pictures_have_colours(runtime):
    rng = np.random.default_rng(0)
    runtime.data_dir.mkdir()
    np.savez(runtime.data_dir / "colour.npz", images=rng.integers(0, 256, (30, 8, 8, 3), dtype=np.uint8))
    run(config(dataset="npz:colour.npz", network="mlp", test_size=3, epochs=1), runtime)
    expected = arrays("reconstructions", runtime)["images"]
    assert expected.shape == (3, 8, 8, 3)
    assert (pictures_in(exported("reconstructions", runtime, "png") / "images") == expected).all()


@pytest.mark.parametrize("form", ["npz", "png"])
def test_nothing_that_was_exported_is_replaced_unless_asked(form, trained, runtime):
    place = exported("samples", runtime, form, samples=7)
    with pytest.raises(ResultsError, match=f"^{place} exists: --overwrite replaces it$"):
        exported("samples", runtime, form, samples=2)
    assert len(pictures_in(place) if form == "png" else np.load(place, allow_pickle=False)["arr_0"]) == 7
    exported("samples", runtime, form, samples=2, overwrite=True)
    assert len(pictures_in(place) if form == "png" else np.load(place, allow_pickle=False)["arr_0"]) == 2


def test_a_run_that_begins_anew_takes_them_away_and_nothing_else(trained, runtime):
    for kind, form in (("samples", "npz"), ("samples", "png"), ("reconstructions", "png"), ("latents", "csv")):
        export("exp", kind, {}, runtime, form=form, samples=7)
    (trained / "export-samples" / "mine.png").touch()
    run(OF_IMAGES, runtime, overwrite=True)
    (left,) = trained.glob("export-*")
    assert [path.name for path in left.iterdir()] == ["mine.png"]


def files_in(folder):
    """The content of each file below a folder, links not followed."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("mine", ["notes.txt", "best/000007.png", "images/000007.jpg", "link", "images/000009.png"])
def test_what_else_lies_in_the_folder_of_an_export_is_neither_replaced_nor_taken_away(mine, trained, runtime):
    place = exported("samples", runtime, "png", samples=2)
    (place / mine).parent.mkdir(exist_ok=True)
    elsewhere = trained / "elsewhere" / "000000.png"
    elsewhere.parent.mkdir()
    elsewhere.touch()
    if mine in ("link", "images/000009.png"):
        (place / mine).symlink_to(elsewhere.parent if mine == "link" else elsewhere)
    else:
        (place / mine).write_text("mine")
    before = files_in(trained)
    with pytest.raises(ResultsError) as caught:
        exported("samples", runtime, "png", samples=2, overwrite=True)
    said = "holds other files than an export: move them away, then the same command writes it"
    assert str(caught.value) == f"{place} {said}"
    assert files_in(trained) == before
    ResultsFolder(trained).clear()
    assert (place / mine).exists() and not (place / "000000.png").exists()
    assert elsewhere.exists()


def test_what_cannot_be_written_is_written_by_the_same_command(trained, runtime, monkeypatch):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResultsError, match="put that right, then the same command writes it$"):
        export("exp", "samples", {}, runtime, samples=2)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--export samples --is-eval-only", "--export samples is of one run that has ended"),
        ("--export latents --samples 3", "--samples 3 is how many --export samples writes: give that too"),
        ("--export latents --lr 1", "--lr 1.0: the saved run has 0.001; leave the flag out\n"),
        ("--export latents --is-metrics", "--is-metrics True: the saved run has False; leave the flag out\n"),
        ("--export pictures", "argument --export: invalid choice: 'pictures'"),
        ("--export-format csv", "--export-format csv is how --export writes: give that too"),
        ("--export samples --export-format csv", "--export-format csv: --export samples writes npz or png"),
        ("--export latents --export-format png", "--export-format png: --export latents writes npz or csv"),
        ("--export onnx --export-format npz", "--export-format npz: --export onnx writes onnx"),
    ],
)
def test_what_does_not_go_with_it_is_refused(flags, message, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_refused(f"exp {flags}", f"main.py: {message}")


def test_vectors_have_latents_and_no_pictures(runtime):
    run(config(dataset="mixture2d", loss="KL", epochs=1), runtime)
    assert arrays("latents", runtime)["train_mean"].shape == (20, 3)
    with pytest.raises(ValueError, match="^--export samples is of images: mixture2d has vectors, export latents$"):
        export("exp", "samples", {}, runtime)


def test_a_decoder_is_refused_in_a_line_where_what_writes_it_is_missing(trained, runtime, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MachineError, match="^--export onnx: onnx is not installed: pip install -r requirements-onnx"):
        export("exp", "onnx", {}, runtime)
    assert not list(trained.glob("*export-*"))
