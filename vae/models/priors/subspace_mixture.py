"""A mixture with a Gaussian and a subspace for each class."""

import math

import torch
from torch import Tensor

from vae.divergences import kl_divergence
from vae.models.priors.mixture import Mixture


class SubspaceMixture(Mixture):
    """p(c) = 1/K, p(z|c) = N(mean_c, I): a Gaussian per class, K classes with subspace_dim coordinates each.

    mean_c is `scale` in the coordinates of class c and 0 in those of the others, so that the centroids are orthogonal
    and equally far apart: ||mean_c - mean_c'||^2 = 2 subspace_dim scale^2 (Pineau and Lelarge 2018, arXiv:1806.08240).
    """

    def __init__(self, classes: int, subspace_dim: int, scale: float):
        super().__init__(classes * subspace_dim)
        self.classes = classes
        mean = scale * torch.eye(classes).repeat_interleave(subspace_dim, dim=1)
        self.register_buffer("mean", mean, persistent=False)  # (K, latent_dim); fixed by the options

    def components(self) -> tuple[Tensor, Tensor]:
        return self.mean, torch.zeros_like(self.mean)

    def sample_each(self, count: int) -> Tensor:
        """Draw `count` latents of each class from the global random stream: (K, count, latent_dim)."""
        return self.mean.unsqueeze(1) + torch.randn(self.classes, count, self.latent_dim, device=self.mean.device)

    def traversal(self) -> tuple[Tensor, Tensor]:
        """From where to traverse each dimension: the mean of its class, (latent_dim, latent_dim), in units of 1."""
        return self.mean.repeat_interleave(self.latent_dim // self.classes, dim=0), self.mean.new_ones(self.latent_dim)

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
