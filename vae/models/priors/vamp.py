"""The variational mixture of posteriors."""

import torch
from torch import Tensor, nn

from vae.models.priors.base import PRIORS
from vae.models.priors.mixture import Mixture


@PRIORS.register("vamp", place=3)
class VampPrior(Mixture):
    """p(z) = 1/K sum_k q(z|u_k): the posteriors of K pseudo-inputs u_k, which are learnt.

    Images are the sigmoids of parameters, in [0, 1]; vectors are parameters themselves. Both start at N(0, 1). The
    encoder is the model's own and is trained as such: it is no part of this module's state. Source: Tomczak and Welling
    2018 (arXiv:1705.07120).
    """

    counted, usual_count = "pseudo-inputs", 100
    takes_encoder = True

    @classmethod
    def of_model(
        cls, latent_dim: int, count: int | None, encoder: nn.Module, data_shape: tuple[int, ...]
    ) -> "VampPrior":
        """Of the model's own encoder."""
        return cls(latent_dim, count or cls.usual_count, encoder, data_shape)

    def __init__(self, latent_dim: int, inputs: int, encoder: nn.Module, data_shape: tuple[int, ...]):
        super().__init__(latent_dim)
        self.inputs = nn.Parameter(torch.randn(inputs, *data_shape))
        self.encoders = (encoder,)  # in a tuple, where PyTorch does not take it for a part of this module

    def components(self) -> tuple[Tensor, Tensor]:
        images = self.inputs.ndim > 2
        mean, logvar = self.encoders[0](self.inputs.sigmoid() if images else self.inputs)
        return mean, logvar
