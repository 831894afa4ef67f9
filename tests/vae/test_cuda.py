"""On a CUDA device, without one: fake tensors have a device and no values, so that arithmetic between devices raises,
and so does a look at a value, which would wait for the device. There are no gradients without a GPU."""

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily

from vae.evaluation import evidence
from vae.evaluation.evidence import decode_prior, importance_log_weights, prior_sampling
from vae.inputs import add_noise, to_network
from vae.losses import LOSSES, build_loss
from vae.means import Means
from vae.training import ensemble
from vae.training.ensemble import Ensemble
from vae.training.settings import TrainingSettings
from vae.training.trainer import Trainer

IMAGE_SHAPE = (1, 32, 32)
COMPILABLE = [name for name, loss in LOSSES.items() if loss.compilable]  # the others look at values
BATCHABLE = [name for name, loss in LOSSES.items() if loss.batchable]


@pytest.fixture
def cuda(monkeypatch):
    """The device, in whose fake mode a test runs."""

    def copy_of(fake, memo):  # by default it would be of a mode of its own
        copied = fake.detach().clone()
        return nn.Parameter(copied) if isinstance(fake, nn.Parameter) else copied

    monkeypatch.setattr(FakeTensor, "__deepcopy__", copy_of, raising=False)
    with FakeTensorMode():
        yield torch.device("cuda:0")


def moved(module: nn.Module, device: torch.device) -> nn.Module:
    """The module with parameters and buffers on a fake device."""
    for part in module.modules():
        for tensors in (part._parameters, part._buffers):
            for name, own in tensors.items():
                fake = torch.empty_strided(own.shape, own.stride(), dtype=own.dtype, device=device)
                tensors[name] = nn.Parameter(fake) if isinstance(own, nn.Parameter) else fake
    return module.train()


def model_and_loss(name: str, device: torch.device, **options: float) -> tuple[nn.Module, nn.Module]:
    options = LOSSES.resolve_options(name, options)
    latent_dim = LOSSES[name].fixed_latent_dim(options) or 10
    with unset_fake_temporarily():
        model = LOSSES[name].build_model(IMAGE_SHAPE, latent_dim, "bernoulli", options)
        loss = build_loss(name, dataset_size=100, latent_dim=latent_dim, **options)
    return moved(model, device), moved(loss, device)


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPILABLE)
def test_a_pass_stays_on_the_device_and_waits_for_nothing(name, cuda):
    model, loss = model_and_loss(name, cuda)
    images = to_network(torch.zeros(16, *IMAGE_SHAPE, dtype=torch.uint8, device=cuda))
    means = Means()
    for mode in (True, False):
        model.train(mode), loss.train(mode)
        terms = loss(model, images, add_noise(images, 0.5)).named()
        assert {term.device for term in terms.values()} == {cuda}
        assert all(term.requires_grad for term in (terms["loss"], terms["reconstruction"]))
    means.add(terms, len(images))
    assert means.sums.device == cuda


@pytest.mark.slow
def test_so_does_a_step_of_runs_that_are_trained_as_one(cuda, monkeypatch):
    class RandomStream:
        def __init__(self, trainer, device):
            self.order, self.generator = torch.randperm(len(trainer.data)), None

    went_back = []
    monkeypatch.setattr(ensemble, "RandomStream", RandomStream)
    monkeypatch.setattr(Tensor, "backward", lambda total: went_back.append(total))
    data = torch.zeros(100, *IMAGE_SHAPE, dtype=torch.uint8, device=cuda)
    pairs = [model_and_loss(name, cuda) for name in BATCHABLE] + [model_and_loss("GJS", cuda, GJS_A=0.2)]
    trainers = [Trainer(*pair, data, TrainingSettings(noise=0.5)) for pair in pairs]
    whole = Ensemble(trainers)
    for index in whole.order.split(64, dim=1):
        whole.train_batch(index)
    whole.hand_back()
    assert [total.device for total in went_back] == [cuda, cuda]
    assert {means.sums.device for means in whole.means().values()} == {cuda}
    assert {parameter.device for trainer in trainers for parameter in trainer.model.parameters()} == {cuda}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["KL", "CS", "CatVAE"])
def test_the_evidence_is_estimated_on_the_device(name, cuda, monkeypatch):
    monkeypatch.setattr(evidence, "slope", lambda model, images, z: torch.zeros_like(z))
    model = model_and_loss(name, cuda)[0].eval()
    images = to_network(torch.zeros(7, *IMAGE_SHAPE, dtype=torch.uint8, device=cuda)).bernoulli()
    log_weights = importance_log_weights(model, images, 250)
    assert (log_weights.shape, log_weights.device) == ((7, 250), cuda)
    estimate = prior_sampling(model, images, decode_prior(model, 250))
    assert (estimate.shape, estimate.device) == ((7,), cuda)
