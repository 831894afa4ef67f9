"""betaB, btcvae and factor against brute force, closed forms and special cases."""

import math

import pytest
import torch

from vae.divergences import kl_divergence
from vae.divergences.numerics import gaussian_log_prob
from vae.losses import LOSSES, build_loss, factor
from vae.losses.btcvae import log_shares
from vae.losses.factor import permute_coordinates
from vae.models import VAEOutput, build_model


def make(name, *, dataset_size=8, latent_dim=3, **options):
    return build_loss(name, dataset_size=dataset_size, latent_dim=latent_dim, **LOSSES.resolve_options(name, options))


def posteriors(mean, logvar):
    """What a loss sees of a batch, with a z drawn from each posterior."""
    z = mean + (0.5 * logvar).exp() * torch.randn_like(mean)
    return VAEOutput(mean, logvar, z, None)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return build_model((1, 32, 32), latent_dim=3, rec_dist="gaussian")


@pytest.fixture
def images():
    return torch.rand(8, 1, 32, 32, generator=torch.Generator().manual_seed(1))


def total(loss, model, images):
    torch.manual_seed(2)
    return loss(model, images).total.item()


@pytest.mark.parametrize("name", ["betaB", "btcvae", "factor"])
def test_annealing_goes_by_steps_and_evaluation_is_by_the_final_form(name):
    loss = make(name, reg_anneal=4)
    shares = []
    for _ in range(6):
        shares.append(loss.annealed().item())
        loss.step_taken()
    assert shares == [0, 0.25, 0.5, 0.75, 1, 1]
    assert make(name, reg_anneal=4).eval().annealed().item() == 1
    assert make(name, reg_anneal=0).annealed().item() == 1


def test_capacity_grows_and_its_distance_counts(model, images):
    loss = make("betaB", betaB_initC=2.0, betaB_finC=10.0, betaB_G=7.0, reg_anneal=4)
    kl = kl_divergence(*model.encode(images)).mean().item()
    for step in range(6):
        torch.manual_seed(2)
        terms = loss(model, images)
        capacity = 2 + 8 * min(1, step / 4)
        assert terms.extras["capacity"].item() == pytest.approx(capacity)
        assert terms.divergence.item() == pytest.approx(kl, rel=1e-6)
        assert (terms.total - terms.reconstruction).item() == pytest.approx(7 * abs(kl - capacity), rel=1e-4)
        loss.step_taken()


def test_evaluation_is_by_the_last_capacity(model, images):
    loss = make("betaB", betaB_initC=2.0, betaB_finC=10.0, reg_anneal=4).eval()
    assert loss(model, images).extras["capacity"].item() == 10


def test_no_capacity_is_the_beta_vae(model, images):
    ours = make("betaB", betaB_finC=0.0, betaB_G=4.0)
    assert total(ours, model, images) == pytest.approx(total(make("betaH"), model, images), rel=1e-6)


@pytest.mark.parametrize("batch_size", [1, 2, 5, 20])
def test_shares_add_up_to_one(batch_size):
    assert log_shares(batch_size, 20).exp().sum(1).allclose(torch.ones(batch_size, dtype=torch.float64))


def test_shares_of_the_whole_data_set_are_equal():
    assert log_shares(20, 20).exp().allclose(torch.full((20, 20), 1 / 20, dtype=torch.float64))


def test_the_estimate_of_the_aggregate_is_unbiased_over_all_batches():
    """Six images, every batch of three of them that holds image 0: the mean estimate of q(z) is q(z)."""
    density = torch.rand(6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)  # q(z | image)
    shares = log_shares(3, 6).double().exp()[0]
    rest = torch.combinations(torch.arange(1, 6), 2)
    estimates = [shares @ density[torch.tensor([0, *pair.tolist()])] for pair in rest]
    assert torch.stack(estimates).mean().item() == pytest.approx(density.mean().item(), rel=1e-6)


