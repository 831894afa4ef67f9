"""The categorical VAE of Pineau and Lelarge 2018 ("InfoCatVAE", arXiv:1806.08240): an image has a class c and a z."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from vae.distributed import gather, share
from vae.models.likelihoods import Likelihood, build_likelihood
from vae.models.networks import Decoder, Encoder, Network, build_network
from vae.models.priors import SubspaceMixture
from vae.models.vae import VAE, sample_posterior

RARE = 0.01  # a probability of a class from which on it is always decoded


class CategoricalEncoder(Encoder):
    """q(c|x) and, for each class, q(z|x,c) = N(mean, diag exp logvar), from the features of one network.

    Takes images (N, C, H, W) in [0, 1] to logits (N, K), means and log-variances, each (N, K, latent_dim); the means
    are offsets from those of the prior's classes, so that training starts with classes that differ.
    """

    def __init__(self, network: Network, classes: int, latent_dim: int):
        super().__init__(network, classes * latent_dim)
        self.classes = classes
        # All classes are equally likely at first: random logits hardly depend on the image, and would leave all images
        # to one or two of the classes for good.
        self.class_head = nn.Linear(self.layers[-1].in_features, classes)
        nn.init.zeros_(self.class_head.weight)
        nn.init.zeros_(self.class_head.bias)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features = self.layers[:-1](images)
        mean, logvar = self.layers[-1](features).unflatten(-1, (self.classes, -1)).chunk(2, dim=-1)
        return self.class_head(features), mean, logvar


class CategoricalOutput(NamedTuple):
    """One pass through the model: P decoded latents, each standing for a share of the posterior of one of N images."""

    mean: Tensor  # mean of the most probable class's Gaussian, (N, latent_dim)
    logvar: Tensor  # and its log-variance, (N, latent_dim)
    z: Tensor  # the latents that were decoded, (P, latent_dim)
    decoded: Tensor  # the decoder's output for this rank's share of them, (P / ranks, C, H, W)
    image: Tensor  # the image that each belongs to, (P,)
    weight: Tensor  # its share of that image's posterior, (P,)
    logits: Tensor  # of q(c|x), (N, K)
    class_mean: Tensor  # means of q(z|x,c), (N, K, latent_dim)
    class_logvar: Tensor  # and their log-variances, (N, K, latent_dim)


class CategoricalVAE(VAE):
    """q(c, z|x) = q(c|x) N(class_mean, diag exp class_logvar), p(c, z) and p(x|z).

    In training mode every class has its sample of z and counts by its probability, so that the expectation over c is
    exact; classes below 1 % are decoded by chance, without bias, because they are most of the work and nearly nothing
    of the sum. With `single_decode` there is one sample, of the Gaussian with the mean and the log-variance that the
    classes have on average, which is the same thing only where q(c|x) is all on one class. In evaluation mode z is the
    mean of the most probable class's Gaussian.
    """

    def __init__(
        self,
        encoder: CategoricalEncoder,
        decoder: nn.Module,
        prior: SubspaceMixture,
        likelihood: Likelihood,
        *,
        single_decode: bool = False,
    ):
        super().__init__(encoder, decoder, prior, likelihood)
        self.single_decode = single_decode

    def forward(self, images: Tensor) -> CategoricalOutput:
        """Encode and decode images (N, C, H, W) in [0, 1]."""
        logits, class_mean, class_logvar = self.posterior_components(images)
        mean, logvar = most_probable(logits, class_mean, class_logvar)
        image = torch.arange(len(logits), device=logits.device)
        weight = torch.ones_like(logits[:, 0])
        if not self.training:
            z = mean
        elif self.single_decode:
            shares = logits.softmax(-1).unsqueeze(-1)
            z = sample_posterior((shares * class_mean).sum(1), (shares * class_logvar).sum(1))
        else:
            # Every class above RARE is decoded. A rarer one is decoded with probability q(c|x) / RARE and then counts
            # as RARE: the expectation and its gradient stay what they are, and most of the decodes are saved.
            probabilities = logits.softmax(-1)
            chance = (probabilities.detach() / RARE).clamp(max=1)
            image, label = (torch.rand_like(chance) < chance).nonzero(as_tuple=True)
            weight = probabilities[image, label] / chance[image, label]
            z = sample_posterior(class_mean[image, label], class_logvar[image, label])
        return CategoricalOutput(
            mean, logvar, z, self.run(self.decoder, share(z)), image, weight, logits, class_mean, class_logvar
        )

    def posterior_components(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The logits of q(c|x), (N, K), and the mean and log-variance of each q(z|x,c), each (N, K, latent_dim)."""
        logits, offset, logvar = (gather(part, len(images)) for part in self.run(self.encoder, share(images)))
        return logits, self.prior.mean + offset, logvar

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The mean and the log-variance of the most probable class's Gaussian, each (N, latent_dim)."""
        return most_probable(*self.posterior_components(images))

    def reconstruction_error(self, output: CategoricalOutput, images: Tensor) -> Tensor:
        """The likelihood's term of each image, its expectation over what was decoded: (N,)."""
        own = self.likelihood.reconstruction_error(output.decoded, images[share(output.image)])
        errors = gather(own, len(output.z))
        return errors.new_zeros(len(images)).index_add(0, output.image, output.weight * errors)

    def kl_divergence(self, output: CategoricalOutput) -> Tensor:
        """KL(q(c,z|x)||p(c,z)) of each image, in nats: (N,)."""
        return sum(self.prior.kl_divergences(output.logits, output.class_mean, output.class_logvar))


def most_probable(logits: Tensor, class_mean: Tensor, class_logvar: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log-variance of the Gaussian of each image's most probable class."""
    label = logits.argmax(-1, keepdim=True).unsqueeze(-1)
    mean, logvar = (torch.take_along_dim(part, label, 1).squeeze(1) for part in (class_mean, class_logvar))
    return mean, logvar


def build_categorical_model(
    image_shape: tuple[int, int, int],
    prior: SubspaceMixture,
    rec_dist: str = "bernoulli",
    network: str | None = None,
    *,
    single_decode: bool = False,
    **network_options: Any,
) -> CategoricalVAE:
    """The categorical VAE with a class for each of the prior's; the rest is as for `build_model`."""
    built = build_network(image_shape, network, **network_options)
    model = CategoricalVAE(
        CategoricalEncoder(built, prior.classes, prior.latent_dim),
        Decoder(built, prior.latent_dim),
        prior,
        build_likelihood(rec_dist, image_shape),
        single_decode=single_decode,
    )
    model.data_shape = tuple(image_shape)
    return model
