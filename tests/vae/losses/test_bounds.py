"""The bounds of several samples, of a linear Gaussian model whose evidence is known."""

import math

import pytest
import torch
from torch import nn

from linear_gaussian import evidence_of, linear_model, small_decoder
from vae.losses import build_loss
from vae.losses.bounds import log_mean_power

X = torch.tensor([[0.3, -1.0, 0.5]])


class FixedEncoder(nn.Module):
    """The same posterior for every vector."""

    def __init__(self):
        super().__init__()
        self.mean, self.logvar = nn.Parameter(torch.tensor([0.1, -0.2])), nn.Parameter(torch.tensor([-0.4, 0.2]))

    def forward(self, vectors):
        return self.mean.expand(len(vectors), -1), self.logvar.expand(len(vectors), -1)


@pytest.fixture
def model():
    """x = W z + e, e ~ N(0, I)."""
    return linear_model(small_decoder(), 1.0, FixedEncoder())


def total_of(name, model, count, seed=0, **options):
    torch.manual_seed(seed)
    loss = build_loss(name, dataset_size=1, latent_dim=2, **options)
    return loss(model, X.expand(count, -1))


def exact_evidence(model):
    return evidence_of(model.decoder, 1.0).log_prob(X[0])


@pytest.mark.slow
def test_one_weight_averages_to_the_evidence(model):
    """With K = 1 the exponential of the bound is a single weight, whose mean is p(x)."""
    torch.manual_seed(0)
    loss = build_loss("IWAE", dataset_size=1, latent_dim=2, bound_samples=1)
    weights = torch.stack([(-loss(model, X).total).exp().detach() for _ in range(4000)])
    assert (weights.mean() - exact_evidence(model).exp()).abs() < 4 * weights.std() / 4000**0.5


def test_more_samples_and_a_lower_order_come_nearer_to_the_evidence_from_below(model):
    exact = exact_evidence(model).item()
    bounds = [-total_of("IWAE", model, 20_000, bound_samples=k).total.item() for k in (1, 5, 50)]
    assert bounds[0] < bounds[1] < bounds[2] < exact + 0.005
    assert bounds[2] == pytest.approx(exact, abs=0.02)
    orders = [-total_of("VR", model, 100, VR_A=alpha).total.item() for alpha in (1.0, 0.9, 0.5, 0.1, 0.0)]
    assert orders == sorted(orders)


def test_order_one_and_a_single_sample_are_the_evidence_lower_bound(model):
    kl = build_loss("KL", dataset_size=1, latent_dim=2)
    torch.manual_seed(1)
    expected = kl(model, X.expand(50_000, -1)).total.item()
    assert total_of("VR", model, 20_000, VR_A=1.0).total.item() == pytest.approx(expected, abs=0.03)
    assert total_of("IWAE", model, 50_000, bound_samples=1).total.item() == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize(("name", "options"), [("IWAE", {}), ("VR", {"VR_A": 0.5}), ("VR", {"VR_A": 1.0})])
def test_gradient_is_that_of_the_formula(name, options, model):
    """Of autograd through the weights as they are defined, with log q(z|x) as a density of z."""
    model.double()
    terms = total_of(name, model, 1, bound_samples=4, **options)
    gradients = torch.autograd.grad(terms.total, list(model.parameters()))
    torch.manual_seed(0)
    mean, logvar = model.encode(X)
    noise = torch.randn(4, 1, 2, dtype=mean.dtype)
    posterior = torch.distributions.Normal(mean, (logvar / 2).exp())
    z = mean + (logvar / 2).exp() * noise
    log_likelihood = -model.likelihood.pixel_error(model.decoder(z), X.double()).sum(-1)
    log_weights = log_likelihood + model.prior.log_prob(z) - posterior.log_prob(z).sum(-1)
    power = 1 - options.get("VR_A", 0.0)
    mean_power = (power * log_weights).logsumexp(0) - math.log(4)
    total = -(mean_power / power if power else log_weights.mean(0)).mean()
    torch.testing.assert_close(terms.total, total)
    torch.testing.assert_close(terms.reconstruction, -log_likelihood.mean())
    torch.testing.assert_close(gradients, torch.autograd.grad(total, list(model.parameters())))


def test_log_mean_power_goes_to_the_mean_without_losing_digits():
    log_weights = torch.tensor([[-1e3], [-1.5e3], [-1.2e3]], dtype=torch.float32)
    assert log_mean_power(log_weights, 0.0).item() == pytest.approx(-3700 / 3)
    assert log_mean_power(log_weights, 1e-9).item() == pytest.approx(-3700 / 3)
    assert log_mean_power(log_weights, 1.0).item() == pytest.approx(-1e3 - math.log(3))
    assert log_mean_power(log_weights, 0.3).item() == pytest.approx(
        ((0.3 * log_weights.double()).logsumexp(0) - math.log(3)).item() / 0.3
    )
