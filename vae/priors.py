"""The prior p(z). It belongs to the model, because sampling and pictures need it as much as the loss does."""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from vae.divergences import kl_divergence

KL_DRAWS = 64  # of an estimate of KL(q||p)
LOGVAR_LIMIT = 2.0  # of a learnt component


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


class SubspaceMixture(Prior):
    """p(c) = 1/K, p(z|c) = N(mean_c, I): a Gaussian per class, K classes with subspace_dim coordinates each.

    mean_c is `scale` in the coordinates of class c and 0 in those of the others, so that the centroids are orthogonal
    and equally far apart: ||mean_c - mean_c'||^2 = 2 subspace_dim scale^2 (Pineau and Lelarge 2018, arXiv:1806.08240).
    """

    def __init__(self, classes: int, subspace_dim: int, scale: float):
        super().__init__()
        self.classes = classes
        self.latent_dim = classes * subspace_dim
        mean = scale * torch.eye(classes).repeat_interleave(subspace_dim, dim=1)
        self.register_buffer("mean", mean, persistent=False)  # (K, latent_dim); fixed by the options

    def components(self) -> tuple[Tensor, Tensor]:
        return self.mean, torch.zeros_like(self.mean)

    def sample(self, count: int, device: torch.device | str | None = None) -> Tensor:
        """Draw `count` latents, each of a class drawn anew, from the global random stream: (count, latent_dim)."""
        label = torch.randint(self.classes, (count,), device=device)
        return self.mean[label] + torch.randn(count, self.latent_dim, device=device)

    def sample_each(self, count: int) -> Tensor:
        """Draw `count` latents of each class from the global random stream: (K, count, latent_dim)."""
        return self.mean.unsqueeze(1) + torch.randn(self.classes, count, self.latent_dim, device=self.mean.device)

    def traversal(self) -> tuple[Tensor, Tensor]:
        """From where to traverse each dimension: the mean of its class, (latent_dim, latent_dim), in units of 1."""
        return self.mean.repeat_interleave(self.latent_dim // self.classes, dim=0), torch.ones(self.latent_dim)

    def kl_divergences(self, logits: Tensor, mean: Tensor, logvar: Tensor) -> tuple[Tensor, Tensor]:
        """The two parts of KL(q(c,z|x)||p(c,z)) in nats, each (N,).

        KL(q(c|x)||p(c)) = log K - H(q(c|x)), and the mean over q(c|x) of KL(q(z|x,c)||p(z|c)). Logits (N, K); mean
        and logvar (N, K, latent_dim) of q(z|x,c).
        """
        log_probabilities = logits.log_softmax(-1)
        probabilities = log_probabilities.exp()
        of_class = math.log(self.classes) + (probabilities * log_probabilities).sum(-1)
        of_latent = (probabilities * kl_divergence(mean - self.mean, logvar)).sum(-1)
        return of_class, of_latent


class GaussianMixture(Prior):
    """p(z) = 1/K sum_k N(mean_k, diag exp logvar_k), learnt: the prior of CSRAE (Tran et al. 2021, arXiv:2101.02149).

    Means and log-variances are what a small network makes of each component's number or, without `network`, parameters
    themselves. The means start at draws of N(0, I), so that no two components are the same, the log-variances near 0.

    A log-variance is 2 tanh(v / 2) with v free: standard deviations stay between 1/e and e. Without a bound a component
    that is not needed may widen without end, for D_CS does not change with the scale of p and so does not see mass that
    is spread thin; but 1/K of the samples come from it.
    """

    def __init__(self, components: int, latent_dim: int, *, network: bool):
        super().__init__()
        self.latent_dim = latent_dim
        start = torch.cat([torch.randn(components, latent_dim), torch.zeros(components, latent_dim)], dim=-1)
        self.moments = nn.Parameter(start) if not network else None
        if network:
            self.network = nn.Sequential(nn.Linear(components, 64), nn.ReLU(), nn.Linear(64, 2 * latent_dim))
            self.register_buffer("numbers", torch.eye(components), persistent=False)  # one-hot
            self.register_buffer("start", start)

    def components(self) -> tuple[Tensor, Tensor]:
        moments = self.start + self.network(self.numbers) if self.moments is None else self.moments
        mean, free = moments.chunk(2, dim=-1)
        return mean, LOGVAR_LIMIT * (free / LOGVAR_LIMIT).tanh()

    def sample(self, count: int, device: torch.device | str | None = None) -> Tensor:
        """Draw `count` latents, each of a component drawn anew, from the global random stream: (count, latent_dim)."""
        mean, logvar = self.components()
        label = torch.randint(len(mean), (count,), device=mean.device)
        z = mean[label] + (0.5 * logvar[label]).exp() * torch.randn(count, self.latent_dim, device=mean.device)
        return z.to(device)

    def kl_divergence(self, mean: Tensor, logvar: Tensor) -> Tensor:
        """KL(q||p) of q = N(mean, diag exp logvar) in nats: (..., latent_dim) to (...).

        It has no closed form: -E_q log p(z) is estimated, without bias, by 64 draws from the global random stream, and
        the entropy is exact.
        """
        entropy = 0.5 * (1 + math.log(2 * math.pi) + logvar).sum(-1)
        noise = torch.randn(KL_DRAWS, *mean.shape, device=mean.device, dtype=mean.dtype)
        return -entropy - self.log_prob(mean + (0.5 * logvar).exp() * noise).mean(0)

    def effective_components(self, z: Tensor) -> Tensor:
        """How many components latents (N, latent_dim) tell apart: exp I(k; z), from 1 to K.

        The mutual information is H(mean of p(k|z)) - mean of H(p(k|z)) over the latents. It is 0, and the number 1,
        both where one component has taken all latents and where the components have become the same.
        """
        log_share = self.component_log_prob(z).log_softmax(-1)
        share = log_share.exp()
        information = torch.special.entr(share.mean(0)).sum() + (share * log_share).sum(-1).mean()
        return information.exp()

    def traversal(self) -> tuple[Tensor, Tensor]:
        """From where to traverse each dimension and in what unit: the mean and the standard deviations of p(z)."""
        mean, logvar = self.components()
        sd = (mean.var(0, correction=0) + logvar.exp().mean(0)).sqrt()
        return mean.mean(0).expand(self.latent_dim, -1), sd
