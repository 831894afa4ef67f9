"""The standard normal prior."""

import torch
from torch import Tensor

from vae.divergences import kl_divergence
from vae.models.priors.base import Prior


class StandardNormal(Prior):
    """p(z) = N(0, I) in latent_dim dimensions."""

    def __init__(self, latent_dim: int):
        super().__init__()
        self.latent_dim = latent_dim
        self.register_buffer("mean", torch.zeros(1, latent_dim), persistent=False)

    def components(self) -> tuple[Tensor, Tensor]:
        return self.mean, torch.zeros_like(self.mean)

    def sample(self, count: int, device: torch.device | str | None = None) -> Tensor:
        """Draw `count` latents from the global random stream: (count, latent_dim)."""
        return torch.randn(count, self.latent_dim, device=device)

    def traversal(self) -> tuple[Tensor, Tensor]:
        """From where to traverse each dimension and in what unit: the mean, (latent_dim, latent_dim), and ones."""
        return torch.zeros(self.latent_dim, self.latent_dim), torch.ones(self.latent_dim)

    def kl_divergence(self, mean: Tensor, logvar: Tensor) -> Tensor:
        """KL(q||p) of q = N(mean, diag exp logvar) in nats: (..., latent_dim) to (...)."""
        return kl_divergence(mean, logvar)
