"""Every objective with every prior and posterior that it says it is for."""

from types import SimpleNamespace

import pytest
import torch

from registries import OUR_LOSSES, OUR_PRIORS
from vae.evaluation.evaluator import Evaluator
from vae.losses import LOSSES
from vae.models.priors import PRIORS
from vae.saved import build
from vae.training.settings import TrainingSettings
from vae.training.trainer import Trainer

pytestmark = pytest.mark.slow

WITH_PRIOR = [
    (name, prior)
    for name in OUR_LOSSES
    for prior in OUR_PRIORS
    if prior != "standard" and LOSSES[name].priors and issubclass(PRIORS[prior], LOSSES[name].priors)
]
FULL = [name for name in OUR_LOSSES if LOSSES[name].full_covariance]


def make(loss, prior=None, posterior="diagonal", components=4, **options):
    torch.manual_seed(0)
    options = LOSSES.resolve_options(loss, options)
    chosen = {
        "prior": prior,
        "posterior": posterior,
        "prior_components": components if prior and PRIORS[prior].counted else None,
    }
    config = SimpleNamespace(loss=loss, loss_options=options, latent_dim=3, rec_dist="gaussian", **chosen)
    return build(config, (1, 32, 32), 8)


@pytest.fixture
def images():
    return torch.rand(8, 1, 32, 32, generator=torch.Generator().manual_seed(1))


def check_trains(model, loss, images):
    """The gradient reaches every parameter, and descent lowers the objective, of which it sees fresh draws."""
    optimizer = torch.optim.Adam([*model.parameters(), *loss.trained_parameters()], lr=1e-3)

    def total():
        with torch.no_grad():
            return torch.stack([loss(model, images).total for _ in range(20)]).mean()

    torch.manual_seed(2)
    before = total()
    for _ in range(10):
        optimizer.zero_grad()
        loss(model, images).total.backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().sum() > 0, name
        optimizer.step()
        loss.step_taken()
    assert total() < before


def lighter(name):
    """Weights of 10, for losses whose default would make the noise of an estimate from 8 images the largest term."""
    heavy = [option for option in LOSSES[name].options if option.kind is float and option.default >= 100]
    return {option.name: 10.0 for option in heavy}


@pytest.mark.parametrize(("name", "prior"), WITH_PRIOR)
def test_a_prior_is_trained_with_the_objective(name, prior, images):
    model, loss = make(name, prior, **lighter(name))
    assert list(model.prior.parameters())
    check_trains(model, loss, images)


@pytest.mark.parametrize("name", FULL)
def test_a_full_covariance_is_trained_with_the_objective(name, images):
    check_trains(*make(name, posterior="full", **lighter(name)), images)


@pytest.mark.parametrize("logvar", [-30.0, 30.0])
@pytest.mark.parametrize("name", FULL)
def test_extreme_full_covariances_are_finite_in_value_and_gradient(name, logvar, images):
    model, loss = make(name, posterior="full")
    factor = torch.tensor(logvar / 2).exp()
    model.encoder.register_forward_hook(lambda encoder, inputs, output: (output[0], output[1] * factor))
    terms = loss(model, images)
    terms.total.backward()
    assert all(value.isfinite() for value in terms.named().values()), terms
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("name", FULL)
def test_with_nothing_off_the_diagonal_it_is_the_diagonal_posterior(name, images):
    """Of the same mean and variances, and the same draws of z."""
    diagonal, loss = make(name)
    full, _ = make(name, posterior="full")
    with torch.no_grad():
        for own, other in zip(full.encoder.layers, diagonal.encoder.layers, strict=True):
            for parameter, given in zip(own.parameters(), other.parameters(), strict=True):
                parameter.zero_()
                parameter[: len(given)] = given
        full.decoder.load_state_dict(diagonal.decoder.state_dict())
    totals = []
    for model in (diagonal, full):
        torch.manual_seed(2)
        totals.append(loss(model, images).total.item())
    assert totals[0] == pytest.approx(totals[1], rel=1e-5)


