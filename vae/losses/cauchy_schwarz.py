"""The Cauchy-Schwarz regularised autoencoder, whose prior is a learnt mixture."""

from typing import Any

from vae.divergences import cauchy_schwarz_divergence
from vae.losses.base import Display, Loss, Penalty, register
from vae.models import VAE, VAEOutput
from vae.models.priors import GaussianMixture, Mixture
from vae.options import Option


@register("CS", display=Display("CS", "#C32DB4"))
class CauchySchwarzLoss(Loss):
    """weight D_CS(q(z|x), p(z)), p a mixture of Gaussians that is learnt with the model (Tran et al. 2021).

    The divergence is in closed form for each image. For K components far from each other, and of equal variances, it is
    log(K)/2 at least; of unequal ones it hardly counts the wide, and may come near 0 at the narrowest.
    `effective_components` is how many components the batch's latents tell apart, see GaussianMixture: it shows a
    collapse.
    """

    summary = "Cauchy-Schwarz divergence to a learnt mixture of Gaussians"
    formula = "λ D_CS(q, Σₖ pₖ/K)"
    batchable = True
    priors = Mixture
    prior_options = ("components", "prior_network")
    options = (
        Option("components", 10, "components K of the prior", int, minimum=1, maximum=1_000),
        Option("CS_B", 1.0, "weight of the divergence", minimum=0, symbol="λ", regularises="more"),
        Option("prior_network", True, "the prior's means and variances come from a network, not parameters", bool),
    )

    @classmethod
    def build_prior(cls, latent_dim: int, options: dict[str, Any]) -> GaussianMixture:
        return GaussianMixture(options["components"], latent_dim, network=options["prior_network"])

    def __init__(self, *, components: int, CS_B: float, prior_network: bool, **sizes: int):
        super().__init__(**sizes)
        self.weight = CS_B

    def penalty(self, model: VAE, output: VAEOutput) -> Penalty:
        divergence = cauchy_schwarz_divergence(output.mean, output.logvar, *model.prior.components()).mean()
        effective = model.prior.effective_components(output.z.detach())
        return self.weighted(divergence, effective_components=effective)
