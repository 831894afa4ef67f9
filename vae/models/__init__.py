"""The models, and what they are made of: networks, a prior and a likelihood."""

from vae.models.posteriors import build_model
from vae.models.vae import VAE, VAEOutput, reparameterise, sample_posterior

__all__ = ["VAE", "VAEOutput", "build_model", "reparameterise", "sample_posterior"]
