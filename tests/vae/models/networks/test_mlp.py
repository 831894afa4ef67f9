import pytest
import torch
from torch import nn

from vae.models import build_model
from vae.models.networks import Decoder, Encoder, build_network


def test_shapes():
    mean, logvar = Encoder(build_network((5,), "mlp"), 3)(torch.randn(7, 5))
    assert mean.shape == logvar.shape == (7, 3)
    assert Decoder(build_network((5,), "mlp"), 3)(mean).shape == (7, 5)


def test_encoder_is_the_textbook_network():
    """Matrix products and ReLU, mean before log-variance."""
    torch.manual_seed(0)
    encoder, x = Encoder(build_network((2,), "mlp"), 1), torch.randn(4, 2)
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
        assert sizes == [(inputs, 128), (128, 128), (128, outputs)]
    assert model.likelihood.log_sigma.numel() == sigmas
    assert dict(model.named_parameters())["likelihood.log_sigma"].requires_grad
    assert model(torch.randn(7, 5)).decoded.shape == (7, 5)
    assert model.sample(4).shape == (4, 5)


def test_images_are_flattened_and_hidden_layers_are_as_many_as_asked_for():
    model = build_model((3, 6, 9), latent_dim=2, network="mlp", hidden_units=7, hidden_layers=3)
    images = torch.rand(5, 3, 6, 9)
    assert model(images).decoded.shape == images.shape
    sizes = [layer.out_features for layer in model.encoder.layers if isinstance(layer, nn.Linear)]
    assert sizes == [7, 7, 7, 4]
    plain = nn.Sequential(*model.encoder.layers[1:])
    torch.testing.assert_close(model.encoder.layers(images), plain(images.reshape(5, -1)))
