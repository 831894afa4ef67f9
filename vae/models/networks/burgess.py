"""The convolutional encoder and decoder of Burgess et al. 2018 ("Understanding disentangling in beta-VAE",
arXiv:1804.03599, appendix A), as the geometric Jensen-Shannon paper uses them.

Encoder: 4x4 convolutions of stride 2 and 32 channels until the image is 4x4 (three for 32x32, four for
64x64), two hidden layers of 256 units, ReLU throughout, and a linear head. The decoder is its mirror image.
All weights are Kaiming-uniform with the gain of ReLU, heads included; biases are PyTorch's default.

The weights are kept channels-last, and the feature maps follow them: convolutions of 32 channels are fastest
in that order on a CPU. It is a matter of memory only, shapes are (N, C, H, W) everywhere.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

HIDDEN_CHANNELS = 32
HIDDEN_UNITS = 256
SMALLEST_MAP = 4
IMAGE_SIZES = (32, 64)
KERNEL = {"kernel_size": 4, "stride": 2, "padding": 1}


def convolution_count(image_shape: tuple[int, int, int]) -> int:
    """How many convolutions of stride 2 take an image of shape (channels, height, width) down to 4x4.

    Raises ValueError for images that are not 32x32 or 64x64.
    """
    channels, height, width = image_shape
    if channels < 1 or height != width or height not in IMAGE_SIZES:
        raise ValueError(
            f"image shape {tuple(image_shape)}: the networks take (channels, 32, 32) or (channels, 64, 64)"
        )
    return int(math.log2(height // SMALLEST_MAP))


def relu() -> nn.ReLU:
    """In place, because nothing else needs what it is given, and another feature map costs a way through memory."""
    return nn.ReLU(inplace=True)


def kaiming_uniform(module: nn.Module) -> None:
    """Draw the weights of a layer from Kaiming-uniform with the gain of ReLU; for `nn.Module.apply`."""
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")


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


class Encoder(nn.Module):
    """q(z|x) = N(mean, diag exp logvar).

    Takes images (N, C, H, W) in [0, 1] to mean and logvar, each (N, latent_dim).
    """

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int):
        super().__init__()
        channels = [image_shape[0]] + [HIDDEN_CHANNELS] * convolution_count(image_shape)
        convolutions = []
        for before, after in zip(channels, channels[1:]):
            convolutions += [nn.Conv2d(before, after, **KERNEL), relu()]
        self.layers = nn.Sequential(
            *convolutions,
            nn.Flatten(),
            nn.Linear(HIDDEN_CHANNELS * SMALLEST_MAP**2, HIDDEN_UNITS),
            relu(),
            nn.Linear(HIDDEN_UNITS, HIDDEN_UNITS),
            relu(),
            nn.Linear(HIDDEN_UNITS, 2 * latent_dim),
        )
        self.apply(kaiming_uniform)
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        mean, logvar = self.layers(images).chunk(2, dim=-1)
        return mean, logvar


class Decoder(nn.Module):
    """p(x|z).

    Takes latents (N, latent_dim) to one logit per pixel, (N, C, H, W); their sigmoid is the image in [0, 1].
    """

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int):
        super().__init__()
        convolutions = []
        for _ in range(convolution_count(image_shape) - 1):
            convolutions += [nn.ConvTranspose2d(HIDDEN_CHANNELS, HIDDEN_CHANNELS, **KERNEL), relu()]
        self.layers = nn.Sequential(
            nn.Linear(latent_dim, HIDDEN_UNITS),
            relu(),
            nn.Linear(HIDDEN_UNITS, HIDDEN_UNITS),
            relu(),
            nn.Linear(HIDDEN_UNITS, HIDDEN_CHANNELS * SMALLEST_MAP**2),
            relu(),
            nn.Unflatten(-1, (HIDDEN_CHANNELS, SMALLEST_MAP, SMALLEST_MAP)),
            *convolutions,
            ToImage(HIDDEN_CHANNELS, image_shape[0], **KERNEL),
        )
        self.apply(kaiming_uniform)
        self.to(memory_format=torch.channels_last)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)
