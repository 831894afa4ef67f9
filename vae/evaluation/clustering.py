"""How well classes found without labels agree with labels."""

from torch import Tensor

from vae.evaluation.information import contingency, entropy, mutual_information


def clustering_accuracy(clusters: Tensor, labels: Tensor) -> float:
    """The share of examples whose cluster stands for their label, under the best one-to-one map of clusters to labels.

    The map is found by the Hungarian method. Clusters beyond the number of labels stand for none.
    """
    from scipy.optimize import linear_sum_assignment  # takes half a second

    counts = contingency(clusters.cpu(), labels.cpu()).numpy()
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / counts.sum())


def normalised_mutual_information(clusters: Tensor, labels: Tensor) -> float:
    """I(clusters; labels) / ((H(clusters) + H(labels)) / 2), from 0 to 1; 1 where both have a single value only."""
    joint = contingency(clusters.cpu(), labels.cpu())
    joint = joint / joint.sum()
    both = (entropy(joint.sum(1)) + entropy(joint.sum(0))).item()
    return max(0.0, 2 * mutual_information(joint).item() / both) if both else 1.0


def class_marginal_entropy(logits: Tensor) -> float:
    """The entropy in nats of q(c), the mean of q(c|x) over images: logits (N, K). It is log K at most."""
    return entropy(logits.double().softmax(-1).mean(0)).item()


def used_classes(logits: Tensor) -> int:
    """How many classes are the most probable one of some image: logits (N, K)."""
    return len(logits.argmax(-1).unique())
