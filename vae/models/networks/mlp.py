"""Multilayer perceptrons: an encoder and a decoder with hidden layers of ReLU, for vectors, and for images flattened.

Weights are drawn as those of the convolutional networks are; biases are PyTorch's default.
"""

import math

from torch import nn

from vae.models.networks.base import NETWORKS, Network, kaiming_uniform
from vae.options import Option


@NETWORKS.register("mlp")
class Perceptrons(Network):
    """Hidden layers of the same size, as many each way."""

    summary = "multilayer perceptrons, for images as for vectors"
    shapes = "vectors and images of any size"
    usual_for = "vectors"
    options = (
        Option("hidden_units", 128, "units of a hidden layer", int, minimum=1),
        Option("hidden_layers", 2, "hidden layers of the encoder, and of the decoder", int, minimum=1, maximum=100),
    )

    def __init__(self, data_shape: tuple[int, ...], *, hidden_units: int, hidden_layers: int):
        super().__init__(data_shape)
        self.hidden = [hidden_units] * hidden_layers

    @staticmethod
    def takes(data_shape: tuple[int, ...]) -> bool:
        return len(data_shape) in (1, 3) and min(data_shape) > 0

    def encoder(self, outputs: int) -> nn.Sequential:
        flatten = [nn.Flatten()] if len(self.data_shape) > 1 else []
        return nn.Sequential(*flatten, *perceptron(math.prod(self.data_shape), *self.hidden, outputs))

    def decoder(self, latent_dim: int) -> nn.Sequential:
        unflatten = [nn.Unflatten(-1, self.data_shape)] if len(self.data_shape) > 1 else []
        return nn.Sequential(*perceptron(latent_dim, *self.hidden, math.prod(self.data_shape)), *unflatten)


def perceptron(*sizes: int) -> nn.Sequential:
    """Vectors (N, first size) to vectors (N, last size)."""
    layers: list[nn.Module] = []
    for before, after in zip(sizes, sizes[1:]):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1]).apply(kaiming_uniform)
