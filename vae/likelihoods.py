"""The likelihood p(x|z) that a decoder's output stands for (`--rec-dist`).

Each likelihood turns the decoder's output into the mean image or vector, and into the reconstruction term of the
training objective: one number per example, summed over its pixels or dimensions. Those for images are scaled as the
geometric Jensen-Shannon paper's authors scale them: they are what the paper trains with, not normalised densities.
Those for vectors are normalised, because they learn their noise. `log_prob` is the normalised density of each.
"""

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

FIRST_SIGMA = 0.1  # where learnt noise starts; standardised data are of the size 1


class Likelihood(nn.Module, ABC):
    """p(x|z), for images in [0, 1] from one logit per pixel, unless overridden."""

    data: ClassVar[str] = "images"  # or "vectors": what it is for
    log_normaliser: ClassVar[float] = 0.0  # what the reconstruction term leaves out of -log p(x|z), per pixel

    def __init__(self, image_shape: tuple[int, ...] = ()):
        super().__init__()

    def mean(self, output: Tensor) -> Tensor:
        """The mean image E[x|z] = sigmoid(output), in [0, 1], in the shape of output."""
        return output.sigmoid()

    def reconstruction_error(self, output: Tensor, images: Tensor) -> Tensor:
        """The reconstruction term of each example: output and images (N, C, H, W), or vectors (N, D), to (N,)."""
        return self.pixel_error(output, images).flatten(1).sum(-1)

    def log_prob(self, output: Tensor, images: Tensor) -> Tensor:
        """The normalised log p(x|z) in nats: output and images (N, C, H, W), or vectors (N, D), to (N,).

        A density of the images as they are, in [0, 1]; of Bernoulli a probability, and of binary images only.
        """
        return -self.reconstruction_error(output, images) - self.log_normaliser * images[0].numel()

    @abstractmethod
    def pixel_error(self, output: Tensor, images: Tensor) -> Tensor:
        """The reconstruction term of each pixel, in the shape of images."""

    @abstractmethod
    def information(self, output: Tensor) -> Tensor:
        """The Fisher information of each pixel about its decoder's output, in the shape of output."""


class Bernoulli(Likelihood):
    """Cross-entropy -x log m - (1 - x) log(1 - m), in nats, from logits; x may be grey, as in the paper."""

    def pixel_error(self, output: Tensor, images: Tensor) -> Tensor:
        return functional.binary_cross_entropy_with_logits(output, images, reduction="none")

    def information(self, output: Tensor) -> Tensor:
        return sigmoid_slope(output)


class Gaussian(Likelihood):
    """Squared error (x - m)^2: the Gaussian of variance 1/2 without its constant, log(pi) / 2 a pixel."""

    log_normaliser = math.log(math.pi) / 2

    def pixel_error(self, output: Tensor, images: Tensor) -> Tensor:
        return functional.mse_loss(self.mean(output), images, reduction="none")

    def information(self, output: Tensor) -> Tensor:
        return 2 * sigmoid_slope(output).square()


class Laplace(Likelihood):
    """Three times the absolute error, 3 |x - m|: the Laplace distribution of scale 1/3 without its log(2/3) a pixel."""

    log_normaliser = math.log(2 / 3)

    def pixel_error(self, output: Tensor, images: Tensor) -> Tensor:
        return 3 * functional.l1_loss(self.mean(output), images, reduction="none")

    def information(self, output: Tensor) -> Tensor:
        return 9 * sigmoid_slope(output).square()


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
        standardised = (images - output) * torch.exp(-self.log_sigma)
        return standardised.square() / 2 + self.log_sigma + math.log(2 * math.pi) / 2

    def information(self, output: Tensor) -> Tensor:
        return torch.exp(-2 * self.log_sigma).expand_as(output)

    def sample(self, output: Tensor) -> Tensor:
        """Draw x ~ p(x|z) from the global random stream, in the shape of output."""
        return output + torch.exp(self.log_sigma) * torch.randn_like(output)


class DiagonalNormal(Normal):
    """N(output, diag sigma^2) of vectors (N, D), with a learnt sigma for each dimension."""

    def __init__(self, image_shape: tuple[int, ...] = ()):
        super().__init__()
        self.log_sigma = nn.Parameter(torch.full(image_shape, FIRST_SIGMA).log())


def sigmoid_slope(output: Tensor) -> Tensor:
    """The derivative m (1 - m) of m = sigmoid(output), without cancellation at either end."""
    return output.sigmoid() * (-output).sigmoid()


LIKELIHOODS = {
    "bernoulli": Bernoulli,
    "gaussian": Gaussian,
    "laplace": Laplace,
    "normal": Normal,
    "normal-diagonal": DiagonalNormal,
}
