"""What priors share that are mixtures of Gaussians."""

import math
from abc import abstractmethod

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, Normal

from vae.divergences.numerics import gaussian_log_prob
from vae.models.priors.base import Prior


class Mixture(Prior):
    """p(z) = 1/K sum_k N(mean_k, diag exp logvar_k); K may be 1."""

    @abstractmethod
    def components(self) -> tuple[Tensor, Tensor]:
        """The components' means and log-variances, each (K, latent_dim)."""

    def distribution(self) -> Distribution:
        mean, logvar = self.components()
        return gaussian_mixture(torch.zeros_like(mean[:, 0]), mean, logvar)

    def component_log_prob(self, z: Tensor) -> Tensor:
        """log N(z; mean_k, diag exp logvar_k) in nats: (..., latent_dim) to (..., K)."""
        return gaussian_log_prob(z.unsqueeze(-2), *self.components()).sum(-1)

    def log_prob(self, z: Tensor) -> Tensor:
        each = self.component_log_prob(z)
        return each.logsumexp(-1) - math.log(each.shape[-1])

    def sample(self, count: int) -> Tensor:
        """Draw `count` latents, each of a component drawn anew, from the global random stream: (count, latent_dim)."""
        mean, logvar = self.components()
        label = torch.randint(len(mean), (count,), device=mean.device)
        return mean[label] + (0.5 * logvar[label]).exp() * torch.randn(count, self.latent_dim, device=mean.device)

    def effective_components(self, z: Tensor) -> Tensor:
        """How many components latents (N, latent_dim) tell apart: exp I(k; z), from 1 to K.

        The mutual information is H(mean of p(k|z)) - mean of H(p(k|z)) over the latents. It is 0, and the number 1,
        both where one component has taken all latents and where the components have become the same.
        """
        log_share = self.component_log_prob(z).log_softmax(-1)
        share = log_share.exp()
        information = torch.special.entr(share.mean(0)).sum() + (share * log_share).sum(-1).mean()
        return information.exp()

    def mean_and_sd(self) -> tuple[Tensor, Tensor]:
        """The mean and the standard deviation of each dimension, each (latent_dim,)."""
        mean, logvar = self.components()
        return mean.mean(0), (mean.var(0, correction=0) + logvar.exp().mean(0)).sqrt()

    def precision(self, z: Tensor) -> Tensor:
        """The mean over p(k|z) of the components' precisions, in the shape of z."""
        shares = self.component_log_prob(z).softmax(-1)
        return shares @ (-self.components()[1]).exp()


def gaussian_mixture(logits: Tensor, mean: Tensor, logvar: Tensor) -> Distribution:
    """Of K diagonal Gaussians: logits (..., K), means and log-variances (..., K, latent_dim).

    A standard deviation is at least what its square takes: 1e-19 in float32. Below, a density at the mean would be 0/0.
    """
    scale = (0.5 * logvar).exp().clamp(min=torch.finfo(logvar.dtype).tiny ** 0.5)
    gaussians = Independent(Normal(mean, scale, validate_args=False), 1)
    return MixtureSameFamily(Categorical(logits=logits, validate_args=False), gaussians, validate_args=False)
