"""The configuration of a run: made of flags, checked, and written and read as JSON."""

import json
from dataclasses import asdict, dataclass, replace

import numpy as np
import pytest

import main as command_line
from saved_groups import change
from small_runs import config
from utils.flags import build_parser
from utils.grids.grid import configurations
from utils.runs.config import COMPOSED, RunConfig, read_config, reconcile, settings_from
from utils.runs.folder import CONFIG, ResultsError, ResultsFolder
from utils.runs.run import run
from vae.options import OptionError, setting
from vae.training.settings import TrainingSettings
from written_runs import write_run


@dataclass(frozen=True, kw_only=True)
class NewerTraining(TrainingSettings):
    made_up: int = setting(0, "steps that nobody knows of", minimum=0)


@dataclass(frozen=True)
class Newer(NewerTraining, RunConfig):
    """A configuration with a setting of the loop that is new."""


def parse(*flags):
    return vars(build_parser({"training": NewerTraining}).parse_args(["exp", *flags]))


def test_configuration_round_trip_and_bounds():
    made = RunConfig.from_flags("exp", {"loss": "dGJS", "GJS_A": 0.3, "epochs": 5})
    assert RunConfig(**asdict(made)) == made
    assert RunConfig.from_flags("exp", {"loss": "fwdKL"}).loss == "rKL"
    for wrong in ({"epochs": 0}, {"lr": 0.0}, {"lr": float("nan")}, {"dataset": "nothing"}, {"batch_size": 2.5}):
        with pytest.raises(OptionError, match=f"^--{next(iter(wrong)).replace('_', '-')} "):
            RunConfig.from_flags("exp", wrong)
        with pytest.raises(OptionError, match=f"^--{next(iter(wrong)).replace('_', '-')} "):
            replace(made, **wrong)
    for name in ("", ".", "..", "a/b", "a\\b", ".hidden", "a\nb"):
        with pytest.raises(ResultsError, match="experiment name"):
            RunConfig(name, loss="KL")


def test_what_is_left_out_is_as_the_loss_the_data_or_the_setting_has_it():
    made = RunConfig.from_flags("exp", {"dataset": "mixture2d", "loss": "InfoVAE", "lr": 1})
    assert (made.rec_dist, made.latent_dim, made.epochs) == ("normal-diagonal", 1, 60)
    assert (made.batch_size, made.seed, made.test_size) == (64, 1234, None)
    assert made.loss_options == {"info_alpha": 0.0, "info_lambda": 500.0, "info_divergence": "mmd"}
    assert isinstance(made.lr, float)
    assert RunConfig.from_flags("exp", {"loss": "CatVAE", "classes": 3}).latent_dim == 6


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"loss": "GJS"}, "expected all of --loss GJS, see from_flags"),
        ({"loss": "fwdKL"}, "--loss fwdKL: expected rKL, of which it is an alias"),
        ({"loss": "KL", "dataset": "mixture2d"}, "--rec-dist bernoulli: --dataset mixture2d has vectors"),
        ({"loss": "KL", "latent_dim": None}, "--latent-dim None: expected a whole number"),
    ],
)
def test_a_record_that_is_not_whole_is_refused(wrong, message):
    with pytest.raises(OptionError, match=message):
        RunConfig("exp", **wrong)


def test_a_record_without_what_is_younger_has_its_defaults():
    made = RunConfig.from_flags("exp", {"loss": "GJS", "GJS_A": 0.3})
    record = json.loads(json.dumps({**asdict(made), "data": {}, "ended_after": 1}))
    assert RunConfig.from_record(record) == made
    del record["compile"], record["precision"], record["loss_options"]["GJS_invA"]
    assert RunConfig.from_record(record) == made


def test_a_new_setting_of_the_loop_has_its_flag_its_help_and_its_place_in_a_configuration(capsys):
    with pytest.raises(SystemExit):
        parse("--help")
    assert "--made-up N" in (shown := " ".join(capsys.readouterr().out.split()))
    assert "steps that nobody knows of (0 or more; default: 0)" in shown
    assert parse("--made-up", "5", "10")["made_up"] == [5, 10]
    made = Newer.from_flags("exp", {"loss": "KL", "made_up": 5})
    assert made.flags()["made_up"] == 5
    assert Newer.from_record(json.loads(json.dumps(asdict(made)))) == made
    assert Newer.from_record({k: v for k, v in asdict(made).items() if k != "made_up"}).made_up == 0
    with pytest.raises(OptionError, match="--made-up 6: the saved run has 5"):
        reconcile(made, {"made_up": 6}, changeable=("epochs",))


