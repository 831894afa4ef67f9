"""The prior p(z). It belongs to the model, because sampling and pictures need it as much as the loss does."""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Prior(nn.Module, ABC):
    """p(z) = 1/K sum_k N(mean_k, diag exp logvar_k); K is 1 for the standard normal."""

    latent_dim: int

    @abstractmethod
    def components(self) -> tuple[Tensor, Tensor]:
        """The components' means and log-variances, each (K, latent_dim)."""

    @abstractmethod
    def sample(self, count: int, device: torch.device | str | None = None) -> Tensor:
        """Draw `count` latents from the global random stream: (count, latent_dim)."""

    @abstractmethod
    def traversal(self) -> tuple[Tensor, Tensor]:
        """From where to traverse each dimension, (latent_dim, latent_dim), and in what unit, (latent_dim,)."""

    def component_log_prob(self, z: Tensor) -> Tensor:
        """log N(z; mean_k, diag exp logvar_k) in nats: (..., latent_dim) to (..., K)."""
        mean, logvar = self.components()
        square = (z.unsqueeze(-2) - mean).square() * (-logvar).exp()
        return -0.5 * (math.log(2 * math.pi) + logvar + square).sum(-1)

    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z) in nats: (..., latent_dim) to (...)."""
        each = self.component_log_prob(z)
        return each.logsumexp(-1) - math.log(each.shape[-1])
