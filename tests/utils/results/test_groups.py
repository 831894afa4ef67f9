"""Groups of saved runs: what they share, what they differ in, and the best of them."""

import json
import shutil

import pytest

from saved_groups import change, only
from utils.grids.saved import saved_runs
from utils.report.findings import read_findings
from utils.results.claims import read_columns
from utils.results.groups import (
    Model,
    by_configuration,
    by_dataset,
    estimate,
    evaluated,
    grouped,
    merged,
    values,
    with_best,
)
from utils.results.reading import read_groups
from utils.runs.config import RunConfig
from utils.runs.folder import CONFIG, EVALUATION, ResultsError
from written_runs import EVIDENCE, write_grid, write_run


def test_runs_with_a_loss_are_families_by_its_other_options(reference):
    group = only(read_groups(reference / "lambda", "lambda"))
    assert group.losses == ["GJS"]
    first, second = group.families("GJS")
    assert (first.flag, second.flag) == ("GJS_A", "GJS_A")
    assert [first.told, second.told] == [{"GJS_B": 1.0}, {"GJS_B": 2.0}], "the defaults come first"
    assert [first.told_label, second.told_label] == ["λ = 1", "λ = 2"]
    assert list(second.series) == [0.1, 0.5] and second.is_curve
    (run,) = second.series[0.1]
    assert run.config.loss_options.items() >= {"GJS_A": 0.1, "GJS_B": 2.0}.items()
    assert group.series("GJS") == first.series
    assert [run.config.loss_options["GJS_B"] for run in first.runs] == [1, 1]
    assert [run.config.loss_options["GJS_A"] for run in first.runs] == [0.1, 0.5]
    assert group.of("GJS") == group.runs
    assert group.of("KL") == [] and group.families("KL") == [] and group.series("KL") == {}


def test_losses_are_in_the_order_of_tables_and_those_that_sweep_nothing_are_no_curve(reference):
    group = only(read_groups(reference / "table1", "table1"))
    assert group.losses == ["KL", "rKL", "betaH", "MMD", "GJS", "tGJS", "dGJS", "tdGJS"]
    (family,) = group.families("MMD")
    assert (family.flag, family.told, list(family.series), family.is_curve) == (None, {}, [None], False)
    (family,) = group.families("betaH")
    assert (family.flag, family.told, list(family.series), family.is_curve) == ("betaH_B", {}, [4.0], False)


def test_families_may_be_over_a_setting_that_a_group_does_not_share(reference):
    noise = {"loss": ["KL", "tGJS"], "noise": [0.5, 1.0]}
    group = only(read_groups(reference / "noise", over="noise", **noise))
    for loss in ("KL", "tGJS"):
        (family,) = group.families(loss, over="noise")
        assert (family.flag, list(family.series), family.told) == ("noise", [0.5, 1.0], {})
    assert [family.told_label for family in group.families("KL")] == ["noise = 0.5", "noise = 1"]


def test_what_is_not_at_its_default_is_told_where_all_runs_have_it(reference):
    group = only(read_groups(reference / "alpha-starts", loss=["tGJS"], GJS_A=[0.1, 0.9]))
    assert [family.told for family in group.families("tGJS")] == [{"GJS_A": 0.1}, {"GJS_A": 0.9}]
    (family,) = group.families("tGJS", over="GJS_A")
    assert list(family.series) == [0.1, 0.9]


def test_runs_that_differ_in_their_seed_stand_together(copied, capsys):
    folder = copied("beta")
    shutil.copytree(folder / "dataset-digits_rec-dist-gaussian_loss-betaH_betaH-B-4", folder / "another")
    change(folder / "another", seed=7)
    group = only(read_groups(folder, "beta"))
    assert sorted(run.config.seed for run in group.series("betaH")[4.0]) == [7, 1234]
    assert "seed 7, 1234" in capsys.readouterr().out


def test_groups_are_merged_where_they_share_all_settings(reference):
    lists = [read_groups(reference / name, name) for name in ("table1", "lambda", "beta")]
    assert len(only(merged(*lists)).runs) == 10 + 4 + 2
    noisy = read_groups(reference / "noise", loss=["KL", "tGJS"], noise=[0.5, 1.0])
    assert len(merged(*lists, noisy)) == 3
    assert {name: len(own) for name, own in by_dataset(merged(*lists, noisy)).items()} == {"digits": 3}


def test_a_quantity_is_what_the_evaluation_says(reference):
    runs = only(read_groups(reference / "beta", "beta")).runs
    for split in ("train", "test"):
        said = [json.loads((run.folder / EVALUATION).read_text())[split]["squared_error"] for run in runs]
        assert evaluated(runs, "squared_error", split) == said


def test_an_estimate_has_the_value_of_each_seed(copied):
    folder = copied("beta")
    run = folder / "dataset-digits_rec-dist-gaussian_loss-betaH_betaH-B-4"
    shutil.copytree(run, folder / "another")
    change(folder / "another", seed=7)
    content = json.loads((run / EVALUATION).read_text())
    content["train"]["squared_error"] += 3
    (folder / "another" / EVALUATION).write_text(json.dumps(content))
    found = estimate(only(read_groups(folder, "beta")).series("betaH")[4.0], "squared_error", "train")
    assert found.values.keys() == {7, 1234}
    assert found.values[7] - found.values[1234] == pytest.approx(3)


