"""The likelihood p(x|z) that a decoder's output stands for (`--rec-dist`).

Each likelihood turns the decoder's output into the mean image, and into the reconstruction term of the training
objective: one number per image, summed over channels and pixels, scaled as the geometric Jensen-Shannon paper's
authors scale it. These terms are what the paper trains with; they are not normalised densities.
"""

from abc import ABC, abstractmethod

from torch import Tensor, nn
from torch.nn import functional


class Likelihood(nn.Module, ABC):
    """p(x|z) for images in [0, 1], from one logit per pixel."""

    def mean(self, output: Tensor) -> Tensor:
        """The mean image E[x|z] = sigmoid(output), in [0, 1], in the shape of output."""
        return output.sigmoid()

    def reconstruction_error(self, output: Tensor, images: Tensor) -> Tensor:
        """The reconstruction term of each image: output and images (N, C, H, W) to (N,)."""
        return self.pixel_error(output, images).flatten(1).sum(-1)

    @abstractmethod
    def pixel_error(self, output: Tensor, images: Tensor) -> Tensor:
        """The reconstruction term of each pixel, in the shape of images."""


class Bernoulli(Likelihood):
    """Cross-entropy -x log m - (1 - x) log(1 - m), in nats, from logits; x may be grey, as in the paper."""

    def pixel_error(self, output: Tensor, images: Tensor) -> Tensor:
        return functional.binary_cross_entropy_with_logits(output, images, reduction="none")


class Gaussian(Likelihood):
    """Squared error (x - m)^2: the Gaussian of variance 1/2 without its constant."""

    def pixel_error(self, output: Tensor, images: Tensor) -> Tensor:
        return functional.mse_loss(self.mean(output), images, reduction="none")


class Laplace(Likelihood):
    """Three times the absolute error, 3 |x - m|: the Laplace distribution of scale 1/3 without its constant."""

    def pixel_error(self, output: Tensor, images: Tensor) -> Tensor:
        return 3 * functional.l1_loss(self.mean(output), images, reduction="none")


LIKELIHOODS = {"bernoulli": Bernoulli, "gaussian": Gaussian, "laplace": Laplace}