def test_terms_are_those_of_a_loop_over_images_and_add_up_to_kl():
    torch.manual_seed(0)
    mean, logvar = torch.randn(2, 5, 3, dtype=torch.float64)
    output = posteriors(mean, logvar)
    loss = make("btcvae", dataset_size=50)
    penalty = loss.penalty(None, output)
    information, correlation, dimensions = [], [], []
    for n, z in enumerate(output.z):
        share = torch.tensor([1 / 50 if m == n else (49 / 50) / 4 for m in range(5)], dtype=torch.float64)
        density = torch.distributions.Normal(mean, (0.5 * logvar).exp()).log_prob(z).exp()
        joint = (share * density.prod(-1)).sum().log()
        product = (share[:, None] * density).sum(0).log().sum()
        information.append(density[n].prod().log() - joint)
        correlation.append(joint - product)
        dimensions.append(product - torch.distributions.Normal(0, 1).log_prob(z).sum())
    for name, values in (
        ("mutual_information", information),
        ("total_correlation", correlation),
        ("dimension_kl", dimensions),
    ):
        assert penalty.extras[name].item() == pytest.approx(torch.stack(values).mean().item(), rel=1e-6), name
    prior = gaussian_log_prob(output.z, torch.zeros_like(mean), torch.zeros_like(mean)).sum(-1)
    one_sample = gaussian_log_prob(output.z, mean, logvar).sum(-1) - prior
    assert penalty.divergence.item() == pytest.approx(one_sample.mean().item(), rel=1e-9)


@pytest.mark.parametrize("reg_anneal", [0, 4])
def test_each_term_has_its_own_weight_and_the_last_is_annealed(reg_anneal, model, images):
    loss = make("btcvae", btcvae_A=2.0, btcvae_B=3.0, btcvae_G=5.0, reg_anneal=reg_anneal)
    loss.step_taken()
    terms = loss(model, images)
    information, correlation, dimensions = (
        terms.extras[name].item() for name in ("mutual_information", "total_correlation", "dimension_kl")
    )
    share = 1 / 4 if reg_anneal else 1
    expected = 2 * information + 3 * correlation + 5 * share * dimensions
    assert (terms.total - terms.reconstruction).item() == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_with_weights_of_one_its_expectation_is_kl():
    torch.manual_seed(0)
    mean, logvar = torch.randn(2, 16, 3)
    loss = make("btcvae", dataset_size=100, btcvae_B=1.0, reg_anneal=0)
    draws = torch.stack([loss.penalty(None, posteriors(mean, logvar)).value for _ in range(2000)])
    assert abs(draws.mean() - kl_divergence(mean, logvar).mean()) < 4 * draws.std() / 2000**0.5


@pytest.mark.slow
def test_terms_of_a_correlated_gaussian_are_its_closed_forms():
    """Narrow posteriors at draws of N(0, [[1, r], [r, 1]]): TC = -log(1 - r^2) / 2, and no KL of the dimensions.

    q(z) is the smoothed empirical distribution: N(0, that + variance I) but for the noise of 3,000 images.
    """
    torch.manual_seed(0)
    correlation, variance = 0.8, 0.05
    draws = torch.randn(3000, 2)
    mean = torch.stack([draws[:, 0], correlation * draws[:, 0] + math.sqrt(1 - correlation**2) * draws[:, 1]], -1)
    mean = mean * math.sqrt(1 - variance)
    output = posteriors(mean, torch.full_like(mean, math.log(variance)))
    terms = make("btcvae", dataset_size=3000, latent_dim=2).penalty(None, output).extras
    smoothed = correlation * (1 - variance)
    assert terms["total_correlation"].item() == pytest.approx(-0.5 * math.log(1 - smoothed**2), abs=0.04)
    assert terms["dimension_kl"].item() == pytest.approx(0, abs=0.02)
    information = 0.5 * math.log(1 - smoothed**2) - math.log(variance)
    assert terms["mutual_information"].item() == pytest.approx(information, abs=0.06)


def test_each_coordinate_is_permuted_for_itself():
    torch.manual_seed(0)
    z = torch.arange(300.0).view(100, 3)
    permuted = permute_coordinates(z)
    assert permuted.sort(0).values.equal(z)
    assert not permuted[:, 0].sub(permuted[:, 1]).eq(-1).all()


class LogRatio(torch.nn.Module):
    """scale * log N(z; 0, [[1, r], [r, 1]]) / N(z; 0, I), whose mean under the former is -log(1 - r^2) / 2."""

    def __init__(self, correlation):
        super().__init__()
        self.correlation = correlation
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, z):
        r, square = self.correlation, 1 - self.correlation**2
        mahalanobis = (z[:, 0] ** 2 - 2 * r * z[:, 0] * z[:, 1] + z[:, 1] ** 2) / square
        return self.scale * (0.5 * (z.square().sum(-1) - mahalanobis) - 0.5 * math.log(square))


