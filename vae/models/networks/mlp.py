"""Multilayer perceptrons for vectors: an encoder and a decoder with two hidden layers of 128 units and ReLU.

Weights are drawn as those of the networks for images are; biases are PyTorch's default.
"""

from torch import nn

from vae.models.networks.base import NETWORKS, Network, kaiming_uniform

HIDDEN_UNITS = 128


@NETWORKS.register("mlp", place=2)
class Perceptrons(Network):
    """Two hidden layers each way."""

    shapes = "(dimensions,)"

    @staticmethod
    def takes(data_shape: tuple[int, ...]) -> bool:
        return len(data_shape) == 1

    def encoder(self, outputs: int) -> nn.Sequential:
        return perceptron(*self.data_shape, outputs)

    def decoder(self, latent_dim: int) -> nn.Sequential:
        return perceptron(latent_dim, *self.data_shape)


def perceptron(inputs: int, outputs: int) -> nn.Sequential:
    """Vectors (N, inputs) to vectors (N, outputs)."""
    layers = nn.Sequential(
        nn.Linear(inputs, HIDDEN_UNITS),
        nn.ReLU(),
        nn.Linear(HIDDEN_UNITS, HIDDEN_UNITS),
        nn.ReLU(),
        nn.Linear(HIDDEN_UNITS, outputs),
    )
    return layers.apply(kaiming_uniform)
