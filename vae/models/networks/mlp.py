"""Multilayer perceptrons for vectors: an encoder and a decoder with two hidden layers of 128 units and ReLU.

Weights are drawn as those of the networks for images are; biases are PyTorch's default.
"""

from torch import Tensor, nn

from vae.models.networks.burgess import kaiming_uniform

HIDDEN_UNITS = 128


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


class VectorEncoder(nn.Module):
    """q(z|x) = N(mean, diag exp logvar). Takes vectors (N, D) to mean and logvar, each (N, latent_dim)."""

    def __init__(self, data_dim: int, latent_dim: int):
        super().__init__()
        self.layers = perceptron(data_dim, 2 * latent_dim)

    def forward(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        mean, logvar = self.layers(vectors).chunk(2, dim=-1)
        return mean, logvar


class VectorDecoder(nn.Module):
    """p(x|z). Takes latents (N, latent_dim) to one real number per dimension, (N, D)."""

    def __init__(self, data_dim: int, latent_dim: int):
        super().__init__()
        self.layers = perceptron(latent_dim, data_dim)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)
