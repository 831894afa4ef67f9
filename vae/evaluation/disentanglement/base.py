"""What a metric of disentanglement is, and the registry of all of them."""

from collections.abc import Callable
from math import isfinite

from torch import Tensor

from vae.registry import Registry

# Of posteriors N(mean, diag exp logvar) of N images, both (N, latent_dim), and the class indices of their K factors,
# int64, (N, K): scores by name. Factors of one value are left out, and ValueError is raised if none is left. What is
# drawn is drawn from the global random stream, which all metrics share, one after the other: a new one comes last, so
# that the others draw what they drew before.
Metric = Callable[[Tensor, Tensor, Tensor], dict[str, float | list[float]]]

METRICS: Registry[Metric] = Registry("metric")


def disentanglement_scores(mean: Tensor, logvar: Tensor, factors: Tensor) -> dict[str, float | list[float]]:
    """The scores of every metric, by name, of posteriors N(mean, diag exp logvar), (N, latent_dim), and factors (N, K).

    Raises ValueError if no factor has two values, and TypeError for a metric that gives anything but finite floats, and
    lists of them, by names of its own.
    """
    scores = {}
    for name in METRICS.in_order():
        for key, score in METRICS[name](mean, logvar, factors).items():
            values = score if isinstance(score, list) else [score]
            if key in scores or not all(type(value) is float and isfinite(value) for value in values):
                raise TypeError(
                    f"the metric {name} gives {key} {score!r}: expected finite floats, by a name of its own"
                )
            scores[key] = score
    return scores