def test_the_best_skew_is_that_of_the_least_error_on_training_images(copied):
    folder = copied("table1")
    for alpha, error in ((0.1, 7.0), (0.5, 6.0)):
        path = folder / f"dataset-digits_rec-dist-gaussian_loss-GJS_GJS-A-{alpha}" / EVALUATION
        evaluation = json.loads(path.read_text())
        evaluation["train"]["squared_error"], evaluation["test"]["squared_error"] = error, -error
        path.write_text(json.dumps(evaluation))
    groups = read_groups(folder, "table1")
    before, after = only(groups), only(with_best(groups))
    assert list(before.series("GJS")) == [0.1, 0.5]
    assert list(after.series("GJS")) == [0.5]
    assert len(after.series("dGJS")) == 1
    for loss in set(before.losses) - {"GJS", "dGJS"}:
        assert before.of(loss) == after.of(loss)


def test_the_best_weight_of_beta_vae_is_chosen_alike(copied):
    folder = copied("beta")
    for beta, error in ((0.5, 7.0), (4, 6.0)):
        path = folder / f"dataset-digits_rec-dist-gaussian_loss-betaH_betaH-B-{beta}" / EVALUATION
        evaluation = json.loads(path.read_text())
        evaluation["train"]["squared_error"] = error
        path.write_text(json.dumps(evaluation))
    assert list(only(with_best(read_groups(folder, "beta"))).series("betaH")) == [4.0]


def test_the_best_is_chosen_on_the_seeds_that_all_have(copied):
    folder = copied("beta")
    half, four = (folder / f"dataset-digits_rec-dist-gaussian_loss-betaH_betaH-B-{beta}" for beta in (0.5, 4))
    shutil.copytree(four, folder / "another")
    change(folder / "another", seed=7)
    for run, error in ((half, 7.0), (four, 6.0), (folder / "another", 9.0)):
        train = json.loads((run / EVALUATION).read_text())["train"]
        change(run, EVALUATION, train={**train, "squared_error": error})
    assert list(only(with_best(read_groups(folder, "beta"))).series("betaH")) == [4.0], "by 6 < 7, not by (6 + 9) / 2"


def test_a_series_over_a_setting_that_may_be_left_out_ends_with_that(tmp_path):
    write_grid(tmp_path / "exp", lambda c: 1.0, loss="KL", dataset="digits", train_size=[300, 100])
    write_run(tmp_path / "exp" / "all", RunConfig("all", loss="KL", dataset="digits"), 1.0)
    group = only(grouped(saved_runs(tmp_path / "exp"), over="train_size"))
    assert list(group.series("KL", over="train_size")) == [100, 300, None]


def test_runs_on_other_data_of_the_same_name_are_never_compared(tmp_path):
    write_grid(tmp_path / "exp", lambda c: 1.0, loss=["KL", "AE"], dataset="digits", seed=[1, 2])
    other = tmp_path / "exp" / "loss-KL_seed-2"
    data = json.loads((other / CONFIG).read_text())["data"]
    change(other, data={**data, "sha256": {**data["sha256"], "test": "2" * 64}})
    runs = saved_runs(tmp_path / "exp")
    separate = [only(grouped([run])) for run in runs]
    told = "have other test images of digits .SHA-256 11111111 and 22222222., so nothing can compare them: move"
    for compare in (read_findings, read_columns):
        with pytest.raises(ResultsError, match=told):
            compare(tmp_path / "exp")
    with pytest.raises(ResultsError, match=told):
        merged(separate)


def test_of_two_runs_with_a_seed_the_one_with_the_evidence_stands_for_it(tmp_path):
    for name, ended in (("a", False), ("b", True), ("c", True), ("d", True)):
        write_run(tmp_path / name, RunConfig(name, loss="KL", dataset="digits"), 1.0, ended=ended)
    for name in ("c", "d"):
        change(tmp_path / name, EVALUATION, test={"squared_error": 1.0, "evidence": EVIDENCE})
    runs = saved_runs(tmp_path)
    for count, name in ((1, "a"), (2, "b"), (3, "c"), (4, "c")):
        ((chosen,),) = by_configuration(runs[:count])
        assert chosen.folder.path.name == name


def test_the_evidence_is_that_by_as_many_draws_as_most_seeds_have(tmp_path):
    write_grid(tmp_path / "exp", lambda c: 1.0, loss="KL", dataset="digits", seed=[1, 2, 3])
    for seed, draws in ((1, 100), (2, 1), (3, 100)):
        run = tmp_path / "exp" / f"seed-{seed}"
        evidence = EVIDENCE | {"mean": -float(seed), "importance_samples": draws}
        change(run, EVALUATION, test={"squared_error": 1.0, "evidence": evidence})
    runs = saved_runs(tmp_path / "exp")
    assert values(runs, "evidence") == values(runs, "evidence mean") == {1: -1, 3: -3}
    assert values(runs[:2], "evidence") == {1: -1}, "of as many seeds by either the more draws"
    assert values(runs, "squared_error") == {1: 1, 2: 1, 3: 1}


def test_a_difference_of_evidence_is_of_seeds_with_as_many_draws_on_both_sides(tmp_path):
    write_grid(tmp_path / "exp", lambda c: 1.0, loss=["KL", "AE"], dataset="digits", seed=[1, 2, 3])
    for loss, seed, draws in (("KL", 1, 9), ("KL", 2, 9), ("KL", 3, 5), ("AE", 1, 5), ("AE", 2, 5), ("AE", 3, 5)):
        evidence = EVIDENCE | {"mean": -float(draws), "importance_samples": draws}
        change(
            tmp_path / "exp" / f"loss-{loss}_seed-{seed}", EVALUATION, test={"squared_error": 1.0, "evidence": evidence}
        )
    group = only(grouped(saved_runs(tmp_path / "exp")))
    assert group.difference(Model("KL"), Model("AE"), "evidence mean").values == {3: 0}
    assert group.difference(Model("KL"), Model("AE"), "evidence mean", without=3) is None
    assert group.difference(Model("KL"), Model("AE")).count == 3
