"""What every likelihood p(x|z) shares, and the registry of all of them: what a decoder's output stands for.

Each likelihood turns the decoder's output into the mean image or vector, and into the reconstruction term of the
training objective: one number per example, summed over its pixels or dimensions. `bernoulli`, `gaussian` and `laplace`
are as the geometric Jensen-Shannon paper's authors scale them, without constants; the others are -log p(x|z) itself.
`log_prob` is the normalised density of each.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from vae.options import OptionError
from vae.registry import Registry

LIKELIHOODS: Registry[type["Likelihood"]] = Registry("likelihood", flag="--rec-dist")


class Likelihood(nn.Module, ABC):
    """p(x|z), for images in [0, 1] from one logit per pixel, unless overridden."""

    data: ClassVar[str] = "images"  # or "vectors": what it is for
    binary: ClassVar[bool] = False  # True: log_prob is of binary images only
    saturates: ClassVar[bool] = False  # True: the gradient vanishes where a pixel is made black or white, wrongly too
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

        A density of the images as they are, in [0, 1]; where the likelihood is `binary` a probability.
        """
        return -self.reconstruction_error(output, images) - self.log_normaliser * images[0].numel()

    @abstractmethod
    def pixel_error(self, output: Tensor, images: Tensor) -> Tensor:
        """The reconstruction term of each pixel, in the shape of images."""

    @abstractmethod
    def sample(self, output: Tensor) -> Tensor:
        """Draw x ~ p(x|z), of the normalised density, from the global random stream, in the shape of output.

        Data of which the model is the source; pictures of images show the mean.
        """

    @abstractmethod
    def information(self, output: Tensor) -> Tensor:
        """The Fisher information of each pixel about its decoder's output, in the shape of output."""


def build_likelihood(name: str, image_shape: tuple[int, ...]) -> Likelihood:
    """The likelihood of that name, for images or vectors of this shape.

    Raises OptionError, in one line, if it is unknown or for the other kind of data.
    """
    check_kind(name, "images" if len(image_shape) > 1 else "vectors")
    return LIKELIHOODS.find(name)(image_shape)


def check_kind(name: str, kind: str, data: str = "the data are") -> None:
    """Raise OptionError unless a likelihood is for such data, "images" or "vectors"; `data` begins what it says."""
    if LIKELIHOODS.find(name).data != kind:
        fitting = ", ".join(other for other, one in LIKELIHOODS.items() if one.data == kind)
        raise OptionError(f"--rec-dist {name}: {data} {kind}: choose from {fitting}")


def sigmoid_slope(output: Tensor) -> Tensor:
    """The derivative m (1 - m) of m = sigmoid(output), without cancellation at either end."""
    return output.sigmoid() * (-output).sigmoid()
