"""The convolutional encoder and decoder of Burgess et al. 2018, as the geometric Jensen-Shannon paper uses them.

Source: "Understanding disentangling in beta-VAE", arXiv:1804.03599, appendix A.

Encoder: 4x4 convolutions of stride 2 and 32 channels until the image is 4x4 (three for 32x32, four for
64x64, and so on), two hidden layers of 256 units, ReLU throughout, and a linear head. The decoder is its mirror image.
All weights are Kaiming-uniform with the gain of ReLU, heads included; biases are PyTorch's default.

The weights are kept channels-last, and the feature maps follow them: convolutions of 32 channels are fastest
in that order on a CPU. It is a matter of memory only, shapes are (N, C, H, W) everywhere.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from vae.models.networks.base import NETWORKS, Network, kaiming_uniform

HIDDEN_CHANNELS = 32
HIDDEN_UNITS = 256
SMALLEST_MAP = 4
IMAGE_SIZES = (16, 32, 64, 128, 256)
KERNEL = {"kernel_size": 4, "stride": 2, "padding": 1}


def relu() -> nn.ReLU:
    """In place, because nothing else needs what it is given, and another feature map costs a way through memory."""
    return nn.ReLU(inplace=True)


class ToImage(nn.ConvTranspose2d):
    """The transposed convolution that ends the decoder, quick also when the image has a single channel.

    On a CPU the kernels of transposed convolutions compute blocks of channels at once and waste them on a grey image.
    For that, a 2x2 convolution turns each window of the feature map, rows i - 1 and i, into four channels: the
    pixels of the image in rows 2i - 1 and 2i, to which no other window adds. Interleaved they are the image, with a
    margin of one pixel to be cut off.
    """

    def forward(self, features: Tensor) -> Tensor:
        if self.out_channels > 1 or features.is_cuda:
            return super().forward(features)
        height, width = features.shape[-2:]
        # Row 2u + a of the 4x4 kernel takes row 1 - u of the window to row a of its pixels; so do the columns.
        taps = self.weight.unflatten(3, (2, 2)).unflatten(2, (2, 2)).squeeze(1)  # (C, u, a, v, b)
        weight = taps.flip(1, 3).permute(2, 4, 0, 1, 3).flatten(0, 1)
        pixels = functional.conv2d(features, weight, self.bias.expand(4), padding=1)
        rows = pixels.unflatten(1, (2, 2)).permute(0, 3, 1, 4, 2)  # (N, H + 1, 2, W + 1, 2)
        return rows.reshape(-1, 1, 2 * height + 2, 2 * width + 2)[..., 1:-1, 1:-1]


@NETWORKS.register("burgess")
class Burgess(Network):
    """Convolutions of stride 2 down to 4x4, two hidden layers, and the mirror image of that."""

    summary = "the paper's: convolutions of 32 channels down to 4x4, two hidden layers of 256 units"
    shapes = "square images of 16, 32, 64, 128 or 256 pixels"
    usual_for = "images"

    @staticmethod
    def takes(data_shape: tuple[int, ...]) -> bool:
        return len(data_shape) == 3 and data_shape[0] > 0 and data_shape[1] == data_shape[2] in IMAGE_SIZES

    @property
    def convolutions(self) -> int:
        """How many of stride 2 take an image down to 4x4."""
        return int(math.log2(self.data_shape[1] // SMALLEST_MAP))

    def encoder(self, outputs: int) -> nn.Sequential:
        channels = [self.data_shape[0]] + [HIDDEN_CHANNELS] * self.convolutions
        convolutions = []
        for before, after in zip(channels, channels[1:]):
            convolutions += [nn.Conv2d(before, after, **KERNEL), relu()]
        layers = nn.Sequential(
            *convolutions,
            nn.Flatten(),
            nn.Linear(HIDDEN_CHANNELS * SMALLEST_MAP**2, HIDDEN_UNITS),
            relu(),
            nn.Linear(HIDDEN_UNITS, HIDDEN_UNITS),
            relu(),
            nn.Linear(HIDDEN_UNITS, outputs),
        )
        return layers.apply(kaiming_uniform).to(memory_format=torch.channels_last)

    def decoder(self, latent_dim: int) -> nn.Sequential:
        convolutions = []
        for _ in range(self.convolutions - 1):
            convolutions += [nn.ConvTranspose2d(HIDDEN_CHANNELS, HIDDEN_CHANNELS, **KERNEL), relu()]
        layers = nn.Sequential(
            nn.Linear(latent_dim, HIDDEN_UNITS),
            relu(),
            nn.Linear(HIDDEN_UNITS, HIDDEN_UNITS),
            relu(),
            nn.Linear(HIDDEN_UNITS, HIDDEN_CHANNELS * SMALLEST_MAP**2),
            relu(),
            nn.Unflatten(-1, (HIDDEN_CHANNELS, SMALLEST_MAP, SMALLEST_MAP)),
            *convolutions,
            ToImage(HIDDEN_CHANNELS, self.data_shape[0], **KERNEL),
        )
        return layers.apply(kaiming_uniform).to(memory_format=torch.channels_last)
