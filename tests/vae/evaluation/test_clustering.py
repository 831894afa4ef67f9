import math
from itertools import permutations

import pytest
import torch
from sklearn import metrics

from vae.evaluation.clustering import (
    class_marginal_entropy,
    clustering_accuracy,
    normalised_mutual_information,
    used_classes,
)


def draw(clusters, labels, count=200, seed=0):
    """Clusters that know something of the labels."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randint(labels, (count,), generator=generator)
    guess = torch.randint(clusters, (count,), generator=generator)
    return torch.where(torch.rand(count, generator=generator) < 0.5, truth * 3 % clusters, guess), truth


@pytest.mark.parametrize(("clusters", "labels"), [(5, 5), (6, 4), (3, 5), (1, 3)])
@pytest.mark.parametrize("seed", range(3))
def test_accuracy_is_the_best_of_all_one_to_one_maps(clusters, labels, seed):
    found, truth = draw(clusters, labels, seed=seed)
    size = max(clusters, labels)
    best = max((torch.tensor(p)[found] == truth).double().mean().item() for p in permutations(range(size)))
    assert clustering_accuracy(found, truth) == pytest.approx(best, rel=1e-12)


def test_accuracy_does_not_depend_on_the_numbers_of_clusters():
    found, truth = draw(7, 7)
    assert clustering_accuracy((found + 3) % 7, truth) == clustering_accuracy(found, truth)
    assert clustering_accuracy((truth + 3) % 7, truth) == 1


@pytest.mark.parametrize(("clusters", "labels"), [(5, 5), (6, 4), (1, 3)])
def test_normalised_mutual_information_is_scikit_learns(clusters, labels):
    found, truth = draw(clusters, labels)
    expected = metrics.normalized_mutual_info_score(truth, found)
    assert normalised_mutual_information(found, truth) == pytest.approx(expected, abs=1e-12)


def test_normalised_mutual_information_at_its_ends():
    truth = torch.arange(40) % 4
    assert normalised_mutual_information(3 - truth, truth) == pytest.approx(1)
    assert normalised_mutual_information(torch.arange(40) // 4 % 2, truth) == pytest.approx(0, abs=1e-12)
    assert normalised_mutual_information(torch.zeros_like(truth), torch.zeros_like(truth)) == 1


def test_examples_and_labels_have_to_match():
    with pytest.raises(ValueError, match="3 and of 2 examples"):
        clustering_accuracy(torch.zeros(3, dtype=torch.int64), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match="of 0 and"):
        normalised_mutual_information(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))


def test_the_entropy_of_classes_is_that_of_their_mean_probabilities():
    surely = torch.eye(4).repeat(3, 1) * 1e4  # each image surely of one class, all classes equally often
    assert class_marginal_entropy(surely) == pytest.approx(math.log(4))
    assert class_marginal_entropy(surely[:1]) == 0
    assert class_marginal_entropy(torch.zeros(5, 4)) == pytest.approx(math.log(4))


def test_used_classes_are_those_that_are_most_probable_for_some_image():
    assert used_classes(torch.tensor([[0.0, 2.0, 1.9], [0.0, 3.0, 2.0], [1.0, 0.0, 0.9]])) == 2
