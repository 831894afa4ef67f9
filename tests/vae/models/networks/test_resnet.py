"""The residual network: the sizes that it takes, and what it is made of."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from vae.models import build_model
from vae.models.networks import NETWORKS, build_network
from vae.models.networks.resnet import Block, ResidualNetwork


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def test_it_takes_square_images_that_halve_down_to_four_to_seven_pixels():
    taken = [size for size in range(1, 300) if ResidualNetwork.takes((1, size, size))]
    assert taken == [8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256]
    assert not any(ResidualNetwork.takes(shape) for shape in ((1, 32, 64), (0, 32, 32), (32,)))


@pytest.mark.parametrize("size", [8, 20, 28, 96])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_images_of_every_such_size_and_channels_go_in_and_come_out(size, channels):
    model = build_model((channels, size, size), latent_dim=2, network="resnet", width=2)
    images = torch.rand(2, channels, size, size)
    assert model(images).decoded.shape == images.shape


@pytest.mark.parametrize("norm", ["group", "none"])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_width_is_the_channels_of_the_first_resolution_and_depth_the_blocks_of_each(depth, norm):
    network = build_network((1, 64, 64), "resnet", width=3, depth=depth, norm=norm)
    encoder, decoder = network.encoder(7), network.decoder(2)
    assert [layer.out_channels for layer in encoder if isinstance(layer, nn.Conv2d)] == [3, 6, 12, 12]
    assert [layer.out_channels for layer in decoder if isinstance(layer, nn.ConvTranspose2d)] == [12, 6, 3, 1]
    for layers in (encoder, decoder):
        assert sum(isinstance(layer, Block) for layer in layers) == 4 * depth
        assert any(isinstance(layer, nn.GroupNorm) for layer in layers.modules()) == (norm == "group")


def test_a_block_adds_to_its_input_what_two_normalised_convolutions_make_of_it():
    block, x = Block(16, "group", blocks=4), torch.randn(3, 16, 5, 5)
    first, second = (layer for layer in block.layers if isinstance(layer, nn.Conv2d))
    hidden = first(functional.group_norm(x, 2).relu())
    torch.testing.assert_close(block(x), x + second(functional.group_norm(hidden, 2).relu()) / 4)
    plain = Block(16, "none", blocks=1)
    first, second = (layer for layer in plain.layers if isinstance(layer, nn.Conv2d))
    torch.testing.assert_close(plain(x), x + second(first(x.relu()).relu()))


@pytest.mark.parametrize("norm", ["group", "none"])
def test_a_deep_network_begins_with_outputs_of_the_size_of_a_shallow_ones(norm):
    images = torch.rand(8, 1, 32, 32)
    for depth in (1, 20):
        model = build_model((1, 32, 32), latent_dim=4, network="resnet", width=8, depth=depth, norm=norm)
        for made in (model.encode(images)[0], model.run(model.decoder, torch.randn(8, 4))):
            assert 0.05 < made.std() < 20


def test_the_usual_size_is_that_of_the_options():
    made = build_network((1, 32, 32), "resnet")
    options = {option.name: option.default for option in NETWORKS["resnet"].options}
    assert (made.channels[0], made.depth, made.norm) == (options["width"], options["depth"], options["norm"])
