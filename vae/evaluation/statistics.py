"""What runs over several seeds can tell: means with intervals, differences paired by seed, and verdicts on claims."""

from collections.abc import Mapping
from dataclasses import dataclass

from scipy import stats

LEVEL = 0.95  # of every interval
FEWEST_SEEDS = 3  # that a verdict rests on
HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided"  # the verdicts


@dataclass(frozen=True)
class Estimate:
    """The mean of a quantity over seeds, with its 95 % interval by Student's t, n - 1 degrees of freedom."""

    values: Mapping[int, float]  # by seed

    @property
    def count(self) -> int:
        """How many seeds there are."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """The mean over seeds."""
        return float(stats.tmean(list(self.values.values())))

    @property
    def half_width(self) -> float | None:
        """Half of the interval, t s / sqrt(n); None for a single seed."""
        if self.count == 1:
            return None
        return float(stats.t.ppf((1 + LEVEL) / 2, self.count - 1) * stats.sem(list(self.values.values())))

    @property
    def interval(self) -> tuple[float, float] | None:
        """From where to where the mean lies, at 95 % confidence; None for a single seed."""
        return None if self.half_width is None else (self.mean - self.half_width, self.mean + self.half_width)


def paired_difference(values: Mapping[int, float], others: Mapping[int, float]) -> Estimate:
    """The difference of two quantities by seed, of the seeds that both have: values - others.

    A seed fixes the weights at the start and the order of images for every loss. What a seed does to both goes out of
    their difference. Raises ValueError if they have no seed in common.
    """
    if not (seeds := sorted(values.keys() & others.keys())):
        raise ValueError(f"no seed in common: {sorted(values)} and {sorted(others)}")
    return Estimate({seed: values[seed] - others[seed] for seed in seeds})


def is_below(difference: Estimate, bound: float = 0.0) -> str:
    """Whether a difference is below a bound: where its whole interval is, it holds; where all is above, it fails."""
    if difference.count < FEWEST_SEEDS:
        return UNDECIDED
    low, high = difference.interval
    return HOLDS if high < bound else FAILS if low > bound else UNDECIDED


def is_within(difference: Estimate, margin: float) -> str:
    """Whether a difference is within a margin of 0, either way: two quantities are as good as each other.

    It holds where the whole interval is within the margin, and fails where all of it is outside, on one side.
    """
    if difference.count < FEWEST_SEEDS:
        return UNDECIDED
    low, high = difference.interval
    if -margin < low and high < margin:
        return HOLDS
    return FAILS if low > margin or high < -margin else UNDECIDED
