"""The maximum mean discrepancy of the aggregate posterior from the prior (Zhao et al. 2019, InfoVAE)."""

from torch import Tensor

from vae.divergences import maximum_mean_discrepancy
from vae.losses.base import Loss, register
from vae.models import VAE, VAEOutput, sample_posterior
from vae.options import Option


@register("MMD")
class MMDLoss(Loss):
    """weight MMD^2(q(z), p(z)), q(z) the aggregate posterior: one z per image of the batch, always a sample.

    Gaussian kernel exp(-||z - z'||^2 / latent_dim), the prior's terms in closed form. The estimate is the unbiased
    one, so that its mean over batches of any size is the discrepancy itself; it may be a little below zero.
    """

    summary = "maximum mean discrepancy of the aggregate posterior (InfoVAE with α = 1)"
    formula = "w MMD²(q(z), p(z))"
    options = (Option("MMD_B", 500.0, "weight of the discrepancy", minimum=0),)
    batch_statistic = True

    def __init__(self, *, MMD_B: float, **sizes: int):
        super().__init__(**sizes)
        self.weight = MMD_B

    def divergence(self, model: VAE, output: VAEOutput) -> tuple[Tensor, dict[str, Tensor]]:
        z = output.z if self.training else sample_posterior(output.mean, output.logvar)
        # A last batch of one image holds no pair to average over: there the biased estimate has to do.
        return maximum_mean_discrepancy(z, unbiased=len(z) > 1), {}
