"""Objectives of optimal transport: of each posterior to the prior, and of the aggregate posterior to it."""

import torch
from torch import Tensor

from vae.divergences import squared_sliced_wasserstein_distance
from vae.losses.base import Display, Loss, Penalty, register
from vae.losses.infovae import AggregateLoss
from vae.models import VAE, VAEOutput
from vae.options import Option


@register("W2", display=Display("W$_2^2$", "#00f0e1", 16))
class WassersteinLoss(Loss):
    """weight W_2^2(q(z|x), p(z)) = weight (||mean||^2 + sum (s - 1)^2), in squared units of z.

    No logarithm of s is in it: a posterior that shrinks to a point costs 1 for each dimension, no more.
    """

    summary = "squared Wasserstein distance"
    formula = "λ W₂²(q, p)"
    batchable = True
    full_covariance = True
    options = (Option("W2_B", 1.0, "weight of the distance", minimum=0, symbol="λ", regularises="more"),)

    def __init__(self, *, W2_B: float, **sizes: int):
        super().__init__(**sizes)
        self.weight = W2_B

    def penalty(self, model: VAE, output: VAEOutput) -> Penalty:
        return self.weighted(output.divergences.squared_wasserstein_distance(*output.parameters).mean())


@register("SW", display=Display("SW$_2^2$", "#783c69", 17))
class SlicedWassersteinLoss(AggregateLoss):
    """weight SW_2^2(q(z), p(z)): W_2^2 of projections on random directions, drawn anew for every batch.

    The mean over directions, in squared units of z, so that it is about W_2^2 / latent_dim; the prior's projections are
    in closed form (Kolouri et al. 2018, arXiv:1804.01947, who sample the prior too). The distance of a batch is too big
    as an estimate of that of q(z), the more so the smaller the batch.
    """

    summary = "sliced Wasserstein distance of the aggregate posterior"
    formula = "λ SW₂²(q(z), p(z))"
    options = (
        Option("SW_B", 100.0, "weight of the distance", minimum=0, symbol="λ", regularises="more"),
        Option("SW_directions", 50, "random directions for each batch", int, minimum=1, maximum=10_000),
    )

    def __init__(self, *, SW_B: float, SW_directions: int, **sizes: int):
        super().__init__(**sizes)
        self.weight, self.directions = SW_B, SW_directions

    def discrepancy_of(self, z: Tensor, prior_samples: Tensor | None) -> Tensor:
        directions = torch.randn_like(z[:1].expand(self.directions, -1))
        return squared_sliced_wasserstein_distance(z, directions, prior_samples)
