"""The Bernoulli likelihood of images."""

from torch import Tensor
from torch.nn import functional

from vae.models.likelihoods.base import LIKELIHOODS, Likelihood, sigmoid_slope


@LIKELIHOODS.register("bernoulli")
class Bernoulli(Likelihood):
    """Cross-entropy -x log m - (1 - x) log(1 - m), in nats, from logits; x may be grey, as in the paper."""

    binary = True

    def pixel_error(self, output: Tensor, images: Tensor) -> Tensor:
        return functional.binary_cross_entropy_with_logits(output, images, reduction="none")

    def sample(self, output: Tensor) -> Tensor:
        """Draw binary images x ~ p(x|z) from the global random stream, in the shape of output."""
        return self.mean(output).bernoulli()

    def information(self, output: Tensor) -> Tensor:
        return sigmoid_slope(output)
