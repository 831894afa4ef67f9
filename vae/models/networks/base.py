"""What every family of networks offers, and the registry of all of them."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Tensor, nn

from vae.options import Option, OptionError
from vae.registry import Registry

NETWORKS: Registry[type["Network"]] = Registry("network")


class Network(ABC):
    """A family of encoders and decoders for images of shape (C, H, W), or for vectors, (D,).

    What it makes of an image depends on that image and on nothing else: neither on the others of its batch, as with
    batch normalisation, nor on chance, as with dropout. So it can be shared by processes, and stacked in an ensemble.

    One's own is a subclass under `@NETWORKS.register("name")`; `__init__` takes its options by name.
    """

    summary: ClassVar[str]  # one line for the help
    shapes: ClassVar[str]  # those that it takes, in words
    batchable: ClassVar[bool] = True  # False: runs with it are never trained as one
    usual_for: ClassVar[str | None] = None  # "images" or "vectors", that have it where none is named
    options: ClassVar[tuple[Option, ...]] = ()

    def __init__(self, data_shape: tuple[int, ...]):
        self.data_shape = tuple(data_shape)

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


def build_network(data_shape: tuple[int, ...], name: str | None = None, **options: Any) -> Network:
    """The network of that name for data of this shape, with options such as width=32 (the flag --width).

    None stands for the usual one, see `usual_network`. Raises OptionError, in one line, for an unknown
    name or option, for a value out of bounds, and for a shape that the network does not take.
    """
    name = NETWORKS.name_of(name) if name else usual_network("images" if len(data_shape) > 1 else "vectors")
    check_shape(name, data_shape)
    return NETWORKS[name](data_shape, **NETWORKS.resolve_options(name, options))


def usual_network(kind: str) -> str:
    """The name of the network that "images" or "vectors" have where none is named."""
    return next(name for name in NETWORKS if NETWORKS[name].usual_for == kind)


def check_shape(name: str, data_shape: tuple[int, ...]) -> None:
    """Raise OptionError, in one line, unless the network of that name takes data of this shape."""
    if NETWORKS[name].takes(data_shape):
        return
    others = [other for other in NETWORKS if NETWORKS[other].takes(data_shape)]
    remedy = f"choose from {', '.join(others)}" if others else "no network takes these"
    shapes = f"data have the shape {tuple(data_shape)}, it takes {NETWORKS[name].shapes}"
    raise OptionError(f"--network {name}: {shapes}; {remedy}")


def kaiming_uniform(module: nn.Module) -> None:
    """Draw the weights of a layer from Kaiming-uniform with the gain of ReLU; for `nn.Module.apply`."""
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
