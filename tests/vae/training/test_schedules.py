"""The course of the learning rate."""

import math

import pytest
import torch

from vae.training.schedules import lr_factor, make_scheduler


@pytest.mark.parametrize(
    ("course", "warmup", "expected"),
    [
        ("constant", 0, [1] * 8),
        ("constant", 4, [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]),
        ("cosine", 0, [(1 + math.cos(math.pi * step / 8)) / 2 for step in range(8)]),
        ("step", 0, [1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01]),
        ("step", 2, [0.5, 1, 1, 1, 0.1, 0.1, 0.01, 0.01]),
    ],
)
def test_each_step_has_its_share_of_the_lr_factor(course, warmup, expected):
    factor = lr_factor(course, warmup, 8)
    assert [factor(step) for step in range(8)] == pytest.approx(expected)


def test_after_the_end_of_the_run_it_stays_as_it_is():
    for course, last in (("constant", 1), ("cosine", 0), ("step", 0.01)):
        factor = lr_factor(course, 0, 8)
        assert [factor(step) for step in (8, 9, 1000)] == pytest.approx([last] * 3)


@pytest.mark.parametrize("done", [0, 1, 5])
def test_a_scheduler_stands_where_so_many_steps_are_done(done):
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(2))], lr=0.5)
    factor = lr_factor("cosine", 3, 8)
    for _ in range(2):  # a second one takes the first one's place
        scheduler = make_scheduler(optimizer, factor, done)
        found = []
        for _ in range(3):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        assert found == pytest.approx([0.5 * factor(step) for step in range(done, done + 3)])
