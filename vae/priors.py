"""The prior p(z). It belongs to the model, because sampling and pictures need it as much as the loss does."""

import torch
from torch import Tensor, nn

from vae.divergences import kl_divergence


class StandardNormal(nn.Module):
    """p(z) = N(0, I) in latent_dim dimensions."""

    def __init__(self, latent_dim: int):
        super().__init__()
        self.latent_dim = latent_dim

    def sample(self, count: int, device: torch.device | str | None = None) -> Tensor:
        """Draw `count` latents from the global random stream: (count, latent_dim)."""
        return torch.randn(count, self.latent_dim, device=device)

    def kl_divergence(self, mean: Tensor, logvar: Tensor) -> Tensor:
        """KL(q||p) of q = N(mean, diag exp logvar) in nats: (..., latent_dim) to (...)."""
        return kl_divergence(mean, logvar)
