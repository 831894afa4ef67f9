"""The aggregate posterior q(z), the mean of q(z|x) over examples: how far it is from the prior, and a density of it.

A model's samples are like its data only where the prior draws what data are encoded as. Where an objective leaves the
aggregate posterior far from the prior, the decoder has never seen most of what the prior draws. A density that is
fitted afterwards samples from where the latents are (Ghosh et al. 2020, "From variational to deterministic
autoencoders", arXiv:1903.12436). Fitting needs scikit-learn.
"""

from warnings import catch_warnings, simplefilter

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution, MixtureSameFamily, MultivariateNormal

from vae.divergences.aggregate.energy import energy_distance
from vae.evaluation.measuring import measuring
from vae.inputs import add_noise, to_network
from vae.means import NonFiniteError
from vae.models import VAE
from vae.models.vae import BATCH_SIZE
from vae.random import Stream, stream_seed

COMPONENTS = 10
MOST_FITTED = 10_000  # examples, the first
MOST_PAIRED = 5000  # likewise; a matrix of all pairs takes 100 MB


def aggregate_distance(model: VAE, data: Tensor, *, seed: int, noise: float = 0.0) -> float:
    """The energy distance of q(z) from the prior, 2 E||z - p|| - E||z - z'|| - E||p - p'||, in the units of z.

    0 where both are the same, else more. It has no kernel or scale to choose, and takes any prior. It is estimated
    without bias, and so at times a little below 0, from a draw of q(z|x) for each of the first 5,000 examples, two at
    least, images as bytes (N, C, H, W) or vectors (N, D), and from as many draws of the prior. The seed fixes them.
    `noise` is added to what the encoder sees, as in training. Raises NonFiniteError if it is not finite, and
    ValueError for a single example, or data that the model does not take.
    Source: Szekely and Rizzo 2013.
    """
    device = next(model.parameters()).device
    with torch.no_grad(), measuring(device, seed, Stream.EVALUATION):
        z = draw_aggregate(model, data[:MOST_PAIRED], noise)
        distance = energy_distance(z, model.prior.sample(len(z)), unbiased=True)
    if not distance.isfinite():
        raise NonFiniteError("the distance of the aggregate posterior from the prior is not finite")
    return distance.item()


@torch.no_grad()
def fit_mixture(model: VAE, data: Tensor, *, seed: int, noise: float = 0.0) -> Distribution:
    """A mixture of ten Gaussians with full covariance, by maximum likelihood (EM), with event_shape (latent_dim,).

    Fitted to one draw of q(z|x) for each of the first 10,000 examples, images as bytes (N, C, H, W) or vectors (N, D).
    `noise` is added to what the encoder sees, as in training. Of fewer than ten examples, two at least, it has as many
    Gaussians. The seed fixes the draws and where EM starts. Raises NonFiniteError if none can be fitted.
    """
    from sklearn.mixture import GaussianMixture  # not a requirement

    device = next(model.parameters()).device
    with measuring(device, seed, Stream.EVALUATION):
        z = draw_aggregate(model, data[:MOST_FITTED], noise).cpu().double().numpy()
    components, state = min(COMPONENTS, len(z)), stream_seed(seed, Stream.EVALUATION) % 2**32
    try:
        with catch_warnings():
            simplefilter("ignore")  # of latents that are all the same, say
            fitted = GaussianMixture(components, random_state=state).fit(z)
    except ValueError:
        raise NonFiniteError("no Gaussians can be fitted to the latents, which are not finite or too large") from None
    weights, means, covariances = (
        torch.as_tensor(part, dtype=torch.float64) for part in (fitted.weights_, fitted.means_, fitted.covariances_)
    )
    factors = torch.linalg.cholesky(covariances)
    gaussians = MultivariateNormal(means.float().to(device), scale_tril=factors.float().to(device))
    return MixtureSameFamily(Categorical(weights.float().to(device)), gaussians)


def draw_aggregate(model: VAE, data: Tensor, noise: float) -> Tensor:
    """A draw of q(z|x) for each example, from the global random stream: (N, latent_dim), on the model's device."""
    device = next(model.parameters()).device
    batches = (to_network(data[start : start + BATCH_SIZE].to(device)) for start in range(0, len(data), BATCH_SIZE))
    return torch.cat([model.posterior_distribution(add_noise(batch, noise)).sample() for batch in batches])
