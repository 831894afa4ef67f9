"""The networks have the sizes and weights of the paper and compute what the textbook layers compute."""

import math

import pytest
import torch
from torch import nn

from vae.models.networks import Decoder, Encoder, build_network
from vae.models.networks.burgess import Burgess
from vae.options import OptionError

LATENT_DIM = 10
SHAPES = [(1, 32, 32), (1, 64, 64), (3, 32, 32), (3, 64, 64), (2, 16, 16), (1, 128, 128)]


def make(network_class, image_shape):
    """An encoder or a decoder of this family."""
    return network_class(Burgess(image_shape), LATENT_DIM)


def textbook_encoder(image_shape):
    channels, height, _ = image_shape
    convolutions = [nn.Conv2d(channels, 32, 4, 2, 1), nn.ReLU()]
    for _ in range({16: 1, 32: 2, 64: 3, 128: 4}[height]):
        convolutions += [nn.Conv2d(32, 32, 4, 2, 1), nn.ReLU()]
    hidden = [nn.Flatten(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU()]
    return nn.Sequential(*convolutions, *hidden, nn.Linear(256, 2 * LATENT_DIM))


def textbook_decoder(image_shape):
    channels, height, _ = image_shape
    hidden = [nn.Linear(LATENT_DIM, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 512)]
    convolutions = []
    for _ in range({16: 1, 32: 2, 64: 3, 128: 4}[height]):
        convolutions += [nn.ReLU(), nn.ConvTranspose2d(32, 32, 4, 2, 1)]
    last = [nn.ReLU(), nn.ConvTranspose2d(32, channels, 4, 2, 1)]
    return nn.Sequential(*hidden, nn.Unflatten(1, (32, 4, 4)), *convolutions, *last)


def assert_close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-12)


def assert_same_function(network, textbook, batch):
    """Equal outputs, and equal gradients of a random weighting of them by the input and the parameters."""
    textbook.load_state_dict(network.layers.state_dict())
    actual, expected = network.layers(batch), textbook(batch)
    assert_close(actual, expected)
    weighting = torch.randn_like(expected)
    ours = torch.autograd.grad(actual, [batch, *network.parameters()], weighting)
    theirs = torch.autograd.grad(expected, [batch, *textbook.parameters()], weighting)
    for our_gradient, their_gradient in zip(ours, theirs):
        scale = their_gradient.abs().max()
        assert_close(our_gradient / scale, their_gradient / scale)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.mark.parametrize(("image_shape", "count"), [((1, 32, 32), 469_173), ((1, 64, 64), 502_005)])
def test_parameter_count(image_shape, count):
    networks = nn.ModuleList([make(Encoder, image_shape), make(Decoder, image_shape)])
    assert sum(p.numel() for p in networks.parameters()) == count


@pytest.mark.parametrize("image_shape", SHAPES)
def test_shapes(image_shape):
    mean, logvar = make(Encoder, image_shape)(torch.rand(5, *image_shape))
    assert mean.shape == logvar.shape == (5, LATENT_DIM)
    assert make(Decoder, image_shape)(mean).shape == (5, *image_shape)


@pytest.mark.parametrize("image_shape", SHAPES)
def test_encoder_is_the_textbook_network(image_shape):
    images = torch.rand(3, *image_shape, dtype=torch.float64, requires_grad=True)
    encoder = make(Encoder, image_shape).double()
    assert_same_function(encoder, textbook_encoder(image_shape).double(), images)
    mean, logvar = encoder(images)
    assert_close(torch.cat([mean, logvar], dim=1), encoder.layers(images))


@pytest.mark.parametrize("image_shape", SHAPES)
def test_decoder_is_the_textbook_network(image_shape):
    z = torch.randn(3, LATENT_DIM, dtype=torch.float64, requires_grad=True)
    decoder = make(Decoder, image_shape).double()
    assert_same_function(decoder, textbook_decoder(image_shape).double(), z)
    assert_close(decoder(z), decoder.layers(z))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # that torch 2.11 gives itself
def test_the_decoder_that_torch_compile_sees_is_the_textbook_network():
    z = torch.randn(3, LATENT_DIM, dtype=torch.float64, requires_grad=True)
    decoder = make(Decoder, (1, 32, 32)).double()
    textbook = textbook_decoder((1, 32, 32)).double()
    decoder.layers.compile(backend="eager", fullgraph=True)
    assert_same_function(decoder, textbook, z)


@pytest.mark.parametrize("network_class", [Encoder, Decoder])
def test_all_weights_are_kaiming_uniform(network_class):
    """Uniform within sqrt(2) * sqrt(3 / fan_in), with the standard deviation that goes with this bound."""
    for layer in make(network_class, (1, 32, 32)).layers:
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            bound = math.sqrt(6 / layer.weight[0].numel())
            assert layer.weight.abs().max() <= bound
            assert layer.weight.abs().max() > 0.98 * bound
            assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1)


@pytest.mark.parametrize("image_shape", [(1, 28, 28), (1, 32, 64), (3, 8, 8), (3, 512, 512), (0, 32, 32), (32,)])
def test_other_image_shapes_are_refused(image_shape):
    with pytest.raises(OptionError, match="^--network burgess: data have the shape .*it takes .*16, 32, 64, 128"):
        build_network(image_shape, "burgess")
