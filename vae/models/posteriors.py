"""The covariances that posteriors may have, and the building of a model."""

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import nn

from vae.models.full_covariance import FullCovarianceVAE, FullEncoder
from vae.models.likelihoods import build_likelihood
from vae.models.networks import Decoder, Encoder, Network, build_network
from vae.models.priors import Prior, StandardNormal
from vae.models.vae import VAE
from vae.options import OptionError


class Posterior(NamedTuple):
    """What makes a model have a kind of posterior."""

    encoder: Callable[[Network, int], nn.Module]  # of networks, for so many latent dimensions
    model: type[VAE]


POSTERIORS = {"diagonal": Posterior(Encoder, VAE), "full": Posterior(FullEncoder, FullCovarianceVAE)}


def build_model(
    image_shape: tuple[int, ...],
    latent_dim: int = 10,
    rec_dist: str = "bernoulli",
    *,
    prior: Callable[[int, nn.Module], Prior] = lambda latent_dim, encoder: StandardNormal(latent_dim),
    posterior: str = "diagonal",
    network: str | None = None,
    **network_options: Any,
) -> VAE:
    """The VAE for images of a shape (C, H, W), or for vectors, (D,).

    `prior` makes the prior of `latent_dim` dimensions of the model that has that encoder. `posterior` is one of
    POSTERIORS, by its covariance. `network` is one of `--network`, with its options by name, such as width=32; None is
    the usual one of the shape.
    Raises OptionError, in one line, for names and options that there are not, for no latent dimension, for a likelihood
    that is for other data, for a shape that the network does not take, and for a full covariance with a VampPrior.
    """
    if posterior not in POSTERIORS:
        raise OptionError(f"--posterior {posterior}: there is no such posterior: choose from {', '.join(POSTERIORS)}")
    if latent_dim < 1:
        raise OptionError(f"--latent-dim {latent_dim}: expected 1 or more")
    make_encoder, model = POSTERIORS[posterior]
    built = build_network(image_shape, network, **network_options)
    encoder, decoder = make_encoder(built, latent_dim), Decoder(built, latent_dim)
    whole = model(encoder, decoder, prior(latent_dim, encoder), build_likelihood(rec_dist, image_shape))
    if whole.prior.takes_encoder and not whole.diagonal:
        mixture = type(whole.prior).__name__
        raise OptionError(f"--posterior {posterior}: a {mixture} is a mixture of diagonal ones: leave one of them out")
    whole.data_shape = tuple(image_shape)
    return whole