def test_the_loop_is_given_its_settings_and_no_others():
    made = RunConfig.from_flags("exp", {"loss": "KL", "noise": 0.1, "seed": 3, "compile": True})
    settings = made.training(compiled=False)
    assert type(settings) is TrainingSettings
    assert (settings.noise, settings.seed, settings.compile) == (0.1, 3, False)


def test_a_network_has_options_of_its_own():
    made = RunConfig.from_flags("exp", {"loss": "KL", "network": "resnet", "width": 4})
    assert made.network_options == {"width": 4, "depth": 1, "norm": "group"}
    assert made.flags().items() >= {"network": "resnet", "width": 4, "norm": "group"}.items()
    assert RunConfig.from_record(json.loads(json.dumps(asdict(made)))) == made
    with pytest.raises(OptionError, match="^--width is not an option of --network burgess: it belongs to resnet$"):
        RunConfig.from_flags("exp", {"loss": "KL", "width": 4})
    with pytest.raises(OptionError, match="^--network resnet: expected|^options .*: expected all of --network resnet"):
        replace(made, network_options={})
    with pytest.raises(OptionError, match="^--width 5: the saved run has 4; leave the flag out"):
        reconcile(made, {"width": 5}, changeable=("epochs",))
    with pytest.raises(OptionError, match="^--hidden-units is not an option of the saved run's --network resnet"):
        reconcile(made, {"hidden_units": 5}, changeable=("epochs",))


@pytest.mark.parametrize(("dataset", "network"), [("digits", "burgess"), ("mixture2d", "mlp")])
def test_a_record_of_before_there_were_networks_has_the_one_there_was(dataset, network):
    made = RunConfig.from_flags("exp", {"loss": "KL", "dataset": dataset})
    assert made.network == network
    record = {name: value for name, value in asdict(made).items() if name not in ("network", "network_options")}
    assert RunConfig.from_record(json.loads(json.dumps(record))) == made


def test_no_two_parts_of_a_model_share_a_flag():
    registries = COMPOSED.values()
    parts = [{option.name for entry in registry.values() for option in entry.options} for registry in registries]
    parts.append({*RunConfig.options()})
    assert sum(map(len, parts)) == len(set().union(*parts))


def test_a_run_begins_with_the_settings_of_another(runtime):
    made = config("old", loss="GJS", GJS_A=0.3, dataset="digits", network="mlp", hidden_units=5, epochs=1)
    run(made, runtime)
    file = runtime.results_dir / "old" / CONFIG
    assert RunConfig.from_flags("old", settings_from(file, {})) == made
    other = RunConfig.from_flags("new", settings_from(file, {"seed": 7, "loss": "KL", "hidden_units": 6}))
    assert (other.seed, other.loss, other.loss_options, other.network_options["hidden_units"]) == (7, "KL", {}, 6)
    assert (other.network, other.lr, other.train_size) == ("mlp", made.lr, made.train_size)
    several = configurations(settings_from(file, {"loss": ["KL", "dGJS"], "GJS_A": [0.1, 0.2]}))
    assert [one.experiment for one in several] == ["loss-KL", "loss-dGJS_GJS-A-0.1", "loss-dGJS_GJS-A-0.2"]
    assert RunConfig.from_flags("old", settings_from(file, {"loss": "GJS", "network": "mlp"})) == made
    again, dual = configurations(settings_from(file, {"loss": ["GJS", "dGJS"]}))
    assert again == replace(made, experiment="loss-GJS")
    assert dual.loss_options["GJS_A"] == 0.3


def test_a_loss_that_settles_the_latent_dim_leaves_it_to_another(runtime):
    run(config("old", loss="CatVAE", classes=2, dataset="digits", latent_dim=None, epochs=1), runtime)
    file = runtime.results_dir / "old" / CONFIG
    assert RunConfig.from_flags("same", settings_from(file, {})).latent_dim == 4
    assert RunConfig.from_flags("other", settings_from(file, {"loss": "KL"})).latent_dim == 10
    run(config("free", loss="KL", dataset="digits", latent_dim=7, epochs=1), runtime)
    file = runtime.results_dir / "free" / CONFIG
    assert RunConfig.from_flags("settled", settings_from(file, {"loss": "CatVAE"})).latent_dim == 20
    several = configurations(settings_from(file, {"loss": ["KL", "CatVAE"]}))
    assert [one.latent_dim for one in several] == [7, 20]


