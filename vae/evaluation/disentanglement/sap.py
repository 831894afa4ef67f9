"""Separated attribute predictability (Kumar et al. 2018, arXiv:1711.00848)."""

import torch
from torch import Tensor

from vae.evaluation.disentanglement.base import METRICS
from vae.evaluation.disentanglement.factors import gaps, varying

QUANTILES = 1000  # between which thresholds lie


@METRICS.register("sap", place=3)
def sap_scores(mean: Tensor, logvar: Tensor, factors: Tensor) -> dict[str, float]:
    """sap: of the posterior mean."""
    return {"sap": separated_attribute_predictability(mean, factors)}


def separated_attribute_predictability(mean: Tensor, factors: Tensor) -> float:
    """SAP: how much better the best dimension alone tells a factor than the second best, mean over factors, 0 to 1.

    Every factor counts as one of classes (Kumar et al. 2018, arXiv:1711.00848, section 3): the score of a dimension is
    the balanced accuracy of the thresholds that tell the factor's values apart best, an interval for each value, in the
    order of the values' mean places. No dimension scores less than 1 over the number of values, which is chance.
    """
    factors = varying(factors)
    places = torch.arange(1, QUANTILES) * len(mean) // QUANTILES
    accuracies = []
    for z in mean.T:
        place = torch.bucketize(z.contiguous(), z.sort().values[places].unique())
        accuracies.append(torch.stack([threshold_accuracy(place, factor) for factor in factors.T]))
    return gaps(torch.stack(accuracies)).mean().item()


def threshold_accuracy(place: Tensor, factor: Tensor) -> Tensor:
    """The best balanced accuracy of naming a factor's value, (N,), from a dimension's place among the quantiles, (N,).

    An interval for each value, in the order of the values' mean places, with thresholds wherever they serve best.
    """
    width = int(place.max()) + 1
    counts = torch.bincount(factor * width + place, minlength=width * (int(factor.max()) + 1)).view(-1, width).double()
    counts = counts[counts.any(1)]
    shares = counts / counts.sum(1, keepdim=True)
    below = torch.cat([torch.zeros_like(shares[:, :1]), shares.cumsum(1)], dim=1)
    order = (shares @ torch.arange(width, dtype=torch.float64)).argsort()
    # What is right below each threshold: of the values so far, best[t]; of the next from threshold s on, up to t,
    # best[s] + below[t] - below[s] for the best s.
    best = torch.zeros_like(below[0])
    for value in below[order]:
        best = value + (best - value).cummax(0).values
    return best[-1] / len(shares)
