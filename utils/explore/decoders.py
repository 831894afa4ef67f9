"""A decoder as the page knows it: its layers and its weights, rounded to float16.

decoder.js has one operation with weights: each cell of a map of channels is spread over a patch of the next map. A
transposed convolution is that; a linear layer is the same on maps of one cell. Its weights stand in the order (patch
row, patch column, channel before, channel after), then one bias for each channel after. Maps have the order (row,
column, channel).
"""

import base64
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from utils.runs.folder import ResultsError
from vae.models import VAE
from vae.models.likelihoods import Likelihood
from vae.models.likelihoods.continuous_bernoulli import ContinuousBernoulli

LARGEST = 64  # side of an image
PLAIN = {"dilation": (1, 1), "output_padding": (0, 0), "groups": 1}
MEANS = {"sigmoid": torch.sigmoid, "exponential": ContinuousBernoulli().mean}  # of an output, that the page knows
OUTPUTS = torch.linspace(-30, 30, 601)  # by which the mean of a likelihood is told from others


@dataclass
class Description:
    """The layers so far, in the page's words, and their weights."""

    layers: list[dict[str, Any]] = field(default_factory=list)
    weights: list[np.ndarray] = field(default_factory=list)

    def spread(self, weight: Tensor, bias: Tensor | None, *, stride: int = 1, padding: int = 0) -> None:
        """Add an operation with a weight (before, after, rows, columns)."""
        before, after, side, _ = weight.shape
        ordered = weight.permute(2, 3, 0, 1).flatten()
        bias = weight.new_zeros(after) if bias is None else bias
        self.weights.append(torch.cat([ordered, bias]).half().cpu().numpy())
        shape = {"before": before, "after": after, "side": side, "stride": stride, "padding": padding}
        self.layers.append({"kind": "spread", **shape})

    @property
    def text(self) -> str:
        """All weights, as the page reads them: float16, the low byte first, in base64."""
        return to_text(np.concatenate(self.weights))


def describe(model: VAE) -> dict[str, Any]:
    """The decoder of a model with its weights, as JSON may hold them.

    Raises ResultsError, in one line, for a decoder that the page does not know.
    """
    shape = image_shape(model)
    found = Description()
    layers = model.decoder.layers
    for layer in layers if isinstance(layers, nn.Sequential) else [layers]:
        add_layer(found, layer)
    mean = mean_of(model.likelihood)
    return {"layers": found.layers, "weights": found.text, "mean": mean, "shape": [shape[1], shape[2], shape[0]]}


@torch.inference_mode()
def mean_of(likelihood: Likelihood) -> str:
    """What the page calls the mean of a likelihood, by its values. Raises ResultsError if the page does not know it."""
    device = next(likelihood.parameters(), OUTPUTS).device
    values = likelihood.mean(OUTPUTS.to(device).view(1, 1, 1, -1)).flatten().cpu()
    for name, mean in MEANS.items():
        if torch.allclose(values, mean(OUTPUTS), atol=1e-4):
            return name
    raise ResultsError(f"--explore: the page does not know the mean of a likelihood {type(likelihood).__name__}")


def add_layer(found: Description, layer: nn.Module) -> None:
    """Add one layer. Raises ResultsError if the page does not know it."""
    if isinstance(layer, nn.Linear):
        found.spread(layer.weight.detach().T[:, :, None, None], layer.bias.detach() if layer.bias is not None else None)
    elif isinstance(layer, nn.ConvTranspose2d) and is_plain(layer):
        bias = layer.bias.detach() if layer.bias is not None else None
        found.spread(layer.weight.detach(), bias, stride=layer.stride[0], padding=layer.padding[0])
    elif isinstance(layer, nn.ReLU):
        found.layers.append({"kind": "relu"})
    elif isinstance(layer, nn.Unflatten):
        channels, height, width = layer.unflattened_size
        found.layers.append({"kind": "unflatten", "channels": channels, "height": height, "width": width})
    else:
        raise ResultsError(
            f"--explore: the decoder has a layer {type(layer).__name__}, which the page does not know: it knows linear "
            "layers, transposed convolutions and ReLU, such as --network burgess has"
        )


def is_plain(layer: nn.ConvTranspose2d) -> bool:
    """Whether a transposed convolution is of squares, and has nothing but a stride and a padding."""
    square = all(len(set(pair)) == 1 for pair in (layer.kernel_size, layer.stride, layer.padding))
    return square and all(getattr(layer, name) == value for name, value in PLAIN.items())


def image_shape(model: VAE) -> tuple[int, ...]:
    """(C, H, W) of what a model decodes. Raises ResultsError unless it is an image that the page can show."""
    with torch.inference_mode():
        device = next(model.parameters()).device
        shape = tuple(model.decode(torch.zeros(1, model.prior.latent_dim, device=device)).shape[1:])
    if len(shape) != 3 or shape[0] not in (1, 3) or max(shape[1:]) > LARGEST:
        raise ResultsError(
            f"--explore: the model decodes data of shape {shape}: the page shows grey or colour images of at most "
            f"{LARGEST}x{LARGEST}: choose another run"
        )
    return shape


def to_text(values: np.ndarray) -> str:
    """Numbers as the page reads them: float16, the low byte first, in base64."""
    return base64.b64encode(values.astype("<f2").tobytes()).decode()
