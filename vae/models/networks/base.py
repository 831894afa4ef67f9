"""What every family of networks offers, and the registry of all of them."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from vae.registry import Registry

NETWORKS: Registry[type["Network"]] = Registry("network")


class Network(ABC):
    """A family of encoders and decoders for images of shape (C, H, W), or for vectors, (D,).

    Raises ValueError for a shape that it does not take.
    """

    shapes: ClassVar[str]  # those that it takes, in words

    def __init__(self, data_shape: tuple[int, ...]):
        if not self.takes(data_shape):
            raise ValueError(f"image shape {tuple(data_shape)}: these networks take {self.shapes}")
        self.data_shape = data_shape

    @staticmethod
    @abstractmethod
    def takes(data_shape: tuple[int, ...]) -> bool:
        """Whether the family has networks for data of this shape."""

    @abstractmethod
    def encoder(self, outputs: int) -> nn.Sequential:
        """The layers from images (N, C, H, W) or vectors (N, D) to (N, outputs); the last of them is linear."""

    @abstractmethod
    def decoder(self, latent_dim: int) -> nn.Sequential:
        """The layers from latents (N, latent_dim) to what the likelihood takes, (N, C, H, W) or (N, D)."""


class Encoder(nn.Module):
    """q(z|x) = N(mean, diag exp logvar).

    Takes images (N, C, H, W) in [0, 1], or vectors (N, D), to mean and logvar, each (N, latent_dim).
    """

    def __init__(self, network: Network, latent_dim: int):
        super().__init__()
        self.layers = network.encoder(2 * latent_dim)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        mean, logvar = self.layers(images).chunk(2, dim=-1)
        return mean, logvar


class Decoder(nn.Module):
    """What p(x|z) is made of: takes latents (N, latent_dim) to (N, C, H, W) or (N, D), see `Likelihood.mean`."""

    def __init__(self, network: Network, latent_dim: int):
        super().__init__()
        self.layers = network.decoder(latent_dim)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


def network_for(data_shape: tuple[int, ...]) -> Network:
    """The networks of data of this shape: of the families that take it, the one of the first place.

    Raises ValueError, in one line, if none does.
    """
    for name in NETWORKS.in_order():
        if NETWORKS[name].takes(data_shape):
            return NETWORKS[name](data_shape)
    known = "; ".join(f"{name} takes {NETWORKS[name].shapes}" for name in NETWORKS.in_order())
    raise ValueError(f"image shape {tuple(data_shape)}: no network takes it ({known})")


def kaiming_uniform(module: nn.Module) -> None:
    """Draw the weights of a layer from Kaiming-uniform with the gain of ReLU; for `nn.Module.apply`."""
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
