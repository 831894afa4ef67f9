"""The registry of networks: what every family offers, and which one data get."""

import pytest
import torch
from torch import nn

from registries import set_free
from vae.models import build_model
from vae.models.networks import NETWORKS, Network, network_for

SHAPES = [(1, 32, 32), (3, 64, 64), (2,), (17,)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_family_has_networks_for_the_shapes_that_it_takes_and_refuses_others(name, shape):
    family = NETWORKS[name]
    if not family.takes(shape):
        with pytest.raises(ValueError, match=r"these networks take "):
            family(shape)
        return
    network = family(shape)
    encoder, decoder = network.encoder(7), network.decoder(3)
    assert isinstance(encoder[-1], nn.Linear)
    assert encoder(torch.rand(5, *shape)).shape == (5, 7)
    assert decoder(torch.randn(5, 3)).shape == (5, *shape)


@pytest.mark.parametrize(("shape", "name"), [((1, 32, 32), "burgess"), ((3, 64, 64), "burgess"), ((5,), "mlp")])
def test_data_get_the_usual_networks_of_their_shape(shape, name):
    assert type(network_for(shape)) is NETWORKS[name]


def test_a_shape_that_no_network_takes_is_refused_with_those_that_are_taken():
    with pytest.raises(ValueError, match=r"^image shape \(1, 32, 64\): .*burgess takes .*32.*mlp takes "):
        build_model((1, 32, 64))


def test_a_family_of_ones_own_serves_the_shapes_that_no_other_takes(monkeypatch):
    set_free(monkeypatch, NETWORKS, "linear")

    @NETWORKS.register("linear")
    class Linear(Network):
        shapes = "any"

        @staticmethod
        def takes(data_shape):
            return True

        def encoder(self, outputs):
            return nn.Sequential(nn.Flatten(), nn.LazyLinear(outputs))

        def decoder(self, latent_dim):
            size = torch.Size(self.data_shape)
            return nn.Sequential(nn.Linear(latent_dim, size.numel()), nn.Unflatten(-1, size))

    assert type(network_for((1, 32, 32))) is NETWORKS["burgess"]
    model = build_model((3, 6, 9), latent_dim=2)
    assert model(torch.rand(4, 3, 6, 9)).decoded.shape == (4, 3, 6, 9)
