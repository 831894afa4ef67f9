"""Sweeps whose runs are trained as one: their folders are those of runs alone."""

import json
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest
import torch

import main as command_line
import vae
from small_runs import metrics_of
from utils.grids import ensembles as grid_ensembles
from utils.grids.ensembles import ensembles, train_those_behind
from utils.grids.grid import configurations
from utils.grids.sweep import sweep
from utils.grids.tally import SweepFailed
from utils.machine import compilation
from utils.runs.config import RunConfig
from utils.runs.folder import (
    CHECKPOINT,
    CONFIG,
    EVALUATION,
    EVENTS,
    FILES,
    MODEL,
    PAGES,
    PICTURES,
    ResultsError,
    ResultsFolder,
)
from utils.runs.run import resume, run
from utils.runs.runtime import Interrupted
from vae.models.networks import NETWORKS
from vae.options import setting
from vae.training.ensemble import Ensemble

pytestmark = pytest.mark.slow

SMALL = {"dataset": "mixture2d", "train_size": 100, "test_size": 20, "batch_size": 16, "epochs": 3}


@pytest.fixture
def trained(monkeypatch):
    """How many runs each epoch has trained as one."""
    counts = []
    train_epoch = Ensemble.train_epoch

    def counting(ensemble):
        counts.append(len(ensemble.trainers))
        return train_epoch(ensemble)

    monkeypatch.setattr(Ensemble, "train_epoch", counting)
    return counts


def grid(**flags):
    return configurations(SMALL | flags)


def check_same(ours, theirs):
    """Two folders of runs are the same, to the rounding of float32."""
    assert sorted(path.name for path in ours.iterdir()) == sorted(path.name for path in theirs.iterdir())
    assert (ours / CONFIG).read_bytes() == (theirs / CONFIG).read_bytes()
    for line, other in zip(metrics_of(ours), metrics_of(theirs), strict=True):
        assert list(line) == list(other)
        assert line.pop("split") == other.pop("split")
        assert line == pytest.approx(other, rel=1e-4, abs=1e-5)
    evaluation, other = (json.loads((folder / EVALUATION).read_text()) for folder in (ours, theirs))
    assert {split: list(values) for split, values in evaluation.items()} == {s: list(v) for s, v in other.items()}
    for split in ("train", "test"):
        assert evaluation[split] == pytest.approx(other[split], rel=1e-4, abs=1e-4)
    for name in (MODEL, CHECKPOINT):
        state, other = (torch.load(folder / name, weights_only=True) for folder in (ours, theirs))
        for part in ("model", "loss"):
            torch.testing.assert_close(state[part], other[part], rtol=1e-3, atol=1e-4)
        assert state.keys() == other.keys()


def test_runs_of_the_same_data_networks_and_batches_are_trained_as_one():
    flags = {"loss": ["KL", "factor", "GJS"], "seed": [0, 1], "lr": [1e-4, 1e-3], "train_size": 100}
    found = [[config.experiment for config in members] for members in ensembles(configurations(flags))]
    assert found == [
        [f"loss-{loss}_lr-0.0001_seed-{seed}" for loss in ("KL", "GJS") for seed in (0, 1)],
        [f"loss-{loss}_lr-0.001_seed-{seed}" for loss in ("KL", "GJS") for seed in (0, 1)],
        ["loss-factor_lr-0.0001_seed-0"],
        ["loss-factor_lr-0.0001_seed-1"],
        ["loss-factor_lr-0.001_seed-0"],
        ["loss-factor_lr-0.001_seed-1"],
    ]
    for flags, sizes in (
        ({"latent_dim": [2, 3]}, [1, 1]),
        ({"noise": [0.0, 0.1]}, [1, 1]),
        ({"dataset": ["mnist", "fashion"]}, [1, 1]),
        ({"rec_dist": ["bernoulli", "laplace"], "epochs": [1, 2]}, [4]),
        ({"seed": list(range(10)), "batch_size": 1024}, [4, 4, 2]),
        ({"seed": [0, 1], "batch_size": 5000}, [1, 1]),
        ({"seed": [0, 1], "compile": True}, [2]),
    ):
        assert [len(members) for members in ensembles(configurations(flags))] == sizes


def test_runs_of_a_network_that_cannot_be_batched_train_alone(monkeypatch):
    flags = {"loss": "KL", "network": ["resnet", "mlp"], "seed": [0, 1]}
    for batchable, sizes in ((True, [2, 2]), (False, [1, 1, 2])):
        monkeypatch.setattr(NETWORKS["resnet"], "batchable", batchable)
        assert [len(members) for members in ensembles(configurations(flags))] == sizes


