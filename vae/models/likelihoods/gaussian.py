"""The Gaussian likelihood of images."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from vae.models.likelihoods.base import LIKELIHOODS, Likelihood, sigmoid_slope


@LIKELIHOODS.register("gaussian")
class Gaussian(Likelihood):
    """Squared error (x - m)^2: the Gaussian of variance 1/2 without its constant, log(pi) / 2 a pixel."""

    saturates = True
    log_normaliser = math.log(math.pi) / 2

    def pixel_error(self, output: Tensor, images: Tensor) -> Tensor:
        return functional.mse_loss(self.mean(output), images, reduction="none")

    def sample(self, output: Tensor) -> Tensor:
        """Draw x ~ p(x|z), not kept in [0, 1], from the global random stream, in the shape of output."""
        return self.mean(output) + math.sqrt(0.5) * torch.randn_like(output)

    def information(self, output: Tensor) -> Tensor:
        return 2 * sigmoid_slope(output).square()
