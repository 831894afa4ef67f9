"""Another source of latents than the prior: a mixture of Gaussians that is fitted to those of the training data.

Where an objective leaves the aggregate posterior far from the prior, the decoder has never seen most of what the prior
draws. A density that is fitted afterwards samples from where the latents are (Ghosh et al. 2020, "From variational to
deterministic autoencoders", arXiv:1903.12436). Needs scikit-learn.
"""

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution, MixtureSameFamily, MultivariateNormal

from vae.evaluation.measuring import measuring
from vae.inputs import add_noise, to_network
from vae.models import VAE
from vae.models.vae import BATCH_SIZE
from vae.random import Stream, stream_seed

COMPONENTS = 10
MOST_IMAGES = 10_000  # that it is fitted to, the first


@torch.no_grad()
def fit_mixture(model: VAE, data: Tensor, *, seed: int, noise: float = 0.0) -> Distribution:
    """A mixture of ten Gaussians with full covariance, by maximum likelihood (EM), with event_shape (latent_dim,).

    Fitted to one draw of q(z|x) for each of the first 10,000 examples, images as bytes (N, C, H, W) or vectors (N, D).
    `noise` is added to what the encoder sees, as in training. Fewer examples than components have as many components.
    The seed fixes the draws and where EM starts.
    """
    from sklearn.mixture import GaussianMixture  # not a requirement

    device = next(model.parameters()).device
    latents = []
    with measuring(device, seed, Stream.EVALUATION):
        for start in range(0, min(len(data), MOST_IMAGES), BATCH_SIZE):
            batch = to_network(data[start : min(start + BATCH_SIZE, MOST_IMAGES)].to(device))
            latents.append(model.posterior_distribution(add_noise(batch, noise)).sample())
    z = torch.cat(latents).cpu().double().numpy()
    components, state = min(COMPONENTS, len(z)), stream_seed(seed, Stream.EVALUATION) % 2**32
    fitted = GaussianMixture(components, random_state=state).fit(z)
    weights, means, covariances = (
        torch.as_tensor(part, dtype=torch.float64) for part in (fitted.weights_, fitted.means_, fitted.covariances_)
    )
    factors = torch.linalg.cholesky(covariances)
    gaussians = MultivariateNormal(means.float().to(device), scale_tril=factors.float().to(device))
    return MixtureSameFamily(Categorical(weights.float().to(device)), gaussians)
