"""Residual networks (He et al. 2016, "Identity mappings in deep residual networks", arXiv:1603.05027), normalised by
groups of channels (Wu and He 2018, arXiv:1803.08494) or not at all, and never by the batch, see `Network`.

Encoder: a 4x4 convolution of stride 2, then residual blocks, at each resolution as many. Another such convolution leads
to the next resolution, with twice the channels up to four times those of the first, down to a map of 4 to 7 pixels.
Then a hidden layer of 256 units, and a linear head. The decoder is its mirror image.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from vae.models.networks.base import NETWORKS, Network, kaiming_uniform
from vae.models.networks.burgess import KERNEL, ToImage, relu
from vae.options import Option

HIDDEN_UNITS = 256
SMALLEST_MAPS = range(4, 8)
LARGEST_IMAGE = 256
MOST_TIMES_WIDER = 4
GROUP = 8  # channels; where they do not fall into groups of so many, all are one


def normalisation(channels: int, norm: str) -> list[nn.Module]:
    """The layers that normalise maps of so many channels."""
    groups = 1 if channels % GROUP else channels // GROUP
    return [nn.GroupNorm(groups, channels)] if norm == "group" else []


class Block(nn.Module):
    """x + scale f(x), with f two 3x3 convolutions, each after ReLU, and a scale that is learnt.

    The scale starts at one over the number of blocks: so a deep network begins much like a shallow one, whether it is
    normalised or not (De and Smith 2020, "Batch normalization biases residual blocks towards the identity").
    """

    def __init__(self, channels: int, norm: str, blocks: int):
        super().__init__()
        convolution = {"kernel_size": 3, "padding": 1}
        self.layers = nn.Sequential(
            *normalisation(channels, norm),
            nn.ReLU(),
            nn.Conv2d(channels, channels, **convolution),
            *normalisation(channels, norm),
            relu(),
            nn.Conv2d(channels, channels, **convolution),
        )
        self.scale = nn.Parameter(torch.tensor(1 / blocks))

    def forward(self, features: Tensor) -> Tensor:
        return features + self.scale * self.layers(features)


@NETWORKS.register("resnet")
class ResidualNetwork(Network):
    """Residual blocks at each resolution, and the mirror image of that."""

    batchable = torch.__version__ >= "2.14"  # before it vmap does not take group normalisation in channels_last
    summary = "residual blocks, for square images of many sizes"
    shapes = "square images of m 2^k pixels with m from 4 to 7, up to 256: 8, 10, 12, 14, 16, 20, … 96, …"
    options = (
        Option("width", 16, "channels at the first resolution", int, minimum=1, maximum=4096),
        Option("depth", 1, "residual blocks at each resolution", int, minimum=0, maximum=100),
        Option("norm", "group", "normalisation of the blocks", str, choices=("group", "none")),
    )

    def __init__(self, data_shape: tuple[int, ...], *, width: int, depth: int, norm: str):
        super().__init__(data_shape)
        self.depth, self.norm, size = depth, norm, data_shape[-1]
        self.channels: list[int] = []
        while size not in SMALLEST_MAPS:
            self.channels.append(width * min(2 ** len(self.channels), MOST_TIMES_WIDER))
            size //= 2
        self.last_map = (self.channels[-1], size, size)

    @staticmethod
    def takes(data_shape: tuple[int, ...]) -> bool:
        return (
            len(data_shape) == 3
            and data_shape[0] > 0
            and data_shape[1] == data_shape[2] <= LARGEST_IMAGE
            and any(data_shape[1] == m * 2**k for m in SMALLEST_MAPS for k in range(1, 7))
        )

    def blocks(self, channels: int) -> list[nn.Module]:
        """Those of one resolution."""
        return [Block(channels, self.norm, self.depth * len(self.channels)) for _ in range(self.depth)]

    def encoder(self, outputs: int) -> nn.Sequential:
        convolutions = []
        for before, after in pairwise([self.data_shape[0], *self.channels]):
            convolutions += [nn.Conv2d(before, after, **KERNEL), *self.blocks(after)]
        layers = nn.Sequential(
            *convolutions,
            *normalisation(self.channels[-1], self.norm),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(math.prod(self.last_map), HIDDEN_UNITS),
            relu(),
            nn.Linear(HIDDEN_UNITS, outputs),
        )
        return layers.apply(kaiming_uniform).to(memory_format=torch.channels_last)

    def decoder(self, latent_dim: int) -> nn.Sequential:
        convolutions = []
        for before, after in pairwise(reversed(self.channels)):
            convolutions += [*self.blocks(before), nn.ConvTranspose2d(before, after, **KERNEL)]
        first = self.channels[0]
        layers = nn.Sequential(
            nn.Linear(latent_dim, HIDDEN_UNITS),
            relu(),
            nn.Linear(HIDDEN_UNITS, math.prod(self.last_map)),
            nn.Unflatten(-1, self.last_map),
            *convolutions,
            *self.blocks(first),
            *normalisation(first, self.norm),
            nn.ReLU(),
            ToImage(first, self.data_shape[0], **KERNEL),
        )
        return layers.apply(kaiming_uniform).to(memory_format=torch.channels_last)
