"""How well classes found without labels agree with labels."""

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor


def contingency(clusters: Tensor, labels: Tensor) -> Tensor:
    """How many examples each pair of a cluster and a label has, float64, (clusters, labels).

    clusters, labels: whole numbers from 0, each (N,). Raises ValueError if they differ in length or are empty.
    """
    if clusters.shape != labels.shape or not len(labels):
        raise ValueError(f"{len(clusters)} clusters and {len(labels)} labels: expected as many of each, and some")
    width = int(labels.max()) + 1
    pairs = torch.bincount(clusters.cpu() * width + labels.cpu(), minlength=(int(clusters.max()) + 1) * width)
    return pairs.double().unflatten(0, (-1, width))


def clustering_accuracy(clusters: Tensor, labels: Tensor) -> float:
    """The share of examples whose cluster stands for their label, under the best one-to-one map of clusters to labels.

    The map is found by the Hungarian method. Clusters beyond the number of labels stand for none.
    """
    counts = contingency(clusters, labels).numpy()
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / counts.sum())


def normalised_mutual_information(clusters: Tensor, labels: Tensor) -> float:
    """I(clusters; labels) / ((H(clusters) + H(labels)) / 2), from 0 to 1; 1 where both have a single value only."""
    joint = contingency(clusters, labels)
    joint = joint / joint.sum()
    of_clusters, of_labels = entropy(joint.sum(1)), entropy(joint.sum(0))
    if of_clusters + of_labels == 0:
        return 1.0
    mutual = of_clusters + of_labels - entropy(joint.flatten())
    return max(0.0, 2 * mutual / (of_clusters + of_labels))


def entropy(probabilities: Tensor) -> float:
    """-sum p log p in nats, with 0 log 0 = 0: (K,) to a number."""
    return torch.special.entr(probabilities).sum().item()


def class_marginal_entropy(logits: Tensor) -> float:
    """The entropy in nats of q(c), the mean of q(c|x) over images: logits (N, K). It is log K at most."""
    return entropy(logits.double().softmax(-1).mean(0))


def used_classes(logits: Tensor) -> int:
    """How many classes are the most probable one of some image: logits (N, K)."""
    return len(logits.argmax(-1).unique())
