"""Normal likelihoods, whose noise is learnt: of vectors, and of images."""

import math

import torch
from torch import Tensor, nn

from vae.models.likelihoods.base import LIKELIHOODS, Likelihood, sigmoid_slope

FIRST_SIGMA = 0.1  # where learnt noise starts; standardised data are of the size 1, and so are images


@LIKELIHOODS.register("normal")
class Normal(Likelihood):
    """N(output, sigma^2 I) of vectors (N, D), with one learnt sigma.

    The term is -log p(x|z) = (x - output)^2 / (2 sigma^2) + log sigma + log(2 pi) / 2, in nats, summed over the
    dimensions. With a learnt sigma the noise of the data and not a constant sets the weight of the reconstruction
    (Rybkin et al. 2021, "Simple and effective VAE training with calibrated decoders"). It starts small: from a large
    one, which explains the data without z, the posterior may collapse to the prior before z is of any use.
    """

    data = "vectors"

    def __init__(self, image_shape: tuple[int, ...] = ()):
        super().__init__()
        self.log_sigma = nn.Parameter(torch.tensor(FIRST_SIGMA).log())

    def mean(self, output: Tensor) -> Tensor:
        """The mean vector E[x|z] = output."""
        return output

    def pixel_error(self, output: Tensor, images: Tensor) -> Tensor:
        standardised = (images - self.mean(output)) * torch.exp(-self.log_sigma)
        return standardised.square() / 2 + self.log_sigma + math.log(2 * math.pi) / 2

    def information(self, output: Tensor) -> Tensor:
        return torch.exp(-2 * self.log_sigma).expand_as(output)

    def sample(self, output: Tensor) -> Tensor:
        """Draw x ~ p(x|z) from the global random stream, in the shape of output."""
        return self.mean(output) + torch.exp(self.log_sigma) * torch.randn_like(output)


@LIKELIHOODS.register("normal-diagonal")
class DiagonalNormal(Normal):
    """N(output, diag sigma^2) of vectors (N, D), with a learnt sigma for each dimension."""

    def __init__(self, image_shape: tuple[int, ...] = ()):
        super().__init__()
        self.log_sigma = nn.Parameter(torch.full(image_shape, FIRST_SIGMA).log())


@LIKELIHOODS.register("gaussian-sigma")
class LearntGaussian(Normal):
    """N(m, sigma^2 I) of images, with m = sigmoid(output) and one learnt sigma: the sigma-VAE of Rybkin et al. 2021.

    With `gaussian` sigma^2 is 1/2, as the paper's authors have it.
    """

    data = "images"
    saturates = True

    def mean(self, output: Tensor) -> Tensor:
        """The mean image E[x|z] = sigmoid(output), in [0, 1], in the shape of output."""
        return output.sigmoid()

    def information(self, output: Tensor) -> Tensor:
        return super().information(output) * sigmoid_slope(output).square()
