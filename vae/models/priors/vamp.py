"""The variational mixture of posteriors."""

import torch
from torch import Tensor, nn

from vae.models.priors.base import PRIORS
from vae.models.priors.mixture import Mixture

PSEUDO_INPUTS = 100  # unless it is said how many


class VampPrior(Mixture):
    """p(z) = 1/K sum_k q(z|u_k): the posteriors of K pseudo-inputs u_k, which are learnt (Tomczak and Welling 2018,
    arXiv:1705.07120).

    Images are the sigmoids of parameters, in [0, 1]; vectors are parameters themselves. Both start at N(0, 1). The
    encoder is the model's own, whose parameters it is that are trained: it is no part of this module's state.
    """

    def __init__(self, latent_dim: int, inputs: int, encoder: nn.Module, data_shape: tuple[int, ...]):
        super().__init__(latent_dim)
        self.inputs = nn.Parameter(torch.randn(inputs, *data_shape))
        self.encoders = (encoder,)  # in a tuple, where PyTorch does not take it for a part of this module

    def components(self) -> tuple[Tensor, Tensor]:
        images = self.inputs.ndim > 2
        mean, logvar = self.encoders[0](self.inputs.sigmoid() if images else self.inputs)
        return mean, logvar


@PRIORS.register("vamp", place=3)
def vamp(*, latent_dim: int, components: int | None, encoder: nn.Module, data_shape: tuple[int, ...]) -> VampPrior:
    """A VampPrior of so many pseudo-inputs."""
    return VampPrior(latent_dim, components or PSEUDO_INPUTS, encoder, data_shape)
