"""A saved model judged by other data than its own: beside, never over, what there was."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mistakes import check_refused
from own_data import images_of
from saved_groups import change
from small_runs import config, files_of
from utils.runs.evaluate import evaluate_elsewhere
from utils.runs.folder import ELSEWHERE, EVALUATION
from utils.runs.run import run
from vae.options import OptionError


@pytest.fixture
def trained(runtime):
    """The folder of a run that has ended."""
    run(config(dataset="digits", loss="KL", network="mlp", epochs=1), runtime)
    return runtime.results_dir / "exp"


def written(folder, dataset="*"):
    """The one evaluation on data of such a name."""
    (file,) = folder.glob(f"evaluation-on-{dataset}.json")
    return json.loads(file.read_text())


def test_on_its_own_data_it_is_what_it_was(trained, runtime):
    before = files_of(runtime)
    evaluate_elsewhere("exp", "digits", {"test_size": 10}, runtime)
    assert {name: content for name, content in files_of(runtime).items() if name in before} == before
    found, own = written(trained, "digits-first-10"), json.loads((trained / EVALUATION).read_text())["test"]
    assert found["test"] == {name: own[name] for name in found["test"]}
    assert found["data"]["images"] == 10 and found["data"]["name"] == "digits"


def test_it_names_the_file_that_it_writes_and_no_other(trained, runtime, capsys):
    evaluate_elsewhere("exp", "digits", {"noise": 0.5}, runtime)
    written_to = trained / "evaluation-on-digits-noise-0.5.json"
    assert capsys.readouterr().out.splitlines()[-1] == f"results in {written_to}"
    assert written_to.exists()


def test_all_of_it_is_taken_whatever_the_size_of_the_runs_own(trained, runtime):
    evaluate_elsewhere("exp", "digits", {}, runtime)
    assert written(trained, "digits")["data"]["images"] == 360


def test_on_other_data_with_other_sizes_and_noise(trained, runtime, tmp_path):
    np.savez(tmp_path / "mine.npz", images=images_of((40, 32, 32)))
    dataset = f"npz:{tmp_path / 'mine.npz'}"
    evaluate_elsewhere("exp", dataset, {"test_size": 3, "importance_samples": 2}, runtime)
    found = written(trained, "npz-mine.npz-????????-first-3")
    (file,) = trained.glob(ELSEWHERE)
    assert file.stem.endswith(f"{found['data']['sha256'][:8]}-first-3")
    assert found["data"]["images"] == 3 and found["noise"] == 0
    assert found["test"]["evidence"]["images"] == 3
    clean = found["test"]["squared_error"]
    evaluate_elsewhere("exp", dataset, {"test_size": 3, "noise": 0.5}, runtime)
    noisy = written(trained, "*-first-3-noise-0.5")
    assert noisy["noise"] == 0.5
    assert noisy["test"]["squared_error"] != clean
    assert written(trained, "*-first-3") == found, "neither takes the other's place"


def test_what_was_measured_of_the_same_images_before_is_kept_and_nothing_else(trained, runtime):
    evaluate_elsewhere("exp", "digits", {"importance_samples": 2}, runtime)
    first = written(trained)
    evaluate_elsewhere("exp", "digits", {}, runtime)
    assert written(trained) == first and "evidence" in first["test"]
    change(trained, importance_samples=1)  # as of a run that has the evidence itself
    evaluate_elsewhere("exp", "digits", {}, runtime)
    assert written(trained) == first
    change(trained, importance_samples=0)
    (file,) = trained.glob(ELSEWHERE)
    other = {**first, "data": {**first["data"], "sha256": "0" * 64}}
    for content in (json.dumps(other), "damaged"):
        file.write_text(content)
        evaluate_elsewhere("exp", "digits", {}, runtime)
        assert "evidence" not in written(trained)["test"]


@pytest.mark.parametrize("places", [("a/test.npz", "b/test.npz"), ("a/b.npz", "a-b.npz")])
def test_on_data_of_the_same_name_elsewhere_neither_replaces_the_other(places, trained, runtime, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, place in enumerate(places):
        Path(place).parent.mkdir(exist_ok=True)
        np.savez(place, images=images_of((40 + number, 32, 32)))
        path = tmp_path / place if place.endswith("test.npz") else place
        evaluate_elsewhere("exp", f"npz:{path}", {"test_size": None}, runtime)
    sizes = [json.loads(file.read_text())["data"]["images"] for file in trained.glob(ELSEWHERE)]
    assert sorted(sizes) == [4, 5]


def test_a_run_that_begins_anew_takes_it_away(trained, runtime):
    evaluate_elsewhere("exp", "digits", {}, runtime)
    run(config(dataset="digits", loss="KL", network="mlp", epochs=1), runtime, overwrite=True)
    assert not list(trained.glob(ELSEWHERE))


def test_data_of_another_shape_are_refused(trained, runtime):
    said = "^--on dsprites: 64x64 grey, but the run is of 32x32 grey: choose data like that, or convert these$"
    with pytest.raises(OptionError, match=said):
        evaluate_elsewhere("exp", "dsprites", {}, runtime)


def test_pictures_are_resized_to_the_side_of_the_runs_images(trained, runtime, tmp_path):
    for number in range(20):
        Image.new("L", (80, 50), 10 * number).save(tmp_path / f"{number}.png")
    evaluate_elsewhere("exp", f"folder:{tmp_path}", {}, runtime)
    found = written(trained)
    evaluate_elsewhere("exp", f"folder:{tmp_path}", {"image_size": 32}, runtime)
    assert written(trained) == found
    with pytest.raises(OptionError, match="^--on .*: 16x16 grey, but the run is of 32x32 grey: choose data like"):
        evaluate_elsewhere("exp", f"folder:{tmp_path}", {"image_size": 16}, runtime)
    Image.new("RGB", (80, 50), "red").save(tmp_path / "red.png")
    with pytest.raises(OptionError, match="^--on .*: 32x32 colour, but the run is of 32x32 grey: choose data like"):
        evaluate_elsewhere("exp", f"folder:{tmp_path}", {}, runtime)


def test_pictures_of_a_size_that_is_padded_have_a_file_of_their_own(runtime, tmp_path):
    run(config(dataset="digits", loss="KL", network="burgess", epochs=1), runtime)
    for number in range(20):
        Image.new("L", (80, 50), 10 * number).save(tmp_path / f"{number}.png")
    for flags in ({}, {"image_size": 28}):
        evaluate_elsewhere("exp", f"folder:{tmp_path}", flags, runtime)
    one, other = sorted((runtime.results_dir / "exp").glob(ELSEWHERE), key=lambda path: len(path.name))
    assert other.name == one.name.replace(".json", "-image-size-28.json")
    assert json.loads(one.read_text())["test"] != json.loads(other.read_text())["test"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--on digits", "--on digits judges one run that has ended: give its name and --is-eval-only"),
        ("--on digits --is-eval-only --seed 1 2", "--on digits judges one run that has ended"),
        ("--on digit --is-eval-only", "--on digit: did you mean digits? choose from "),
        ("--on digits --is-eval-only --lr 1", "--lr 1.0: the saved run has 0.001; leave the flag out\n"),
        (
            "--on digits --is-eval-only --is-metrics",
            "--is-metrics is for the run's own data: leave it out with --on digits\n",
        ),
        (
            "--on digits --is-eval-only --sampler gmm",
            "--sampler is for the run's own data: leave it out with --on digits\n",
        ),
        ("--on digits --is-eval-only --image-size 32", "--image-size 32: the saved run has None; leave the flag out\n"),
        ("--is-eval-only --seed 7", "--seed 7: the saved run has 1234; leave the flag out\n"),
    ],
)
def test_what_does_not_go_with_it_is_refused(flags, message, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_refused(f"exp {flags}", f"main.py: {message}")
