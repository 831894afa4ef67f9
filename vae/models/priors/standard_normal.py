"""The standard normal prior."""

import torch
from torch import Tensor

from vae.divergences import kl_divergence
from vae.models.priors.base import PRIORS
from vae.models.priors.mixture import Mixture
from vae.options import OptionError


class StandardNormal(Mixture):
    """p(z) = N(0, I) in latent_dim dimensions, a mixture of one."""

    def __init__(self, latent_dim: int):
        super().__init__(latent_dim)
        self.register_buffer("mean", torch.zeros(1, latent_dim), persistent=False)

    def components(self) -> tuple[Tensor, Tensor]:
        return self.mean, torch.zeros_like(self.mean)

    def sample(self, count: int) -> Tensor:
        """Draw `count` latents from the global random stream: (count, latent_dim)."""
        return torch.randn(count, self.latent_dim, device=self.mean.device)

    def kl_divergence(self, mean: Tensor, logvar: Tensor) -> Tensor:
        """KL(q||p) of q = N(mean, diag exp logvar) in nats: (..., latent_dim) to (...)."""
        return kl_divergence(mean, logvar)


@PRIORS.register("standard", place=1)
def standard(*, latent_dim: int, components: int | None, **model) -> StandardNormal:
    """N(0, I), of which there is nothing to choose."""
    if components is not None:
        raise OptionError(f"--prior-components {components}: --prior standard has none: leave it out")
    return StandardNormal(latent_dim)