def test_runs_that_differ_in_a_setting_that_is_new_are_not_trained_as_one():
    @dataclass(frozen=True, kw_only=True)
    class Newer(RunConfig):
        made_up: int = setting(0, "a setting of the loop that nobody knows of")

    configs = [Newer.from_flags(f"run-{n}", {"seed": n, "loss": "KL", "made_up": n // 2}) for n in range(4)]
    assert [[config.experiment for config in members] for members in ensembles(configs)] == [
        ["run-0", "run-1"],
        ["run-2", "run-3"],
    ]


def test_the_folders_are_those_of_runs_alone(runtime, trained, capsys):
    configs = grid(loss=["KL", "tGJS", "MMD"], seed=[0, 1], evaluate_every=2)
    sweep("exp", configs, runtime, ensemble=True)
    assert trained == [6, 6, 6]
    out = capsys.readouterr().out
    assert "[4/6] loss-tGJS_seed-1: begins\n" in out
    assert "\nepoch 3/3  6 runs  loss " in out
    assert "[4/6] loss-tGJS_seed-1: ended, test squared error " in out
    for config in configs:
        run(config, runtime)
        folder = runtime.results_dir / "exp" / config.experiment
        check_same(folder, runtime.results_dir / config.experiment)
        assert {path.name for path in folder.iterdir()} == set(FILES) - {EVENTS, *PAGES, *PICTURES}
    vae.load(runtime.results_dir / "exp" / "loss-tGJS_seed-1")
    sweep("exp", configs, runtime, ensemble=True)
    assert "[1/6] loss-KL_seed-0: ended before, skipped\n" in capsys.readouterr().out


def test_the_command_line_turns_it_on_and_off(tmp_path, trained):
    command = f"exp -d mixture2d --train-size 100 --test-size 20 -e 1 --seed 0 1 --no-cuda --results-dir {tmp_path}"
    command_line.main([*command.split(), "--no-ensemble"], draw=None)
    command_line.main([*command.split(), "--overwrite"], draw=None)
    assert trained == []
    command_line.main([*command.split(), "--overwrite", "--ensemble"], draw=None)
    assert trained == [2]


@pytest.mark.slow
def test_an_interrupted_ensemble_goes_on_and_so_does_a_run_of_it_alone(runtime, trained, monkeypatch, capsys):
    configs = grid(seed=[0, 1, 2], epochs=4)
    append_metrics = ResultsFolder.append_metrics

    def interrupted(folder, record):
        append_metrics(folder, record)
        if (record["epoch"], folder.path.name) == (3, "seed-1"):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ResultsFolder, "append_metrics", interrupted)
        with pytest.raises(Interrupted, match="interrupted; 0 of 3 runs have ended, what others have is saved up to"):
            sweep("exp", configs, replace(runtime, checkpoint_every=10), ensemble=True)
    saved = [ResultsFolder(runtime.results_dir / "exp" / f"seed-{n}").load_checkpoint()["epoch"] for n in range(3)]
    assert saved == [3, 2, 2]
    resume("seed-2", configs[2].flags(), replace(runtime, results_dir=runtime.results_dir / "exp"))
    trained.clear()
    sweep("exp", configs, runtime, ensemble=True)
    assert trained == [1, 2], "the one that is behind, then both"
    for config in configs:
        run(config, runtime)
        check_same(runtime.results_dir / "exp" / config.experiment, runtime.results_dir / config.experiment)


@pytest.mark.slow
def test_the_runs_of_an_ensemble_are_compiled_all_or_none(runtime, monkeypatch, capsys):
    monkeypatch.setattr(torch, "compile", lambda function, **options: function)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(compilation, "missing_for_compile", lambda device: None)
    sweep("exp", grid(seed=[0, 1]), runtime, ensemble=True)
    assert "compiled" not in capsys.readouterr().out
    monkeypatch.setattr(compilation, "COMPILE_FROM", 20)  # what four epochs take, and three do not
    sweep("exp", grid(seed=[2, 3], epochs=[3, 4]), runtime, ensemble=True)
    assert capsys.readouterr().out.count("note: training is compiled first") == 1
    runs = {path.parent.name: json.loads(path.read_text()) for path in runtime.results_dir.glob("exp/*/config.json")}
    assert {name: run["compiled"] for name, run in runs.items()} == {
        **{f"seed-{seed}": False for seed in (0, 1)},
        **{f"epochs-{epochs}_seed-{seed}": True for seed in (2, 3) for epochs in (3, 4)},
    }


class Going:
    """Stands for a run."""

    def __init__(self, epoch, compiled, position=None):
        alone = {"position": position, "train_epoch": lambda: "alone"}
        self.trainer = SimpleNamespace(epoch=epoch, compiled=compiled, **alone)


def test_runs_that_go_on_compiled_and_others_and_within_an_epoch_train_one_after_the_other(trained, monkeypatch):
    class Ensemble:
        def __init__(self, trainers, progress):
            self.trainers = trainers

        def train_epoch(self):
            return [{"compiled": trainer.compiled} for trainer in self.trainers]

    monkeypatch.setattr(grid_ensembles, "Ensemble", Ensemble)
    runs = [Going(2, True), Going(2, False), Going(2, True), Going(3, True), Going(2, True, "within an epoch")]
    progress = SimpleNamespace(ensemble_line=trained.append)
    records = train_those_behind(runs, progress)
    assert records == {**{run: {"compiled": run.trainer.compiled} for run in runs[:3]}, runs[4]: "alone"}
    assert [len(records) for records in trained] == [1, 2]


def test_a_run_that_cannot_be_saved_takes_no_other_along(runtime, monkeypatch, capsys):
    append_metrics, save_checkpoint = ResultsFolder.append_metrics, ResultsFolder.save_checkpoint

    def interrupted(folder, record):
        append_metrics(folder, record)
        if (record["epoch"], folder.path.name) == (3, "seed-0"):
            raise KeyboardInterrupt

    def full(folder, state):
        if folder.path.name == "seed-1":
            raise ResultsError("the disk is full")
        save_checkpoint(folder, state)

    monkeypatch.setattr(ResultsFolder, "append_metrics", interrupted)
    monkeypatch.setattr(ResultsFolder, "save_checkpoint", full)
    with pytest.raises(Interrupted):
        sweep("exp", grid(seed=[0, 1, 2], epochs=4), replace(runtime, checkpoint_every=10), ensemble=True)
    checkpoints = [ResultsFolder(runtime.results_dir / "exp" / f"seed-{n}").load_checkpoint() for n in range(3)]
    assert [checkpoint and checkpoint["epoch"] for checkpoint in checkpoints] == [2, None, 2]
    assert "seed-1: the disk is full\n" in capsys.readouterr().out


def test_a_run_that_fails_does_not_stop_the_others(runtime, trained, monkeypatch, capsys):
    save_model = ResultsFolder.save_model

    def full(folder, state):
        if folder.path.name.startswith("seed-1"):
            raise ResultsError("cannot write model.pt (No space left on device)")
        save_model(folder, state)

    monkeypatch.setattr(ResultsFolder, "save_model", full)
    with pytest.raises(SweepFailed, match=r"^3 of 4 runs failed: seed-0_betaH-B-1e\+39, seed-1_"):
        sweep("exp", grid(loss="betaH", betaH_B=[2.0, 1e39], seed=[0, 1]), runtime, ensemble=True)
    out = capsys.readouterr().out
    assert trained == [4, 2, 2]
    assert "[2/4] seed-0_betaH-B-1e+39: failed, the term " in out
    assert "(epoch 1, batch 1); no epoch is saved: start again with other data, or a smaller " in out
    assert "[3/4] seed-1_betaH-B-2: failed, cannot write model.pt (No space left on device)\n" in out
    assert "[1/4] seed-0_betaH-B-2: ended, test squared error " in out


@pytest.mark.slow
@pytest.mark.parametrize(
    "message, line, shown",
    [
        ("a mistake", "RuntimeError, see above", "RuntimeError: a mistake"),
        ("CUDA error: out of memory", "there is not enough memory for this: a smaller --batch-size", ""),
    ],
)
def test_an_error_of_the_program_fails_the_runs_it_concerns(message, line, shown, runtime, monkeypatch, capsys):
    def broken(ensemble):
        raise RuntimeError(message)

    monkeypatch.setattr(Ensemble, "train_epoch", broken)
    with pytest.raises(SweepFailed, match="^2 of 3 runs failed: loss-KL, loss-rKL$"):
        sweep("exp", grid(loss=["KL", "factor", "rKL"], epochs=1), runtime, ensemble=True)
    out, err = capsys.readouterr()
    assert f"[1/3] loss-KL: failed, {line}" in out
    assert f"[3/3] loss-rKL: failed, {line}" in out
    assert shown in err
    assert bool(shown) == bool(err)
