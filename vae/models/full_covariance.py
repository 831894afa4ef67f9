"""The VAE whose posterior has a full covariance."""

import math
from types import ModuleType
from typing import NamedTuple, NoReturn

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, MultivariateNormal

from vae.distributed import gather, share
from vae.divergences import full
from vae.divergences.numerics import widen
from vae.models.networks import Network
from vae.models.priors import StandardNormal
from vae.models.vae import VAE


class FullOutput(NamedTuple):
    """One pass through the model. What it has beside a VAEOutput is the covariance, by its Cholesky factor."""

    mean: Tensor  # posterior mean, (N, latent_dim)
    logvar: Tensor  # log-variance of each dimension by itself, (N, latent_dim)
    z: Tensor  # the latent that was decoded, (N, latent_dim)
    decoded: Tensor  # the decoder's output for this rank's share of z, in the shape of the data; see likelihood.mean
    scale_tril: Tensor  # L of the covariance L L^T, (N, latent_dim, latent_dim)

    @property
    def divergences(self) -> ModuleType:
        """Where the divergences of such a posterior are: they take its parameters, and those of a Gaussian prior."""
        return full.cholesky

    @property
    def parameters(self) -> tuple[Tensor, Tensor]:
        """The posterior as its divergences take it."""
        return self.mean, self.scale_tril

    def draw(self) -> Tensor:
        """Draw one z per posterior, reparameterised, from the global random stream: (N, latent_dim)."""
        return sample_full(self.mean, self.scale_tril)


class FullEncoder(nn.Module):
    """q(z|x) = N(mean, L L^T), L = diag(s) (I + R) with R strictly lower triangular.

    The network's outputs are the mean, 2 log s and R.
    """

    def __init__(self, network: Network, latent_dim: int):
        super().__init__()
        self.sizes = (latent_dim, latent_dim, latent_dim * (latent_dim - 1) // 2)
        self.layers = network.encoder(sum(self.sizes))
        self.register_buffer("places", torch.tril_indices(latent_dim, latent_dim, -1), persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean (N, latent_dim) and L (N, latent_dim, latent_dim)."""
        mean, logvar, below = map(widen, self.layers(images).split(self.sizes, dim=-1))  # of half precision too
        size = self.sizes[0]
        rows = torch.eye(size, dtype=below.dtype, device=below.device).repeat(len(below), 1, 1)
        rows = rows.index_put((torch.arange(len(below), device=below.device)[:, None], *self.places), below)
        return mean, (0.5 * logvar).exp().unsqueeze(-1) * rows


class FullCovarianceVAE(VAE):
    """q(z|x) = N(mean, L L^T), p(z) and p(x|z). `logvar` has the log-variance of each dimension by itself."""

    diagonal = False

    def forward(self, images: Tensor) -> FullOutput:
        """Encode and decode images (N, C, H, W) in [0, 1]."""
        mean, scale_tril = self.factors(images)
        z = sample_full(mean, scale_tril) if self.training else mean
        return FullOutput(mean, own_logvar(scale_tril), z, self.run(self.decoder, share(z)), scale_tril)

    def factors(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The posterior's mean, (N, latent_dim), and Cholesky factor, (N, latent_dim, latent_dim)."""
        mean, scale_tril = (gather(part, len(images)) for part in self.run(self.encoder, share(images)))
        return mean, scale_tril

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The posterior's mean and the log-variance of each of its dimensions, each (N, latent_dim)."""
        mean, scale_tril = self.factors(images)
        return mean, own_logvar(scale_tril)

    def posterior_components(self, images: Tensor) -> NoReturn:
        """Raises TypeError: no mixture of diagonal Gaussians has its covariance."""
        raise TypeError("a posterior with a full covariance has no diagonal components: take posterior_distribution")

    def posterior_distribution(self, images: Tensor) -> Distribution:
        """q(z|x) of each image, as a distribution with batch_shape (N,)."""
        mean, scale_tril = self.factors(images)
        return MultivariateNormal(mean, scale_tril=scale_tril, validate_args=False)

    def kl_divergence(self, output: FullOutput) -> Tensor:
        """KL(q(z|x)||p(z)) of each image, in nats, (N,): in closed form for N(0, I), else with one draw of log p(z)."""
        if isinstance(self.prior, StandardNormal):
            return full.cholesky.kl_divergence(output.mean, output.scale_tril)
        log_diagonal = output.scale_tril.diagonal(dim1=-2, dim2=-1).log()
        entropy = (0.5 * (1 + math.log(2 * math.pi)) + log_diagonal).sum(-1)
        return -entropy - self.prior.log_prob(output.draw())


def sample_full(mean: Tensor, scale_tril: Tensor) -> Tensor:
    """z = mean + L eps, with eps ~ N(0, I) from the global random stream."""
    return mean + (scale_tril @ torch.randn_like(mean).unsqueeze(-1)).squeeze(-1)


def own_logvar(scale_tril: Tensor) -> Tensor:
    """log of the diagonal of L L^T: (N, latent_dim)."""
    return 2 * torch.linalg.vector_norm(scale_tril, dim=-1).log()
