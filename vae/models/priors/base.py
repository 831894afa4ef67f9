"""What every prior p(z) offers. It belongs to the model: sampling, evidence and pictures need it as the loss does."""

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from vae.registry import Registry

PRIORS: Registry[type["Prior"]] = Registry("prior")  # those that --prior can choose

KL_DRAWS = 64  # of an estimate of KL(q||p) in evaluation; in training it is one
MOMENT_DRAWS = 10_000


class Prior(nn.Module, ABC):
    """p(z) of latents of `latent_dim` dimensions, with parameters if it is learnt.

    One's own has to say what its `distribution` is. All else follows from that, and is overridden where there is a
    closed form. Under `@PRIORS.register("name")`, `--prior` can choose it.
    """

    counted: ClassVar[str | None] = None  # what --prior-components counts of it; None: it has nothing to count
    usual_count: ClassVar[int] = 0  # how many of them it has unless it is said
    takes_encoder: ClassVar[bool] = False  # True: it is made of the means and log-variances that the encoder gives
    batchable: ClassVar[bool] = False  # True: runs with it may be trained as one, see Objective: it draws nothing

    @classmethod
    def of_model(cls, latent_dim: int, count: int | None, encoder: nn.Module, data_shape: tuple[int, ...]) -> "Prior":
        """The prior that `--prior` means: with so many of what is counted, for the model with that encoder and data."""
        return cls(latent_dim)

    def __init__(self, latent_dim: int):
        super().__init__()
        self.latent_dim = latent_dim

    @abstractmethod
    def distribution(self) -> Distribution:
        """p(z) as it is now, with event_shape (latent_dim,).

        Made of parameters and buffers, so that it moves to a device with the prior, and with validate_args=False: what
        is not finite is for the trainer to find and to name.
        """

    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z) in nats: (..., latent_dim) to (...)."""
        return self.distribution().log_prob(z)

    def sample(self, count: int) -> Tensor:
        """Draw `count` latents from the global random stream: (count, latent_dim).

        Reparameterised where the distribution can be, so that a prior that is learnt learns from what is drawn of it.
        """
        distribution = self.distribution()
        return (distribution.rsample if distribution.has_rsample else distribution.sample)((count,))

    def kl_divergence(self, mean: Tensor, logvar: Tensor) -> Tensor:
        """KL(q||p) of q = N(mean, diag exp logvar) in nats: (..., latent_dim) to (...).

        Where there is no closed form, -E_q log p(z) is estimated, without bias, by one draw from the global random
        stream in training and 64 in evaluation; the entropy is exact.
        """
        entropy = 0.5 * (1 + math.log(2 * math.pi) + logvar).sum(-1)
        noise = torch.randn(1 if self.training else KL_DRAWS, *mean.shape, device=mean.device, dtype=mean.dtype)
        return -entropy - self.log_prob(mean + (0.5 * logvar).exp() * noise).mean(0)

    def mean_and_sd(self) -> tuple[Tensor, Tensor]:
        """The mean and the standard deviation of each dimension, each (latent_dim,): of 10,000 draws."""
        z = self.sample(MOMENT_DRAWS)
        return z.mean(0), z.std(0)

    def traversal(self) -> tuple[Tensor, Tensor]:
        """From where to traverse each dimension, (latent_dim, latent_dim), and in what unit, (latent_dim,).

        The mean and the standard deviations, unless there is a better place to start from.
        """
        mean, sd = self.mean_and_sd()
        return mean.expand(self.latent_dim, -1), sd

    def precision(self, z: Tensor) -> Tensor:
        """The diagonal of the precision of a Gaussian that p is like near z, positive, in the shape of z."""
        _, sd = self.mean_and_sd()
        return sd.square().reciprocal().expand_as(z)
