"""Which folders count as the runs of a grid."""

import os
import shutil

from utils.grids.saved import saved_runs
from written_runs import write_grid


def names(folder):
    return [run.folder.path.name for run in saved_runs(folder)]


def test_a_copy_and_a_link_are_left_out_with_a_line(tmp_path, capsys):
    grid = tmp_path / "exp"
    write_grid(grid, lambda config: 1.0, dataset="digits", seed=[0, 1])
    shutil.copytree(grid / "seed-1", grid / "seed-1 before the holidays")
    shutil.copytree(grid / "seed-1", tmp_path / "private")
    os.symlink(tmp_path / "private", grid / "seed-2")
    assert names(grid) == ["seed-0", "seed-1"]
    out = capsys.readouterr().out
    assert out.splitlines() == [
        f"note: {grid / 'seed-2'} is left out: it is a link to {tmp_path / 'private'}",
        f"note: {grid / 'seed-1 before the holidays'} is left out: it is a copy of seed-1",
    ]


def test_a_run_that_has_another_name_now_counts(tmp_path, capsys):
    grid = tmp_path / "exp"
    write_grid(grid, lambda config: 1.0, dataset="digits", seed=[0, 1])
    (grid / "seed-1").rename(grid / "the good one")
    assert names(grid) == ["seed-0", "the good one"]
    assert capsys.readouterr().out == ""
