"""The objective without a regulariser."""

from vae.losses.base import Display, Loss, Penalty, register
from vae.models import VAE, VAEOutput


@register("AE", display=Display("AE", "#696987"))
class AutoencoderLoss(Loss):
    """Reconstruction only. z is still sampled from q(z|x), so that the posterior's variance shrinks in training."""

    summary = "no regulariser; z is still sampled (the paper's authors call it VAE)"
    formula = "0"
    batchable = True
    full_covariance = True
    remedy = "AE has no regulariser: --loss KL has one"

    def penalty(self, model: VAE, output: VAEOutput) -> Penalty:
        return self.weighted(output.mean.new_zeros(()))
