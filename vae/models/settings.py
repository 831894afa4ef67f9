"""The settings of a model."""

from dataclasses import dataclass

from vae.models.likelihoods import LIKELIHOODS
from vae.models.networks import usual_network
from vae.models.posteriors import POSTERIORS
from vae.models.priors import PRIORS
from vae.options import Settings, setting

# The priors that have something for --prior-components to count.
COUNTING = {name: PRIORS[name] for name in PRIORS.in_order() if PRIORS[name].counted}


@dataclass(frozen=True, kw_only=True)
class ModelSettings(Settings):
    """What a model and its loss are made of, besides the options of the loss and of the network: see vae.saved.build.

    A saved model says which of these it is of.
    """

    rec_dist: str = setting(
        "bernoulli", "likelihood p(x|z); the normal ones are for vectors", choices=tuple(LIKELIHOODS)
    )
    loss: str = setting("GJS", "training objective, see below")
    network: str = setting(
        usual_network("images"), f"encoder and decoder, see below; of vectors it is {usual_network('vectors')}"
    )
    latent_dim: int = setting(10, "dimensions of z", minimum=1, maximum=10_000)
    prior: str | None = setting(
        None, "prior p(z) (default: that of the loss, N(0, I) for most)", choices=tuple(PRIORS.in_order())
    )
    prior_components: int | None = setting(
        None,
        ", ".join(f"{own.counted} of {name} (default: {own.usual_count})" for name, own in COUNTING.items()),
        minimum=1,
        maximum=10_000,
    )
    posterior: str = setting("diagonal", "covariance of q(z|x)", choices=tuple(POSTERIORS))
