"""What benchmarks/README.md says is what the benchmarks' reports say."""

import json
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
TEXT = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
FLOWING = " ".join(TEXT.split())
KINDS = ("eager", "compile", "bf16", "compile + bf16", "plain DataLoader loop")


def report(name: str) -> dict:
    return json.loads((BENCHMARKS / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name, words", [("epoch-avx512", "with AVX-512"), ("epoch-avx2", "without")])
def test_the_table_of_an_epoch_is_that_of_the_reports(name, words):
    ratios = " | ".join(f"{report(name)['epoch'][kind]['ratio']:.2f}" for kind in KINDS)
    assert f"| [{words}]({name}.json) | {ratios} |" in TEXT
    assert f"an epoch of {report(name)['settings']['images']:,} images" in TEXT


def test_what_is_said_of_compiling_and_of_bfloat16_is_in_the_reports():
    avx512, avx2 = report("epoch-avx512"), report("epoch-avx2")["epoch"]
    gained = avx512["epoch"]["eager"]["seconds"] - avx512["epoch"]["compile"]["seconds"]
    steps = avx512["settings"]["images"] / avx512["settings"]["batch_size"]
    assert round(gained / steps * 1000) == 2
    assert "each step gains two thousandths of a second" in FLOWING
    assert round(avx2["bf16"]["seconds"] / avx2["eager"]["seconds"]) == 9
    assert "takes nine times as long as in float32" in FLOWING


def test_what_is_said_of_rounds_and_of_other_sizes_is_in_the_reports():
    assert (report("epoch-avx512")["rounds"], report("epoch-avx2")["rounds"]) == (3, 5)
    batch, size = (report("epoch-avx2")["scaling"][name] for name in ("batch_size", "size"))
    usual = batch["eager, 64"]["seconds"]
    assert round(batch["eager, 16"]["seconds"] / usual) == 2
    assert round(1 - batch["eager, 256"]["seconds"] / usual, 1) == 0.3
    assert round(size["eager, 64"]["seconds"] / size["eager, 32"]["seconds"], 1) == 2.5


def test_the_figures_of_a_whole_command_and_of_many_runs_are_those_of_the_reports():
    command = report("one_epoch")
    assert f"{command['medians']['ratio']:.2f} times as long as pythae's first training epoch" in FLOWING
    assert f"at most {max(row['peak_mib'] for row in command['rounds']):.0f} MiB" in FLOWING
    assert f"come to {report('ensemble')['ratio']:.2f} times the images per second" in FLOWING
    assert f"Six runs are {report('jobs')['speedup']:.2f} times as fast with `--jobs 2`" in FLOWING


def test_the_table_of_layers_as_products_is_that_of_the_report():
    float32, bf16 = report("layers")["milliseconds"].values()
    for layer, passes in float32.items():
        for name in passes:
            ratios = [part[layer][name]["product"] / part[layer][name]["convolution"] for part in (float32, bf16)]
            assert f"| {layer} | {name} | {ratios[0]:.2f} | {ratios[1]:.2f} |" in TEXT
            assert name == "backward by weights" or min(ratios) > 1  # so that no layer is computed as a product


def test_the_bounds_of_the_evidence_are_those_of_the_report():
    text = (BENCHMARKS.parent / "docs" / "evidence.md").read_text(encoding="utf-8")
    within = {"KL": 0.6, "GJS, α = ½": 0.6, "MMD": 0.6, "dGJS, α = 0.3": 0.15, "GJS, α = 0.9": 0.6, "AE": 0.6}  # nats
    for (name, error), row in zip(within.items(), report("sandwich")["runs"], strict=True):
        bounds = f"{row['gap']:.2f} ± {row['gap_error']:.2f} | {row['above_lower']:.2f} | {row['below_upper']:.2f}"
        assert f"| {name} | {row['images']} | {row['steps']} | {bounds} |" in text
        assert max(-row["above_lower"], row["above_lower"], row["below_upper"]) < error
    assert f"between {-row['above_lower']:.2f} and {row['below_upper']:.2f} nats" in text


def test_the_ways_of_waiting_are_those_of_the_report():
    ways = report("contended")["medians"]
    usual = ways["as it is"]
    for way, row in ways.items():
        alone, beside = (f"{row[name]:.0f} | {row[name] / usual[name]:.2f}" for name in ("alone", "beside"))
        assert f"| {alone} | {beside} | {row['beside'] / usual['alone']:.2f} |" in TEXT, way
    rounds = {way: [one[way]["beside"] for one in report("contended")["rounds"]] for way in ways}
    factors = {way: max(own) / min(own) for way, own in rounds.items()}
    less, more = factors.pop("spin 30000"), factors.pop("spin 100000")
    assert f"two longest spins differed by factors of {less:.1f} and {more:.1f}" in FLOWING
    assert max(factors.values()) < 1.25 and "the others by less than a quarter" in FLOWING


def test_the_share_of_a_quick_grid_that_is_training_is_that_of_the_report():
    quick = report("jobs-quick")
    assert f"{quick['runs']} runs take {quick['seconds']:.0f} s" in FLOWING
    assert f"of which {quick['training_share']:.0%}".replace("%", " %") in FLOWING
    images = quick["runs"] * 10_000 * 6  # as `--scale quick` has them
    speed = images / (quick["seconds"] * quick["jobs"] * quick["training_share"])
    assert f"cores train {round(speed, -1):,.0f} images/s" in FLOWING
