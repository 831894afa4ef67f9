"""The registry of networks: what every family offers, and which one data get."""

import pytest
import torch
from torch import nn

from registries import SMALL_NETWORKS, set_free
from vae.evaluation.evaluator import Evaluator
from vae.losses import LOSSES, build_loss
from vae.models import build_model
from vae.models.networks import NETWORKS, Network, build_network, usual_network
from vae.options import OptionError
from vae.random import seed_everything
from vae.training.settings import TrainingSettings
from vae.training.trainer import Trainer

SHAPES = [(1, 32, 32), (3, 64, 64), (2,), (17,)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_family_has_networks_for_the_shapes_that_it_takes_and_refuses_others(name, shape):
    family = NETWORKS[name]
    if not family.takes(shape):
        with pytest.raises(
            OptionError, match=f"^--network {name}: data have the shape .*, it takes {family.shapes[:6]}"
        ):
            build_network(shape, name)
        return
    network = build_network(shape, name)
    encoder, decoder = network.encoder(7), network.decoder(3)
    assert isinstance(encoder[-1], nn.Linear)
    assert encoder(torch.rand(5, *shape)).shape == (5, 7)
    assert decoder(torch.randn(5, 3)).shape == (5, *shape)


@pytest.mark.parametrize(("shape", "name"), [((1, 32, 32), "burgess"), ((3, 64, 64), "burgess"), ((5,), "mlp")])
def test_data_get_the_usual_networks_of_their_shape(shape, name):
    assert type(build_network(shape)) is NETWORKS[name]


@pytest.mark.parametrize("kind", ["images", "vectors"])
def test_one_network_is_the_usual_one_of_each_kind_of_data(kind):
    assert [name for name in NETWORKS if NETWORKS[name].usual_for == kind] == [usual_network(kind)]


def test_a_shape_that_no_network_takes_is_refused():
    with pytest.raises(OptionError, match=r"^--network burgess: .*\(1, 0, 64\), it takes .*; no network takes these$"):
        build_model((1, 0, 64))


def test_who_names_a_network_that_does_not_take_a_shape_is_told_which_do():
    with pytest.raises(OptionError, match=r"^--network burgess: .*\(3, 96, 96\).*; choose from .*mlp.* resnet"):
        build_model((3, 96, 96), network="burgess")


def test_options_are_the_networks_own():
    with pytest.raises(OptionError, match="^--width is not an option of --network mlp: it belongs to resnet$"):
        build_network((1, 32, 32), "mlp", width=3)
    with pytest.raises(OptionError, match="^--width 0: expected a whole number"):
        build_network((1, 32, 32), "resnet", width=0)
    with pytest.raises(OptionError, match="^--network resnt: no such network; did you mean resnet"):
        build_network((1, 32, 32), "resnt")


IMAGES = torch.randint(0, 256, (11, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
CASES = [(loss, network) for loss in LOSSES for network in NETWORKS if NETWORKS[network].takes((1, 16, 16))]


def make_trainer(loss, network, **settings):
    """A trainer of a loss with a small network, on eleven images in batches of four."""
    options = LOSSES.resolve_options(loss, {})
    latent_dim = LOSSES[loss].fixed_latent_dim(options) or 3
    seed_everything(1, 0)
    small = {"network": network, **SMALL_NETWORKS.get(network, {})}
    model = LOSSES[loss].build_model((1, 16, 16), latent_dim, "gaussian", options, **small)
    objective = build_loss(loss, dataset_size=len(IMAGES), latent_dim=latent_dim, **options)
    return Trainer(model, objective, IMAGES, TrainingSettings(batch_size=4, lr=1e-3, **settings))


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "network"), CASES)
def test_every_loss_trains_with_every_network_goes_on_to_the_same_bits_and_is_evaluated(loss, network):
    whole, begun, resumed = (make_trainer(loss, network) for _ in range(3))
    before = {name: parameter.clone() for name, parameter in whole.model.named_parameters()}
    list(whole.train(2))
    begun.train_epoch()
    resumed.load_state_dict(begun.state_dict())
    resumed.train_epoch()
    for name, value in whole.model.state_dict().items():
        assert resumed.model.state_dict()[name].equal(value), name
    assert all(not parameter.equal(before[name]) for name, parameter in whole.model.named_parameters())
    evaluation = Evaluator(whole.model, whole.loss, batch_size=4, seed=1).evaluate(IMAGES)
    assert all(torch.tensor(value).isfinite() for value in evaluation.values())


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("network", [name for name in NETWORKS if NETWORKS[name].takes((1, 16, 16))])
def test_a_step_of_every_network_is_compiled_as_one_graph_in_either_precision(network, precision, count_compiled):
    counter = count_compiled("eager")
    compiled, eager = (make_trainer("dGJS", network, precision=precision, compile=choice) for choice in (True, False))
    list(compiled.train(2))
    list(eager.train(2))
    assert counter.frame_count == 1, "the last batch of an epoch is smaller"
    for name, value in compiled.model.state_dict().items():
        assert value.equal(eager.model.state_dict()[name]), name


def test_a_family_of_ones_own_is_known_by_its_name(monkeypatch):
    set_free(monkeypatch, NETWORKS, "linear")

    @NETWORKS.register("linear")
    class Linear(Network):
        summary = "one linear map each way"
        shapes = "any"

        @staticmethod
        def takes(data_shape):
            return True

        def encoder(self, outputs):
            return nn.Sequential(nn.Flatten(), nn.LazyLinear(outputs))

        def decoder(self, latent_dim):
            size = torch.Size(self.data_shape)
            return nn.Sequential(nn.Linear(latent_dim, size.numel()), nn.Unflatten(-1, size))

    assert usual_network("images") == "burgess"
    model = build_model((3, 6, 9), latent_dim=2, network="linear")
    assert model(torch.rand(4, 3, 6, 9)).decoded.shape == (4, 3, 6, 9)