def test_the_best_discriminator_gives_the_total_correlation():
    torch.manual_seed(0)
    loss = make("factor", latent_dim=2)
    loss.discriminator = LogRatio(0.8)
    mean = torch.randn(200_000, 2) @ torch.tensor([[1.0, 0.8], [0.0, 0.6]])
    output = VAEOutput(mean, torch.zeros_like(mean), mean, None)
    terms = loss.penalty(build_model((1, 32, 32), latent_dim=2), output).extras
    assert terms["total_correlation"].item() == pytest.approx(-0.5 * math.log(1 - 0.8**2), abs=0.01)
    error = loss.discriminator_error(mean, permute_coordinates(mean))
    error.backward()
    assert loss.discriminator.scale.grad.abs() < 2e-3
    assert error < math.log(2)


@pytest.mark.slow
def test_the_discriminator_is_trained_to_tell_z_from_permuted_z():
    torch.manual_seed(0)
    loss = make("factor", latent_dim=2, lr_disc=1e-3)
    z, other = torch.randn(2, 64, 2) @ torch.tensor([[1.0, 0.99], [0.0, 0.14]])
    other = permute_coordinates(other)
    before = loss.discriminator_error(z, other).item()
    assert before == pytest.approx(math.log(2), abs=0.05)
    for _ in range(10):
        loss.latents = (z, other)
        loss.step_taken()
    assert loss.discriminator_error(z, other).item() < before - 0.02


@pytest.mark.slow
def test_a_trained_discriminator_estimates_the_total_correlation(monkeypatch):
    """Of N(0, [[1, r], [r, 1]]), whose total correlation is -log(1 - r^2) / 2."""
    torch.manual_seed(0)
    monkeypatch.setattr(factor, "HIDDEN_UNITS", 64)
    loss = make("factor", latent_dim=2, lr_disc=1e-3)
    root = torch.tensor([[1.0, 0.8], [0.0, 0.6]])
    # With the first rate alone the estimate goes on swinging by 0.1; with both, seeds differ by 0.015.
    for lr in (1e-3, 1e-4):
        loss.optimizer.param_groups[0]["lr"] = lr
        for _ in range(250):
            z, other = torch.randn(2, 512, 2) @ root
            loss.latents = (z, permute_coordinates(other))
            loss.step_taken()
    z = torch.randn(20_000, 2) @ root
    with torch.no_grad():
        output = VAEOutput(z, torch.zeros_like(z), z, None)
        terms = loss.penalty(build_model((1, 32, 32), latent_dim=2), output).extras
    assert terms["total_correlation"].item() == pytest.approx(-0.5 * math.log(1 - 0.8**2), abs=0.08)


@pytest.mark.parametrize("reg_anneal", [0, 4])
def test_the_regulariser_is_kl_and_the_weighted_total_correlation(reg_anneal, model, images):
    loss = make("factor", factor_G=50.0, reg_anneal=reg_anneal)
    loss.step_taken()
    terms = loss(model, images)
    expected = kl_divergence(*model.encode(images[:4])).mean().item()
    expected += (50 / 4 if reg_anneal else 50) * terms.extras["total_correlation"].item()
    assert (terms.total - terms.reconstruction).item() == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_a_step_trains_all_of_the_discriminator_on_the_other_half_and_evaluation_none(model, images):
    loss = make("factor")
    before = [parameter.clone() for parameter in loss.parameters()]
    terms = loss(model, images)
    torch.manual_seed(0)
    expected = model.likelihood.reconstruction_error(model(images[:4]).decoded, images[:4]).mean()
    torch.manual_seed(0)
    assert loss(model, images).reconstruction.equal(expected)
    terms.total.backward()
    loss.step_taken()
    assert all(not parameter.equal(old) for parameter, old in zip(loss.parameters(), before))
    assert list(loss.trained_parameters()) == []
    before = [parameter.clone() for parameter in loss.parameters()]
    loss.eval()
    loss(model, images)
    loss.step_taken()
    assert all(parameter.equal(old) for parameter, old in zip(loss.parameters(), before))


def test_the_discriminators_optimiser_is_saved_with_it(model, images, tmp_path):
    loss, other = make("factor"), make("factor")
    loss(model, images)
    loss.step_taken()
    torch.save(loss.state_dict(), tmp_path / "loss.pt")
    other.load_state_dict(torch.load(tmp_path / "loss.pt", weights_only=True))
    for each in (loss, other):
        torch.manual_seed(5)
        each(model, images)
        each.step_taken()
    assert all(ours.equal(theirs) for ours, theirs in zip(loss.parameters(), other.parameters()))
