"""The variational autoencoder: encoder q(z|x), prior p(z), decoder and likelihood p(x|z)."""

from collections.abc import Callable
from contextlib import nullcontext
from types import ModuleType
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from vae import divergences
from vae.distributed import gather, share
from vae.divergences.numerics import widen
from vae.inputs import check_data, to_network
from vae.models.likelihoods import Likelihood
from vae.models.priors import Prior
from vae.models.priors.mixture import gaussian_mixture

BATCH_SIZE = 200  # of a pass without gradients; of twice as many 64x64 images a feature map would be over 32 MiB


class VAEOutput(NamedTuple):
    """One pass through the model."""

    mean: Tensor  # posterior mean, (N, latent_dim)
    logvar: Tensor  # posterior log-variance, (N, latent_dim)
    z: Tensor  # the latent that was decoded, (N, latent_dim)
    decoded: Tensor  # the decoder's output for this rank's share of z, in the shape of the data; see likelihood.mean

    @property
    def divergences(self) -> ModuleType:
        """Where the divergences of such a posterior are: they take its parameters, and those of a Gaussian prior."""
        return divergences

    @property
    def parameters(self) -> tuple[Tensor, Tensor]:
        """The posterior as its divergences take it."""
        return self.mean, self.logvar

    def draw(self) -> Tensor:
        """Draw one z per posterior, reparameterised, from the global random stream: (N, latent_dim)."""
        return sample_posterior(self.mean, self.logvar)


class VAE(nn.Module):
    """q(z|x) = N(mean, diag exp logvar), p(z) and p(x|z).

    In training mode z is one sample of q(z|x); in evaluation mode it is the posterior mean, the paper's choice.
    What is said of images (N, C, H, W) holds for vectors (N, D) too.
    """

    data_shape: tuple[int, ...] | None = None  # of an example, where it is known
    diagonal: ClassVar[bool] = True  # False: the posterior is more than a mean and a log-variance for each dimension
    mixed_precision: bool = False  # see run
    sampler: Distribution | None = None  # another source of latents than the prior, where one has been fitted

    def __init__(self, encoder: nn.Module, decoder: nn.Module, prior: Prior, likelihood: Likelihood):
        super().__init__()
        self.encoder, self.decoder, self.prior, self.likelihood = encoder, decoder, prior, likelihood

    def forward(self, images: Tensor) -> VAEOutput:
        """Encode and decode images (N, C, H, W) in [0, 1]."""
        mean, logvar = self.encode(images)
        z = sample_posterior(mean, logvar) if self.training else mean
        return VAEOutput(mean, logvar, z, self.run(self.decoder, share(z)))

    def run(self, network: Callable[[Tensor], Any], inputs: Tensor) -> Any:
        """What the encoder or the decoder makes of its inputs: a tensor or several, under autocast too in float32.

        With `mixed_precision`, in training mode, their matrix products and convolutions are computed in bfloat16, which
        has the range of float32 and three digits. Weights, and all that is made of what networks give, stay float32.
        """
        mixed = self.training and self.mixed_precision
        with torch.autocast(inputs.device.type, torch.bfloat16) if mixed else nullcontext():
            outputs = network(inputs)
        return widen(outputs) if isinstance(outputs, Tensor) else tuple(map(widen, outputs))

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The posterior's mean and log-variance, each (N, latent_dim)."""
        mean, logvar = (gather(part, len(images)) for part in self.run(self.encoder, share(images)))
        return mean, logvar

    def posterior_components(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """q(z|x) as a mixture of Gaussians: logits (N, K), means and log-variances (N, K, latent_dim); here K is 1."""
        mean, logvar = self.encode(images)
        return torch.zeros_like(mean[:, :1]), mean.unsqueeze(1), logvar.unsqueeze(1)

    def posterior_distribution(self, images: Tensor) -> Distribution:
        """q(z|x) of each image, as a distribution with batch_shape (N,)."""
        return gaussian_mixture(*self.posterior_components(images))

    def decode(self, z: Tensor) -> Tensor:
        """The mean image E[x|z] of latents (N, latent_dim): (N, C, H, W)."""
        return gather(self.likelihood.mean(self.run(self.decoder, share(z))), len(z))

    def reconstruction_error(self, output: VAEOutput, images: Tensor) -> Tensor:
        """The likelihood's term of each image: (N,).

        Raises ValueError for images in another shape than what is decoded, and for a likelihood that gives other terms.
        """
        own = share(images)
        check_shape("what the decoder gives", output.decoded, own.shape)
        errors = self.likelihood.reconstruction_error(output.decoded, own)
        check_shape(f"what {type(self.likelihood).__name__}.reconstruction_error gives", errors, own.shape[:1])
        return gather(errors, len(images))

    def kl_divergence(self, output: VAEOutput) -> Tensor:
        """KL(q(z|x)||p(z)) of each image, in nats: (N,). Raises ValueError for a prior that gives another shape."""
        divergence = self.prior.kl_divergence(output.mean, output.logvar)
        check_shape(f"what {type(self.prior).__name__}.kl_divergence gives", divergence, output.mean.shape[:-1])
        return divergence

    @torch.no_grad()
    def reconstruct(self, images: Tensor) -> Tensor:
        """The mean images at z = posterior mean of images (N, C, H, W), bytes or in [0, 1]: floats in [0, 1].

        Raises ValueError for other images.
        """
        check_data(images, self)
        device = next(self.parameters()).device
        return self.in_batches(lambda batch: self.decode(self.encode(to_network(batch.to(device)))[0]), images)

    @torch.no_grad()
    def sample(self, count: int, source: Distribution | None = None) -> Tensor:
        """The mean images of `count` latents drawn from the prior, or another source, in [0, 1]: (count, C, H, W)."""
        return self.in_batches(self.decode, source.sample((count,)) if source else self.prior.sample(count))

    def in_batches(self, function: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
        """What a function makes of its inputs, in evaluation mode and in the memory of one batch and the result."""
        was_training = self.training
        self.eval()
        try:
            whole = first = function(inputs[:BATCH_SIZE])
            if len(inputs) > BATCH_SIZE:
                whole = first.new_empty(len(inputs), *first.shape[1:])
                whole[:BATCH_SIZE] = first
            for start in range(BATCH_SIZE, len(inputs), BATCH_SIZE):
                whole[start : start + BATCH_SIZE] = function(inputs[start : start + BATCH_SIZE])
            return whole
        finally:
            self.train(was_training)


def check_shape(what: str, tensor: Tensor, shape: torch.Size) -> None:
    """Raise ValueError if a tensor has another shape, which broadcasting might hide."""
    if tensor.shape != shape:
        raise ValueError(f"{what} has the shape {tuple(tensor.shape)}: expected {tuple(shape)}")


def sample_posterior(mean: Tensor, logvar: Tensor) -> Tensor:
    """Draw one z per posterior by reparameterisation, with eps ~ N(0, I) from the global random stream."""
    return reparameterise(mean, logvar, torch.randn_like(mean))


def reparameterise(mean: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
    """z = mean + exp(logvar / 2) eps, with eps the noise."""
    return torch.addcmul(mean, (0.5 * logvar).exp(), noise)
