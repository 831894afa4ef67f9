"""The FactorVAE score (Kim and Mnih 2018, arXiv:1802.05983)."""

import torch
from torch import Tensor

from vae.evaluation.disentanglement.base import METRICS
from vae.evaluation.disentanglement.factors import varying

COLLAPSED = 0.01  # variance of the posterior mean below which a dimension knows nothing of the image and has no vote
VOTES, IMAGES_PER_VOTE = 10_000, 64  # as disentanglement_lib has it for the classifier


@METRICS.register("factor_vae", place=2)
def factor_vae_scores(mean: Tensor, logvar: Tensor, factors: Tensor) -> dict[str, float]:
    """factor_vae_score: of the posterior mean."""
    return {"factor_vae_score": factor_vae_score(mean, factors)}


def factor_vae_score(mean: Tensor, factors: Tensor) -> float:
    """The accuracy of the FactorVAE metric (Kim and Mnih 2018, arXiv:1802.05983, section 4), 1/K by chance, at most 1.

    A vote fixes one factor at one value, looks at images that have it, and names the dimension whose mean varies least
    among them, relative to its variance over all images. The classifier, which takes a dimension for the factor that
    most of its votes are from, is made of 10,000 votes and judged by as many others. The score is 0 if all dimensions
    have collapsed.
    """
    factors = varying(factors)
    variance = mean.double().var(0)
    active = variance > COLLAPSED
    if not active.any():
        return 0.0
    standardised = mean[:, active] / variance[active].sqrt().to(mean.dtype)
    learnt, judged = count_votes(standardised, factors), count_votes(standardised, factors)
    return (judged.gather(1, learnt.argmax(1, keepdim=True)).sum() / VOTES).item()


def count_votes(mean: Tensor, factors: Tensor) -> Tensor:
    """How often each dimension varied least where each factor was fixed, (latent_dim, K), in 10,000 votes."""
    votes = []
    fixed = torch.randint(factors.shape[1], (VOTES,)).bincount(minlength=factors.shape[1])
    for factor, count in zip(factors.T, fixed.tolist()):
        order, sizes = factor.argsort(), factor.bincount()
        starts, present = sizes.cumsum(0) - sizes, sizes.nonzero().flatten()
        value = present[torch.randint(len(present), (count, 1))]
        nth = (torch.rand(count, IMAGES_PER_VOTE) * sizes[value]).long()
        least = mean[order[starts[value] + nth]].var(1).argmin(-1)
        votes.append(least.bincount(minlength=mean.shape[1]))
    return torch.stack(votes, dim=1)