def test_another_prior_has_its_own_number_of_components(runtime):
    run(config("old", loss="KL", prior="vamp", prior_components=3, dataset="digits", epochs=1), runtime)
    file = runtime.results_dir / "old" / CONFIG
    assert RunConfig.from_flags("same", settings_from(file, {"prior": "vamp"})).prior_components == 3
    assert RunConfig.from_flags("other", settings_from(file, {"prior": "standard"})).prior_components is None
    assert settings_from(file, {"prior": ["vamp", "mixture"]})["prior_components"] == 3


def test_data_at_a_path_are_not_taken_from_wherever_their_name_leads(runtime, tmp_path):
    np.savez(tmp_path / "mine.npz", images=np.arange(4 * 32 * 32, dtype="uint8").reshape(4, 32, 32))
    run(config("old", loss="KL", dataset=f"npz:{tmp_path / 'mine.npz'}", epochs=1, train_size=2, test_size=1), runtime)
    file = runtime.results_dir / "old" / CONFIG
    with pytest.raises(OptionError, match="of its data, npz:mine.npz, .*: add --dataset npz:PATH$"):
        settings_from(file, {})
    assert settings_from(file, {"dataset": "npz:elsewhere.npz"})["dataset"] == "npz:elsewhere.npz"


def test_an_image_size_is_that_of_data_that_are_resized(tmp_path):
    made = config("old", loss="KL", dataset=f"folder:{tmp_path}", image_size=32)
    write_run(tmp_path / "old", made, 10.0)
    for dataset, kept in (("digits", False), ("folder:elsewhere", True), (["digits", "folder:elsewhere"], False)):
        assert ("image_size" in settings_from(tmp_path / "old" / CONFIG, {"dataset": dataset})) == kept


def test_the_home_directory_may_be_short_in_the_path_of_a_configuration(runtime, monkeypatch):
    run(config("old", loss="KL", dataset="digits", network="mlp", epochs=1), runtime)
    monkeypatch.setenv("HOME", str(runtime.results_dir))
    monkeypatch.setenv("USERPROFILE", str(runtime.results_dir))  # on Windows
    command = command_line.read_command(["new", f"--config=~/old/{CONFIG}"], None)
    assert command.settings == settings_from(runtime.results_dir / "old" / CONFIG, {})


def test_what_is_no_configuration_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / CONFIG, tmp_path / "other.json"):
        with pytest.raises(ResultsError, match="^--config .*: expected the config.json of a run"):
            settings_from(path, {})


def test_another_prior_than_the_losss_own_leaves_the_options_of_that_out(runtime):
    run(config("old", loss="CS", components=3, dataset="digits", network="mlp", epochs=1), runtime)
    file = runtime.results_dir / "old" / CONFIG
    assert RunConfig.from_flags("same", settings_from(file, {"lr": 0.5})).loss_options["components"] == 3
    other = RunConfig.from_flags("other", settings_from(file, {"prior": "mixture"}))
    assert (other.prior, other.loss_options["components"]) == ("mixture", 10)


def test_a_run_from_before_an_option_was_refused_beside_a_prior_can_be_read(runtime):
    run(config("old", loss="CS", dataset="digits", network="mlp", epochs=1), runtime)
    change(runtime.results_dir / "old", prior="mixture", loss_options={"components": 3, "CS_B": 1.0})
    saved, _ = read_config(ResultsFolder(runtime.results_dir / "old"))
    assert (saved.prior, saved.loss_options["components"]) == ("mixture", 3)


def test_the_command_line_takes_a_configuration_from_a_file(runtime, capsys):
    run(config("old", loss="KL", dataset="digits", network="mlp", epochs=1), runtime)
    file = str(runtime.results_dir / "old" / CONFIG)
    command = command_line.read_command(["new", "--config", file, "--lr", "0.5"], None)
    assert command.settings == settings_from(runtime.results_dir / "old" / CONFIG, {"lr": 0.5})
    for other in ("--resume", "--is-eval-only", "--preset=beta"):
        with pytest.raises(SystemExit):
            command_line.read_command(["new", "--config", file, other], None)
        flag = other.partition("=")[0]
        assert f"main.py: --config and {flag} exclude each other" in capsys.readouterr().err
