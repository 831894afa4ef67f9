"""What other programs read of a run."""

import numpy as np
import pytest
import torch

import main as command_line
import vae
from small_runs import config, files_of
from utils.datasets import load_dataset
from utils.exports.arrays import export
from utils.runs.run import run
from vae.inputs import to_network


@pytest.fixture
def trained(runtime):
    """The folder of a run that has ended."""
    run(config(dataset="digits", loss="KL", network="mlp", epochs=1), runtime)
    return runtime.results_dir / "exp"


def exported(kind, runtime, samples=7):
    before = files_of(runtime)
    export("exp", kind, samples, {}, runtime)
    assert {name: content for name, content in files_of(runtime).items() if name in before} == before
    with np.load(runtime.results_dir / "exp" / f"export-{kind}.npz", allow_pickle=False) as archive:
        return dict(archive)


def test_latents_are_the_posteriors_with_what_is_known_of_the_images(trained, runtime):
    found = exported("latents", runtime)
    model, _, _ = vae.load(trained)
    for split, size in (("train", 20), ("test", 10)):
        data = load_dataset("digits", split, runtime.data_dir, size)
        with torch.no_grad():
            mean, logvar = model.encode(to_network(data.images))
        np.testing.assert_allclose(found[f"{split}_mean"], mean, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found[f"{split}_logvar"], logvar, rtol=1e-5, atol=1e-6)
        assert (found[f"{split}_labels"] == data.labels.numpy()).all()


def test_samples_are_bytes_with_channels_last_and_the_same_each_time(trained, runtime, monkeypatch):
    monkeypatch.setattr("utils.exports.arrays.CHUNK", 3)
    first, again = (exported("samples", runtime)["arr_0"] for _ in range(2))
    assert (first.dtype, first.shape) == (np.uint8, (7, 32, 32, 1))
    assert (first == again).all()
    assert len(np.unique(first.reshape(7, -1), axis=0)) == 7


def test_reconstructions_lie_beside_what_they_are_of(trained, runtime):
    found = exported("reconstructions", runtime)
    data = load_dataset("digits", "test", runtime.data_dir, 10).images
    assert (found["images"] == data.permute(0, 2, 3, 1).numpy()).all()
    model, _, _ = vae.load(trained)
    expected = model.reconstruct(data).permute(0, 2, 3, 1).numpy() * 255
    assert np.abs(found["reconstructions"] - expected).max() <= 0.51


def test_a_run_that_begins_anew_takes_them_away(trained, runtime):
    exported("samples", runtime)
    run(config(dataset="digits", loss="KL", network="mlp", epochs=1), runtime, overwrite=True)
    assert not list(trained.glob("export-*"))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--export samples --is-eval-only", "--export samples is of one run that has ended"),
        ("--export latents --samples 3", "--samples 3 is how many --export samples writes: give that too"),
        ("--export latents --lr 1", "--lr 1.0: the saved run has 0.001; leave the flag out"),
        ("--export pictures", "argument --export: invalid choice: 'pictures'"),
    ],
)
def test_what_does_not_go_with_it_is_refused(flags, message, trained, runtime, capsys):
    with pytest.raises(SystemExit):
        command_line.main(["exp", "--results-dir", str(runtime.results_dir), *flags.split()], draw=None)
    assert f"main.py: {message}" in capsys.readouterr().err


def test_vectors_have_latents_and_no_pictures(runtime, capsys):
    run(config(dataset="mixture2d", loss="KL", epochs=1), runtime)
    assert exported("latents", runtime)["train_mean"].shape == (20, 3)
    with pytest.raises(ValueError, match="^--export samples is of images: mixture2d has vectors, export latents$"):
        export("exp", "samples", 3, {}, runtime)
