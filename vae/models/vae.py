"""The variational autoencoder: encoder q(z|x), prior p(z), decoder and likelihood p(x|z)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from vae.divergences.numerics import widen
from vae.likelihoods import LIKELIHOODS, Likelihood
from vae.models.burgess import Decoder, Encoder
from vae.models.mlp import VectorDecoder, VectorEncoder
from vae.priors import Prior, StandardNormal


class VAEOutput(NamedTuple):
    """One pass through the model."""

    mean: Tensor  # posterior mean, (N, latent_dim)
    logvar: Tensor  # posterior log-variance, (N, latent_dim)
    z: Tensor  # the latent that was decoded, (N, latent_dim)
    decoded: Tensor  # the decoder's output, in the shape of the data; `likelihood.mean` makes it an image or a vector


class VAE(nn.Module):
    """q(z|x) = N(mean, diag exp logvar), p(z) and p(x|z).

    In training mode z is one sample of q(z|x); in evaluation mode it is the posterior mean, the paper's choice.
    What is said of images (N, C, H, W) holds for vectors (N, D) too.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, prior: Prior, likelihood: Likelihood):
        super().__init__()
        self.encoder, self.decoder, self.prior, self.likelihood = encoder, decoder, prior, likelihood

    def forward(self, images: Tensor) -> VAEOutput:
        """Encode and decode images (N, C, H, W) in [0, 1]."""
        mean, logvar = self.encode(images)
        z = sample_posterior(mean, logvar) if self.training else mean
        return VAEOutput(mean, logvar, z, self.decoder(z))

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The posterior's mean and log-variance, each (N, latent_dim), under autocast too in float32."""
        mean, logvar = self.encoder(images)
        return widen(mean), widen(logvar)

    def posterior(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """q(z|x) as a mixture of Gaussians: logits (N, K), means and log-variances (N, K, latent_dim); here K is 1."""
        mean, logvar = self.encode(images)
        return torch.zeros_like(mean[:, :1]), mean.unsqueeze(1), logvar.unsqueeze(1)

    def decode(self, z: Tensor) -> Tensor:
        """The mean image E[x|z] of latents (N, latent_dim): (N, C, H, W)."""
        return self.likelihood.mean(self.decoder(z))

    def reconstruction_error(self, output: VAEOutput, images: Tensor) -> Tensor:
        """The likelihood's term of each image: (N,)."""
        return self.likelihood.reconstruction_error(output.decoded, images)

    def kl_divergence(self, output: VAEOutput) -> Tensor:
        """KL(q(z|x)||p(z)) of each image, in nats: (N,)."""
        return self.prior.kl_divergence(output.mean, output.logvar)

    def sample(self, count: int) -> Tensor:
        """Mean images of `count` latents drawn from the prior: (count, C, H, W)."""
        return self.decode(self.prior.sample(count, next(self.parameters()).device))


def sample_posterior(mean: Tensor, logvar: Tensor) -> Tensor:
    """Draw one z per posterior by reparameterisation, z = mean + exp(logvar / 2) eps with eps ~ N(0, I)."""
    return torch.addcmul(mean, (0.5 * logvar).exp(), torch.randn_like(mean))


def build_networks(image_shape: tuple[int, ...], latent_dim: int) -> tuple[nn.Module, nn.Module]:
    """Encoder and decoder: Burgess networks for (C, 32, 32) or (C, 64, 64), perceptrons for vectors, (D,).

    Raises ValueError for another shape.
    """
    if len(image_shape) == 1:
        return VectorEncoder(*image_shape, latent_dim), VectorDecoder(*image_shape, latent_dim)
    return Encoder(image_shape, latent_dim), Decoder(image_shape, latent_dim)


def build_model(image_shape: tuple[int, ...], latent_dim: int = 10, rec_dist: str = "bernoulli") -> VAE:
    """The VAE with a standard-normal prior, with the networks that fit the shape of an image or of a vector.

    Raises ValueError for a shape that no networks fit and KeyError for an unknown likelihood.
    """
    encoder, decoder = build_networks(image_shape, latent_dim)
    return VAE(encoder, decoder, StandardNormal(latent_dim), LIKELIHOODS[rec_dist](image_shape))
