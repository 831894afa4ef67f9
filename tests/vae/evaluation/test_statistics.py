"""Intervals over seeds and verdicts, against numbers worked out by hand and tables of Student's t."""

import math

import pytest

from vae.evaluation.statistics import Estimate, is_below, is_within, paired_difference


def test_the_interval_is_students():
    # Mean 12, deviations -1, 0, 1: s = 1, s / sqrt(3) = 0.57735; t with 2 degrees of freedom is 4.30265.
    estimate = Estimate({0: 11.0, 1: 12.0, 2: 13.0})
    assert estimate.mean == 12.0
    assert estimate.half_width == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert estimate.interval == pytest.approx((12 - 2.484138, 12 + 2.484138), abs=1e-6)


def test_five_seeds_have_a_narrower_interval_than_three():
    # s^2 = (4 + 1 + 0 + 1 + 4) / 4 = 2.5; t with 4 degrees of freedom is 2.776445.
    estimate = Estimate(dict(enumerate([1.0, 2.0, 3.0, 4.0, 5.0])))
    assert estimate.half_width == pytest.approx(2.776445 * math.sqrt(2.5 / 5), rel=1e-6)


def test_one_seed_has_no_interval():
    estimate = Estimate({1234: 11.67})
    assert estimate.mean == 11.67 and estimate.count == 1
    assert estimate.half_width is None and estimate.interval is None


def test_a_difference_is_paired_by_seed():
    # Seeds differ by whole units, the losses by 0.4, 0.5 and 0.6: only the latter is in the difference.
    kl, dual = {1: 10.4, 2: 12.5, 3: 11.6, 4: 99.0}, {3: 11.0, 2: 12.0, 1: 10.0}
    difference = paired_difference(dual, kl)
    assert difference.values == pytest.approx({1: -0.4, 2: -0.5, 3: -0.6})
    assert difference.mean == pytest.approx(-0.5)
    assert difference.half_width == pytest.approx(4.302653 * 0.1 / math.sqrt(3), rel=1e-6)  # 0.248
    assert is_below(difference) == "holds"


def test_what_has_no_seed_in_common_has_no_difference():
    with pytest.raises(ValueError, match=r"no seed in common: \[1\] and \[2\]"):
        paired_difference({1: 1.0}, {2: 1.0})


@pytest.mark.parametrize(
    "values, bound, verdict",
    [
        ([-0.4, -0.5, -0.6], 0.0, "holds"),
        ([0.4, 0.5, 0.6], 0.0, "does not hold"),
        ([-0.1, -0.5, 0.3], 0.0, "undecided"),
        ([-0.4, -0.5], 0.0, "undecided"),  # two seeds
        ([-0.4], 0.0, "undecided"),
        ([0.4, 0.5, 0.6], 1.0, "holds"),
    ],
)
def test_a_claim_of_less_is_judged_by_the_whole_interval(values, bound, verdict):
    assert is_below(Estimate(dict(enumerate(values))), bound) == verdict


@pytest.mark.parametrize(
    "values, margin, verdict",
    [
        ([-0.01, 0.0, 0.01], 0.1, "holds"),  # +-0.025
        ([0.39, 0.4, 0.41], 0.1, "does not hold"),
        ([-0.39, -0.4, -0.41], 0.1, "does not hold"),
        ([0.09, 0.1, 0.11], 0.1, "undecided"),
        ([-1.0, 0.0, 1.0], 0.1, "undecided"),  # the interval is wider than the margin on both sides
        ([0.0, 0.0], 0.1, "undecided"),
    ],
)
def test_a_claim_of_as_good_is_judged_by_a_margin(values, margin, verdict):
    assert is_within(Estimate(dict(enumerate(values))), margin) == verdict
