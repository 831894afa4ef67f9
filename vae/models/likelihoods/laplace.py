"""The Laplace likelihood of images."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from vae.models.likelihoods.base import LIKELIHOODS, Likelihood, sigmoid_slope


@LIKELIHOODS.register("laplace")
class Laplace(Likelihood):
    """Three times the absolute error, 3 |x - m|: the Laplace distribution of scale 1/3 without its log(2/3) a pixel."""

    saturates = True
    log_normaliser = math.log(2 / 3)

    def pixel_error(self, output: Tensor, images: Tensor) -> Tensor:
        return 3 * functional.l1_loss(self.mean(output), images, reduction="none")

    def sample(self, output: Tensor) -> Tensor:
        """Draw x ~ p(x|z), not kept in [0, 1], from the global random stream, in the shape of output."""
        distance, side = torch.empty_like(output).exponential_(3), torch.rand_like(output) - 0.5
        return self.mean(output) + distance * side.sign()

    def information(self, output: Tensor) -> Tensor:
        return 9 * sigmoid_slope(output).square()
