import math

import pytest
import torch

from vae.evaluation.information import contingency, entropy, mutual_information


def test_contingency_counts_pairs():
    counts = contingency(torch.tensor([0, 0, 2, 2, 2]), torch.tensor([1, 0, 1, 1, 0]))
    assert counts.tolist() == [[1, 1], [0, 0], [1, 2]]


def test_entropy_is_in_nats_over_the_last_dimension():
    found = entropy(torch.tensor([[0.5, 0.25, 0.25, 0.0], [0.0, 1.0, 0.0, 0.0]]))
    assert found.tolist() == pytest.approx([1.5 * math.log(2), 0])
    assert found.dtype == torch.float64


def test_mutual_information_is_the_divergence_of_joint_and_product():
    first, second = torch.tensor([0, 0, 0, 1]), torch.tensor([2, 2, 0, 0])
    expected = 0.5 * math.log(0.5 / (0.75 * 0.5)) + 0.25 * math.log(0.25 / (0.75 * 0.5)) + 0.25 * math.log(2)
    assert mutual_information(contingency(first, second) / 4).item() == pytest.approx(expected, abs=1e-12)
