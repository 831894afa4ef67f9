"""Numbers of things, in words."""

from utils.datasets.notes import counted


def test_a_number_of_things_has_their_plural():
    assert (counted(1, "seed"), counted(3, "seed"), counted(1200, "run")) == ("1 seed", "3 seeds", "1,200 runs")
