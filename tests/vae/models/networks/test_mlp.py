import pytest
import torch
from torch import nn

from vae.models import build_model
from vae.models.networks import Decoder, Encoder
from vae.models.networks.mlp import HIDDEN_UNITS, Perceptrons


def test_shapes():
    mean, logvar = Encoder(Perceptrons((5,)), 3)(torch.randn(7, 5))
    assert mean.shape == logvar.shape == (7, 3)
    assert Decoder(Perceptrons((5,)), 3)(mean).shape == (7, 5)


def test_encoder_is_the_textbook_network():
    """Matrix products and ReLU, mean before log-variance."""
    torch.manual_seed(0)
    encoder, x = Encoder(Perceptrons((2,)), 1), torch.randn(4, 2)
    first, second, head = (layer for layer in encoder.layers if isinstance(layer, nn.Linear))
    hidden = (x @ first.weight.T + first.bias).clamp(min=0)
    hidden = (hidden @ second.weight.T + second.bias).clamp(min=0)
    expected = hidden @ head.weight.T + head.bias
    torch.testing.assert_close(torch.cat(encoder(x), dim=1), expected)


@pytest.mark.parametrize(("rec_dist", "sigmas"), [("normal", 1), ("normal-diagonal", 5)])
def test_the_model_of_vectors_has_perceptrons_and_learns_its_noise(rec_dist, sigmas):
    model = build_model((5,), latent_dim=3, rec_dist=rec_dist)
    for network, inputs, outputs in ((model.encoder, 5, 6), (model.decoder, 3, 5)):
        sizes = [(layer.in_features, layer.out_features) for layer in network.layers if isinstance(layer, nn.Linear)]
        assert sizes == [(inputs, HIDDEN_UNITS), (HIDDEN_UNITS, HIDDEN_UNITS), (HIDDEN_UNITS, outputs)]
    assert model.likelihood.log_sigma.numel() == sigmas
    assert dict(model.named_parameters())["likelihood.log_sigma"].requires_grad
    assert model(torch.randn(7, 5)).decoded.shape == (7, 5)
    assert model.sample(4).shape == (4, 5)
