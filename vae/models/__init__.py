"""Networks and the models made of them."""

from vae.models.vae import VAE, VAEOutput, build_model, build_networks, reparameterise, sample_posterior

__all__ = ["VAE", "VAEOutput", "build_model", "build_networks", "reparameterise", "sample_posterior"]