def test_losses_of_the_aggregate_posterior_are_zero_where_it_is_the_prior():
    torch.manual_seed(0)
    for prior in ("mixture", "vamp"):
        model, loss = make("MMD", prior)
        estimates = torch.stack([loss.discrepancy_of(*model.prior.sample(400).chunk(2)).detach() for _ in range(300)])
        assert estimates.mean().abs() < 4 * estimates.std() / 300**0.5


def test_the_bound_has_the_same_mean_by_one_draw_in_training_and_by_many_in_evaluation(images):
    model, _ = make("KL", "mixture")
    mean, logvar = torch.randn(2, 1, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        by_one = model.prior.train().kl_divergence(mean.expand(20_000, 3), logvar.expand(20_000, 3))
        by_many = model.prior.eval().kl_divergence(mean.expand(2000, 3), logvar.expand(2000, 3))
    assert by_many.std() < by_one.std() / 6
    assert (by_one.mean() - by_many.mean()).abs() < 4 * by_one.std() / 20_000**0.5


def test_pseudo_inputs_are_images_and_the_encoder_is_the_models_own(images):
    model, _ = make("KL", "vamp")
    mean, logvar = model.prior.components()
    own = model.encode(model.prior.inputs.sigmoid())
    assert mean.equal(own[0]) and logvar.equal(own[1])
    assert [name for name in model.state_dict() if name.startswith("prior")] == ["prior.inputs"]
    names = [name for name, _ in model.named_parameters()]
    assert len(names) == len(set(names)) and not any("encoders" in name for name in names)


def refusal(loss, model, images):
    """What the Trainer and the Evaluator say alike of a model that a loss is not for."""
    said = set()
    for use in (
        lambda: Trainer(model, loss, images, TrainingSettings()),
        lambda: Evaluator(model, loss, batch_size=8, seed=1),
    ):
        with pytest.raises(ValueError, match="^[^\n]*$") as caught:
            use()
        said.add(str(caught.value))
    assert len(said) == 1
    return said.pop()


@pytest.mark.parametrize("name", [name for name in OUR_LOSSES if name not in FULL and LOSSES[name].priors])
def test_an_objective_refuses_a_full_covariance_that_it_does_not_know(name, images):
    loss = LOSSES[name](dataset_size=8, latent_dim=3, **LOSSES.resolve_options(name, {}))
    model, _ = make("KL", posterior="full")
    assert refusal(loss, model, images).endswith(
        " is for diagonal posteriors: build the model with posterior='diagonal'"
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("rKL", "ReverseKLLoss cannot be computed with a GaussianMixture: expected a StandardNormal as the prior"),
        ("CatVAE", "CategoricalLoss is for a CategoricalVAE, not a VAE: take the loss's own build_model"),
    ],
)
def test_an_objective_refuses_a_model_that_it_is_not_for(name, said, images):
    loss = LOSSES[name](dataset_size=8, latent_dim=3, **LOSSES.resolve_options(name, {}))
    model, _ = make("KL", prior="mixture")
    assert refusal(loss, model, images) == said


def test_a_full_posterior_has_no_diagonal_components(images):
    model, _ = make("KL", posterior="full")
    with pytest.raises(TypeError, match="^a posterior with a full covariance has no diagonal components: take "):
        model.posterior_components(images)


def test_a_full_posterior_is_sampled_with_its_covariance(images):
    model, _ = make("KL", posterior="full")
    output = model(images[:1])
    covariance = output.scale_tril[0] @ output.scale_tril[0].mT
    many = type(output)(*(part.expand(40_000, *part.shape[1:]) for part in output))
    with torch.no_grad():
        torch.testing.assert_close(many.draw().mT.cov(), covariance, rtol=0.05, atol=0.02)
    torch.testing.assert_close(output.logvar.exp(), covariance.diagonal().unsqueeze(0))
    distribution = model.posterior_distribution(images[:1])
    torch.testing.assert_close(distribution.covariance_matrix[0], covariance)


def test_a_full_posterior_is_made_in_float32_of_what_a_network_gives_in_bfloat16(images):
    model, _ = make("KL", posterior="full")
    model.mixed_precision = True
    mean, scale_tril = model.factors(images)
    assert mean.dtype == scale_tril.dtype == torch.float32
    assert torch.equal(mean, mean.bfloat16().float()), "the network's output has three digits"
    assert not torch.equal(scale_tril, scale_tril.bfloat16().float())
