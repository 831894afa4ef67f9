"""The standard normal prior."""

import torch
from torch import Tensor

from vae.divergences import kl_divergence
from vae.models.priors.base import PRIORS
from vae.models.priors.mixture import Mixture


@PRIORS.register("standard", place=1)
class StandardNormal(Mixture):
    """p(z) = N(0, I) in latent_dim dimensions, a mixture of one."""

    batchable = True

    def __init__(self, latent_dim: int):
        super().__init__(latent_dim)
        self.register_buffer("mean", torch.zeros(1, latent_dim), persistent=False)

    def components(self) -> tuple[Tensor, Tensor]:
        return self.mean, torch.zeros_like(self.mean)

    def sample(self, count: int) -> Tensor:
        """Draw `count` latents from the global random stream: (count, latent_dim)."""
        return torch.randn(count, self.latent_dim, device=self.mean.device, dtype=self.mean.dtype)

    def kl_divergence(self, mean: Tensor, logvar: Tensor) -> Tensor:
        """KL(q||p) of q = N(mean, diag exp logvar) in nats: (..., latent_dim) to (...)."""
        return kl_divergence(mean, logvar)
