"""The beta-VAE with a controlled capacity."""

from vae.losses.annealing import REG_ANNEAL, AnnealedLoss
from vae.losses.base import Display, Penalty, register
from vae.models import VAE, VAEOutput
from vae.models.priors import Prior
from vae.options import Option


@register("betaB", display=Display("betaB", "#69D2FF"))
class CapacityLoss(AnnealedLoss):
    """gamma |KL(q(z|x)||p(z)) - C|, with the KL divergence's mean over the batch (Burgess et al. 2018, eq. 8).

    The capacity C goes from betaB_initC to betaB_finC over the first reg_anneal steps; it is recorded, in nats.
    """

    summary = "beta-VAE with a capacity C that grows"
    formula = "γ ∣KL(q‖p) − C∣"
    batchable = True
    full_covariance = True
    priors = Prior
    options = (
        Option("betaB_initC", 0.0, "capacity at the start, in nats", minimum=0),
        Option("betaB_finC", 25.0, "capacity at the end, in nats", minimum=0, regularises="less"),
        Option("betaB_G", 100.0, "weight gamma", minimum=0, symbol="γ", regularises="more"),
        REG_ANNEAL,
    )

    def __init__(self, *, betaB_initC: float, betaB_finC: float, betaB_G: float, **options: int):
        super().__init__(**options)
        self.start, self.end, self.gamma = betaB_initC, betaB_finC, betaB_G

    def penalty(self, model: VAE, output: VAEOutput) -> Penalty:
        kl = model.kl_divergence(output).mean()
        capacity = self.start + (self.end - self.start) * self.annealed()
        return Penalty(self.gamma * (kl - capacity).abs(), kl, {"capacity": capacity})
