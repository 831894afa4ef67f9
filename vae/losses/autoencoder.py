"""The objective without a regulariser."""

from torch import Tensor

from vae.losses.base import Loss, register
from vae.models import VAE, VAEOutput


@register("AE")
class AutoencoderLoss(Loss):
    """Reconstruction only. z is still sampled from q(z|x), so that the posterior's variance shrinks in training."""

    summary = "no regulariser; z is still sampled (the paper's authors call it VAE)"
    formula = "0"
    batchable = True

    def divergence(self, model: VAE, output: VAEOutput) -> tuple[Tensor, dict[str, Tensor]]:
        return output.mean.new_zeros(()), {}
