"""Grids of runs, on a few of scikit-learn's digits."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import torch

import main as command_line
from registries import OUR_LOSSES
from utils.datasets import DatasetError
from utils.grids.grid import configurations
from utils.grids.presets import PRESETS
from utils.grids.saved import saved_runs
from utils.grids.sweep import sweep
from utils.grids.tally import SweepFailed
from utils.machine.environment import MachineError
from utils.runs.config import RunConfig
from utils.runs.folder import EVALUATION, METRICS, MODEL, REPORT, TABLE, ResultsError, ResultsFolder
from utils.runs.run import run
from utils.runs.runtime import Interrupted
from vae.models.networks import NETWORKS
from vae.options import OptionError
from vae.training.trainer import Trainer

pytestmark = pytest.mark.slow

SMALL = {"dataset": "digits", "train_size": 20, "test_size": 10, "batch_size": 8, "latent_dim": 3, "epochs": 2}
PERCEPTRONS = {"network": "mlp", "hidden_units": 5}  # which cost little


def names(flags, preset=None):
    return [config.experiment for config in configurations(flags, preset)]


def grid(**flags):
    return configurations(SMALL | ({} if "network" in flags else PERCEPTRONS) | flags)


def files(runtime, *, named, experiment="exp"):
    """The files of that name, by run."""
    folder = runtime.results_dir / experiment
    return {path.parent.name: path.read_bytes() for path in sorted(folder.glob(f"*/{named}"))}


# From flags to configurations


def test_a_loss_that_does_not_use_a_flag_runs_once_without_it():
    configs = configurations({"loss": ["KL", "GJS", "dGJS"], "GJS_A": [0.1, 0.3], "GJS_B": 2.0, "seed": [0, 1]})
    assert [config.experiment for config in configs] == [
        "loss-KL_seed-0",
        "loss-KL_seed-1",
        "loss-GJS_seed-0_GJS-A-0.1",
        "loss-GJS_seed-0_GJS-A-0.3",
        "loss-GJS_seed-1_GJS-A-0.1",
        "loss-GJS_seed-1_GJS-A-0.3",
        "loss-dGJS_seed-0_GJS-A-0.1",
        "loss-dGJS_seed-0_GJS-A-0.3",
        "loss-dGJS_seed-1_GJS-A-0.1",
        "loss-dGJS_seed-1_GJS-A-0.3",
    ]
    for config in configs:
        flags = {"loss": config.loss, "seed": config.seed}
        if config.loss != "KL":
            flags |= {"GJS_A": config.loss_options["GJS_A"], "GJS_B": 2.0}
        assert config == RunConfig.from_flags(config.experiment, flags)


def test_a_network_that_does_not_use_a_flag_runs_once_without_it():
    configs = configurations({"loss": ["KL", "GJS"], "GJS_A": 0.1, "network": ["burgess", "resnet"], "width": [4, 8]})
    networks = ["network-burgess", "network-resnet_width-4", "network-resnet_width-8"]
    assert [config.experiment for config in configs] == [
        *(f"loss-KL_{network}" for network in networks),
        *(f"loss-GJS_{network}" for network in networks),
    ]
    assert [config.network_options.get("width") for config in configs] == [None, 4, 8] * 2
    with pytest.raises(OptionError, match="^--width is not an option of --network burgess"):
        configurations({"loss": ["KL", "GJS"], "width": [4, 8]})


def test_a_network_that_does_not_take_the_data_is_refused_before_any_run(runtime, monkeypatch):
    monkeypatch.setattr(NETWORKS["resnet"], "takes", staticmethod(lambda shape: False))
    with pytest.raises(OptionError, match=r"^--network resnet: data have the shape \(1, 32, 32\), it takes "):
        sweep("exp", grid(loss="KL", network=["burgess", "resnet"]), runtime)
    assert not (runtime.results_dir / "exp").exists()


def test_a_loss_whose_options_settle_the_latent_dim_runs_once_without_it():
    assert names({"loss": ["KL", "CatVAE"], "latent_dim": [2, 3]}) == [
        "loss-KL_latent-dim-2",
        "loss-KL_latent-dim-3",
        "loss-CatVAE",
    ]


def test_names_are_one_component_of_a_path_with_settings_before_options():
    flags = {"GJS_A": [0.1, 1.0], "loss": "GJS", "rec_dist": ["gaussian", "laplace"], "lr": 1e-3}
    assert names({"dataset": ["mnist", "folder:/a/my pics"], **flags})[::3] == [
        "dataset-mnist_rec-dist-gaussian_GJS-A-0.1",
        "dataset-mnist_rec-dist-laplace_GJS-A-1",
        "dataset-folder-my-pics_rec-dist-laplace_GJS-A-0.1",
    ]
    assert names({"loss": ["KL", "fwdKL", "rKL"]}) == ["loss-KL", "loss-rKL"]
    assert names({"lr": [1e-5, 1e-4]}) == ["lr-1e-05", "lr-0.0001"]
    with pytest.raises(OptionError, match="two runs would have the name dataset-npz-x.npz"):
        names({"dataset": ["npz:/a/x.npz", "npz:/b/x.npz"]})


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"loss": ["KL", "rKL"], "GJS_A": 0.3}, "--GJS-A is not an option of --loss KL: it belongs to GJS, "),
        ({"loss": "KL", "GJS_A": [0.1, 0.3]}, "--GJS-A is not an option of --loss KL: it belongs to GJS, "),
        ({"loss": ["KL", "VAE"]}, "--loss VAE is ambiguous"),
        ({"loss": ["CatVAE", "InfoCatVAE"], "latent_dim": 20}, "--latent-dim: --loss CatVAE has its own, 20"),
        ({"loss": ["KL", "MMD"], "batch_size": [64, 1]}, "--batch-size 1: --loss MMD compares the images of a batch"),
    ],
)
def test_a_mistake_in_any_member_is_one(flags, message):
    with pytest.raises(OptionError, match=message):
        configurations(flags)


@pytest.mark.parametrize(
    ("preset", "dataset", "runs"),
    [("table1", 3, 24), ("figure3", 1, 20), ("figure5", 2, 21), ("lambda", 1, 20), ("beta", 1, 7)],
)
def test_presets_are_the_papers_runs(preset, dataset, runs):
    configs = configurations({}, preset)
    assert len(configs) == dataset * runs
    assert {config.rec_dist for config in configs} == {"bernoulli"}
    assert all(config.epochs == (50 if config.dataset == "dsprites" else 100) for config in configs)
    assert len(configurations({"dataset": ["fashion", "digits"]}, preset)) == 2 * runs
    assert {config.importance_samples for config in configs} == {100 if preset == "figure5" else 0}
    fashion = configurations({"dataset": "fashion", "rec_dist": "gaussian", "epochs": 1}, preset)
    assert len(fashion) == runs
    assert all(c.experiment.startswith("dataset-fashion_rec-dist-gaussian_loss-") and c.epochs == 1 for c in fashion)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_scale_makes_the_runs_of_a_preset_smaller_or_not(preset):
    assert configurations({}, preset, scale="paper") == configurations({}, preset)
    day = configurations({}, preset, scale="day")
    assert [config.experiment for config in day] == names({}, preset)
    for config in day:
        sizes = (10, 100_000, 10_000) if config.dataset == "dsprites" else (15, None, None)
        assert (config.epochs, config.train_size, config.test_size, config.lr) == (*sizes, 1e-4)
    quick = configurations({}, preset, scale="quick")
    assert {config.experiment for config in quick} < set(names({}, preset))
    assert {(config.train_size, config.test_size, config.lr) for config in quick} == {(10_000, 1000, 1e-3)}
    assert {config.loss for config in quick} == {config.loss for config in day}


def test_flags_change_what_a_scale_has():
    flags = {"GJS_A": [0.2, 0.25], "loss": ["GJS"], "epochs": 3, "lr": 0.5}
    configs = configurations(flags, "figure3", scale="quick")
    assert [config.loss_options["GJS_A"] for config in configs] == [0.2, 0.25]
    assert {(config.epochs, config.lr, config.train_size) for config in configs} == {(3, 0.5, 10_000)}


def test_table_1_has_every_row():
    configs = {config.experiment: config for config in configurations({"dataset": "mnist"}, "table1")}
    prefix = "dataset-mnist_rec-dist-bernoulli_loss-"
    skewed = [f"{loss}_GJS-A-0.{n}" for loss in ("GJS", "dGJS") for n in range(1, 10)]
    losses = ["KL", "rKL", "betaH", "MMD", "tGJS", "tdGJS", *skewed]
    assert list(configs) == [prefix + loss for loss in losses]
    assert configs[prefix + "betaH"].loss_options == {"betaH_B": 4.0}
    assert configs[prefix + "MMD"].loss_options == {"MMD_B": 500.0}
    assert configs[prefix + "dGJS_GJS-A-0.3"].loss_options == {"GJS_A": 0.3, "GJS_B": 1.0, "GJS_invA": True}


def test_the_zoo_has_every_objective_with_three_weights_where_there_is_one():
    configs = [config for config in configurations({}, "zoo") if config.loss in OUR_LOSSES]
    assert {config.loss for config in configs} == set(OUR_LOSSES)
    assert {(config.rec_dist, config.epochs) for config in configs} == {("gaussian", 15)}
    assert len(configs) == 2 * 2 * (8 + 22 * 3)  # data sets and seeds; without and with a weight
    hellinger = configurations({"seed": 1, "dataset": "mnist", "loss": "Hellinger"}, "zoo")
    assert [config.loss_options["hellinger_B"] for config in hellinger] == [6.25, 25, 100]


def test_flags_change_a_preset():
    given = {"dataset": "mnist", "GJS_A": 0.3, "seed": [0, 1], "loss": ["tGJS", "GJS"]}
    prefix = "dataset-mnist_rec-dist-bernoulli_loss-"
    expected = [
        prefix + rest for rest in ("tGJS_seed-0", "tGJS_seed-1", "GJS_seed-0_GJS-A-0.3", "GJS_seed-1_GJS-A-0.3")
    ]
    assert names(given, "table1") == expected
    before = json.dumps(PRESETS)
    assert names({"betaH_B": 2.0, "dataset": "mnist"}, "beta") == [prefix + "betaH_betaH-B-2"]
    assert json.dumps(PRESETS) == before
    with pytest.raises(OptionError, match="--loss InfoVAE: --preset beta has betaH"):
        names({"loss": "InfoVAE"}, "beta")
    with pytest.raises(OptionError, match="--GJS-A is not an option of --loss KL"):
        names({"loss": "KL", "GJS_A": 0.1}, "table1")


# From configurations to runs


def test_members_are_ordinary_runs_and_a_sweep_goes_on_where_it_stopped(runtime, capsys):
    sweep("exp", grid(loss=["KL", "GJS"]), runtime)
    for config in grid(loss=["KL", "GJS"]):
        run(config, runtime)
        for name in (MODEL, EVALUATION):
            alone = (runtime.results_dir / config.experiment / name).read_bytes()
            assert files(runtime, named=name)[config.experiment] == alone
    assert [member.config for member in saved_runs(runtime.results_dir / "exp")] == grid(loss=["GJS", "KL"])
    for member in saved_runs(runtime.results_dir / "exp"):
        assert member.evaluation == json.loads((member.folder / EVALUATION).read_text())
    before = files(runtime, named="*")
    capsys.readouterr()
    sweep("exp", grid(loss=["KL", "rKL", "GJS"]), runtime)
    out = capsys.readouterr().out
    assert (
        "[1/3] loss-KL: ended before, skipped\n[3/3] loss-GJS: ended before, skipped\n[2/3] loss-rKL: begins\n" in out
    )
    assert "[2/3] loss-rKL: ended, test squared error " in out
    after = files(runtime, named="*")
    assert after.pop("loss-rKL")
    assert after == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_sweep_that_broke_off_goes_on_to_the_same_bits(runtime, monkeypatch, capsys, error):
    configs = grid(loss=["KL", "tGJS", "rKL"], epochs=3)
    sweep("whole", configs, runtime)
    epochs = []
    train_epoch = Trainer.train_epoch

    def breaking(trainer):
        epochs.append(1)
        if len(epochs) == 5:
            raise error
        return train_epoch(trainer)

    with monkeypatch.context() as patch, pytest.raises(Interrupted if error is KeyboardInterrupt else error) as caught:
        patch.setattr(Trainer, "train_epoch", breaking)
        sweep("exp", configs, runtime)
    if error is KeyboardInterrupt:
        assert str(caught.value).startswith("interrupted; 1 of 3 runs have ended, ")
    assert [(member.config.loss, member.ended) for member in saved_runs(runtime.results_dir / "exp")] == [
        ("KL", True),
        ("tGJS", False),
    ]
    capsys.readouterr()
    sweep("exp", configs, runtime)
    out = capsys.readouterr().out
    going_on = out.partition("[2/3] loss-tGJS: goes on\n")[2].partition("[2/3]")[0]
    assert [line.split()[0] for line in going_on.splitlines() if "/3 " in line] == ["2/3", "3/3"]
    for name in (MODEL, EVALUATION):
        assert files(runtime, named=name) == files(runtime, named=name, experiment="whole")


def test_another_configuration_under_the_same_name_is_refused(runtime):
    sweep("exp", grid(seed=[1, 2]), runtime)
    before = files(runtime, named="*")
    for other, message in (
        ({"lr": 1e-3}, r"exp/seed-1 has --lr 0.0001, not 0.001: choose another name, or --overwrite to replace it"),
        ({"epochs": 3}, r"exp/seed-1 has --epochs 2, not 3"),
        ({"loss": "KL"}, r"exp/seed-1 has --loss GJS, not KL"),
        ({"GJS_A": 0.1}, r"exp/seed-1 has --GJS-A 0.5, not 0.1"),
    ):
        with pytest.raises(ResultsError, match=message):
            sweep("exp", grid(seed=[0, 1], **other), runtime)
    assert files(runtime, named="*") == before
    pages = [runtime.results_dir / "exp" / name for name in (REPORT, TABLE, "alpha_dataset-x_rec-dist-y.png", "my.png")]
    for page in pages:
        page.write_text("of the runs before")
    sweep("exp", grid(seed=[0, 1], lr=1e-3), runtime, mode="overwrite")
    assert [page.exists() for page in pages] == [False, False, False, True]
    pages[0].write_text("of the runs there")
    sweep("exp", grid(seed=[3, 4], lr=1e-3), runtime, mode="overwrite")
    assert pages[0].exists(), "nothing was replaced"
    after = files(runtime, named=MODEL)
    assert after.keys() == {"seed-0", "seed-1", "seed-2", "seed-3", "seed-4"}
    assert after["seed-1"] != before["seed-1"]


def test_a_grid_that_cannot_be_compiled_replaces_nothing(runtime, monkeypatch):
    sweep("exp", grid(seed=[1, 2]), runtime)
    before = files(runtime, named="*")
    monkeypatch.setattr("utils.runs.runtime.lacking_for_compile", lambda device: "a C++ compiler")
    with pytest.raises(MachineError, match=r"needs a C\+\+ compiler: install it, or begin with --no-compile"):
        sweep("exp", grid(seed=[1, 2], compile=True), runtime, mode="overwrite")
    assert files(runtime, named="*") == before


def test_an_interruption_while_a_grid_is_cleared_does_not_promise_what_was_there(runtime, monkeypatch):
    sweep("exp", grid(seed=[1, 2]), runtime)
    clear = ResultsFolder.clear

    def interrupted(folder):
        if folder.path.name == "seed-2":
            raise KeyboardInterrupt
        clear(folder)

    monkeypatch.setattr(ResultsFolder, "clear", interrupted)
    with pytest.raises(Interrupted, match="that are replaced are cleared: the same command clears the other"):
        sweep("exp", grid(seed=[1, 2]), runtime, mode="overwrite")
    monkeypatch.undo()
    sweep("exp", grid(seed=[1, 2]), runtime, mode="overwrite")
    assert files(runtime, named=MODEL).keys() == {"seed-1", "seed-2"}


def test_overwriting_that_is_interrupted_goes_on_without_it_and_keeps_what_is_the_users(runtime, monkeypatch):
    configs = grid(seed=[1, 2, 3])
    sweep("exp", configs, runtime)
    before = files(runtime, named=MODEL)
    (runtime.results_dir / "exp" / "seed-3" / "notes.txt").write_text("mine")
    train_epoch, seeds = Trainer.train_epoch, []

    def interrupted(trainer):
        seeds.append(trainer.settings.seed)
        if seeds.count(2) == 2:  # the first is its trial, before anything is overwritten
            raise KeyboardInterrupt
        return train_epoch(trainer)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_epoch", interrupted)
        with pytest.raises(Interrupted, match="the same command without --overwrite goes on"):
            sweep("exp", grid(seed=[1, 2, 3], lr=1e-3), runtime, mode="overwrite")
    first = files(runtime, named=MODEL)
    assert first.keys() == {"seed-1"}
    sweep("exp", grid(seed=[1, 2], lr=1e-3), runtime)
    assert files(runtime, named=MODEL)["seed-1"] == first["seed-1"] != before["seed-1"]
    sweep("exp", grid(seed=[3], lr=[1e-3]), runtime, mode="overwrite")
    assert files(runtime, named="notes.txt").keys() == {"seed-3"}


def test_a_folder_that_is_something_else_is_refused(runtime):
    run(RunConfig.from_flags("exp", SMALL), runtime)
    with pytest.raises(ResultsError, match="exp is a single run: choose another name"):
        sweep("exp", grid(seed=[0, 1]), runtime)
    (runtime.results_dir / "other" / "seed-1").mkdir(parents=True)
    (runtime.results_dir / "other" / "seed-1" / "precious").write_text("mine")
    with pytest.raises(ResultsError, match="other/seed-1 exists: choose another name"):
        sweep("other", grid(seed=[0, 1]), runtime)
    assert [path.name for path in (runtime.results_dir / "other").iterdir()] == ["seed-1"]


def test_data_are_looked_at_before_the_first_run_begins(runtime, tmp_path):
    def write(seed):
        np.savez(tmp_path / "mine.npz", images=np.random.RandomState(seed).rand(60, 32, 32))

    write(0)
    mine = {"dataset": f"npz:{tmp_path / 'mine.npz'}"}
    with pytest.raises(DatasetError, match="npz:mine.npz has 6 test images; a size of 7"):
        sweep("exp", grid(**mine, test_size=[5, 7]), runtime)
    assert not runtime.results_dir.exists()
    mine["test_size"] = 5
    sweep("exp", grid(**mine, seed=[0, 1]), runtime)
    write(1)
    sweep("exp", grid(**mine, seed=[0, 1]), runtime)  # nothing to train, so nothing to look at
    with pytest.raises(DatasetError, match="the run began with other data"):
        sweep("exp", grid(**mine, seed=[0, 1, 2]), runtime)


def test_a_run_that_fails_does_not_stop_the_others(runtime, capsys):
    with pytest.raises(SweepFailed, match=r"^1 of 3 runs failed: lr-1e\+30$"):
        sweep("exp", grid(lr=[1e-4, 1e30, 1e-3]), runtime)
    out = capsys.readouterr().out
    assert "[2/3] lr-1e+30: failed, the term " in out
    assert files(runtime, named=MODEL).keys() == {"lr-0.0001", "lr-0.001"}


def test_a_first_run_that_fails_has_no_duration_and_does_not_stop_the_others(runtime, capsys):
    with pytest.raises(SweepFailed, match=r"^1 of 2 runs failed: lr-1e\+30$"):
        sweep("exp", grid(lr=[1e30, 1e-3], train_size=30, batch_size=1), runtime, timed=True)
    assert capsys.readouterr().out.startswith("2 runs\n")
    assert files(runtime, named=MODEL).keys() == {"lr-0.001"}


def test_an_error_of_the_program_stops_one_run_only(runtime, monkeypatch, capsys):
    save_model = ResultsFolder.save_model

    def broken(folder, state):
        save_model(folder, state if folder.path.name == "seed-1" else {"a": (n for n in ())})

    monkeypatch.setattr(ResultsFolder, "save_model", broken)
    with pytest.raises(SweepFailed, match="1 of 2 runs failed: seed-0"):
        sweep("exp", grid(seed=[0, 1]), runtime)
    out, err = capsys.readouterr()
    assert re.search(r"\[1/2\] seed-0: failed, TypeError, see above.*\n\[2/2\] seed-1: begins\n", out)
    assert "Traceback" in err


def test_a_file_that_cannot_be_used_is_one_line(runtime, monkeypatch, capsys):
    def full(folder, state):
        raise OSError(28, "No space left on device", "model.pt")

    monkeypatch.setattr(ResultsFolder, "save_model", full)
    with pytest.raises(SweepFailed):
        sweep("exp", grid(seed=[0, 1]), runtime)
    said = (
        "[1/2] seed-0: failed, model.pt cannot be used (No space left on device): check its place and your permissions"
    )
    assert said in capsys.readouterr().out


def test_a_want_of_memory_is_one_line(runtime, monkeypatch, capsys):
    def full(folder, state):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(ResultsFolder, "save_model", full)
    with pytest.raises(SweepFailed):
        sweep("exp", grid(seed=[0, 1]), runtime)
    out, err = capsys.readouterr()
    assert "[1/2] seed-0: failed, there is not enough memory for this: a smaller --batch-size" in out
    assert err == ""


def test_evaluation_alone_is_for_runs_that_have_ended(runtime):
    configs = grid(seed=[0, 1])
    with pytest.raises(ResultsError, match="exp/seed-0 has not ended: leave --is-eval-only out"):
        sweep("exp", configs, runtime, mode="is_eval_only")
    assert not runtime.results_dir.exists()
    sweep("exp", configs, runtime)
    before = files(runtime, named="*")
    (runtime.results_dir / "exp" / "seed-1" / EVALUATION).unlink()
    sweep("exp", configs, runtime, mode="is_eval_only")
    assert files(runtime, named="*") == before


def test_evaluation_alone_measures_what_the_runs_do_by_themselves(runtime):
    sweep("exp", grid(seed=[0, 1], importance_samples=3), runtime)
    before = files(runtime, named="*")
    (runtime.results_dir / "exp" / "seed-1" / EVALUATION).unlink()
    sweep("exp", grid(seed=[0, 1]), runtime, mode="is_eval_only")
    assert files(runtime, named="*") == before


# As a process

VECTORS = {"dataset": "mixture2d", "train_size": 300, "test_size": 50}


def command(results_dir, *flags):
    """The arguments for a sweep of two side by side."""
    line = f"exp --dataset mixture2d --train-size 300 --test-size 50 --no-cuda --jobs 2 --results-dir {results_dir}"
    return [*line.split(), *flags]


def start(results_dir, *flags):
    """Start a sweep of two as a process, with one thread: bits may depend on the number of threads."""
    return subprocess.Popen(
        [sys.executable, command_line.__file__, *command(results_dir, *flags)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


def test_one_run_is_not_told_as_several(runtime, capsys, monkeypatch):
    monkeypatch.setattr("utils.grids.sweep.duration", lambda *work, **elsewhere: ", about 5 seconds")
    sweep("exp", configurations({**VECTORS, "loss": "KL", "seed": [1], "epochs": 1}), runtime, timed=True)
    assert capsys.readouterr().out.startswith("1 run, about 5 seconds\n")


def test_runs_that_failed_are_named_also_where_a_page_of_the_others_cannot_be(runtime, capsys):
    flags = "-d digits --train-size 50 --test-size 20 --no-cuda -l KL --seed 1 2 --lr 1e30 -e 1 --explore".split()
    with pytest.raises(SystemExit) as end:
        command_line.main(["exp", *flags, "--results-dir", str(runtime.results_dir)], draw=None)
    assert (end.value.code, capsys.readouterr().err) == (1, "main.py: 2 of 2 runs failed: seed-1, seed-2\n")


@pytest.mark.slow
def test_side_by_side_gives_the_same_bits_as_in_turn_and_one_may_fail(runtime, monkeypatch, capfd):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as in this process: bits depend on it
    with pytest.raises(SystemExit) as end:
        command_line.main(command(runtime.results_dir, "-e", "2", "--loss", "KL", "--lr", "1e-4", "1e30"), draw=None)
    out, err = capfd.readouterr()
    assert (end.value.code, err) == (1, "main.py: 1 of 2 runs failed: lr-1e+30\n")
    assert out.startswith("[1/2] lr-0.0001: begins\n[2/2] lr-1e+30: begins\n")
    assert len(out.splitlines()) == 4
    with pytest.raises(SweepFailed):
        sweep("in-turn", configurations({**VECTORS, "epochs": 2, "loss": "KL", "lr": [1e-4, 1e30]}), runtime)
    for name in (MODEL, EVALUATION):
        assert files(runtime, named=name).keys() == {"lr-0.0001"}
        assert files(runtime, named=name) == files(runtime, named=name, experiment="in-turn")


def wait_until_free(path):
    """Wait until no process is at work in a folder."""
    while True:
        with suppress(ResultsError), ResultsFolder(path).held():
            return
        time.sleep(0.05)


LONG = configurations({**VECTORS, "epochs": 60, "seed": [0, 1]})


@pytest.fixture
def whole(made_once, runtime):
    """Where the long runs are that nothing ended."""

    def fill(folder):
        sweep("exp", LONG, replace(runtime, results_dir=folder))

    return replace(runtime, results_dir=made_once("long sweep", fill))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["SIGINT", "SIGHUP", "kill"])
def test_a_killed_process_leaves_nobody_at_work_and_goes_on_to_the_same_bits(how, runtime, whole):
    process = start(runtime.results_dir, "-e", "60", "--seed", "0", "1")
    runs = [runtime.results_dir / "exp" / f"seed-{seed}" for seed in (0, 1)]
    while not all((path / METRICS).exists() for path in runs):
        assert process.poll() is None
        time.sleep(0.02)
    if how == "kill":
        process.kill()
    else:
        os.killpg(process.pid, getattr(signal, how))  # a terminal sends it to the whole group
    _, err = process.communicate()
    if how != "kill":
        assert process.returncode == 130
        told = "interrupted" if how == "SIGINT" else "ended by SIGHUP"
        assert re.fullmatch(rf"main.py: {told}; . of 2 runs have ended, .*: the same command goes on\n", err)
    for path in runs:
        wait_until_free(path)
    assert not all(member.ended for member in saved_runs(runtime.results_dir / "exp"))
    sweep("exp", LONG, runtime)
    for name in (MODEL, EVALUATION):
        assert files(runtime, named=name) == files(whole, named=name)
