"""Every objective of the registry goes through the same tests; what is particular to one follows below."""

import copy
from functools import partial

import pytest
import torch

from registries import OUR_LOSSES, set_free
from vae.divergences import (
    arithmetic_js_divergence,
    bhattacharyya_divergence,
    chi_squared_divergence,
    extended_geometric_js_divergence,
    geometric_js_divergence,
    jeffreys_divergence,
    kl_divergence,
    renyi_divergence,
    reverse_kl_divergence,
    squared_hellinger_distance,
    squared_wasserstein_distance,
)
from vae.losses import LOSSES, Loss, build_loss, register
from vae.losses.bounds import SampledBound
from vae.models import VAEOutput, build_model
from vae.options import Option

SIZES = {"dataset_size": 8, "latent_dim": 3}


def make(name, *, latent_dim=SIZES["latent_dim"], **options):
    """A loss and the model that it is for."""
    options = LOSSES.resolve_options(name, options)
    sizes = {**SIZES, "latent_dim": LOSSES[name].fixed_latent_dim(options) or latent_dim}
    torch.manual_seed(0)
    model = LOSSES[name].build_model((1, 32, 32), sizes["latent_dim"], "gaussian", options)
    return build_loss(name, **sizes, **options), model


@pytest.fixture
def model():
    torch.manual_seed(0)
    return build_model((1, 32, 32), latent_dim=3, rec_dist="gaussian")


@pytest.fixture
def images():
    return torch.rand(8, 1, 32, 32, generator=torch.Generator().manual_seed(1))


def terms_of(loss, model, images, seed=2):
    torch.manual_seed(seed)
    return loss(model, images)


@pytest.mark.parametrize("name", LOSSES)
def test_total_is_reconstruction_plus_penalty(name, images):
    loss, model = make(name)
    output = model(images)
    torch.manual_seed(2)
    terms = loss.terms(model, images, output)
    for key, value in terms.named().items():
        assert value.shape == (), key
        assert torch.isfinite(value), key
    if isinstance(loss, SampledBound):
        assert terms.divergence.equal(terms.total - terms.reconstruction)
    if not isinstance(loss, Loss):
        return
    torch.manual_seed(2)
    penalty = loss.penalty(model, output)
    assert terms.total.equal(terms.reconstruction + penalty.value)
    assert terms.divergence.equal(penalty.divergence)
    assert terms.extras == penalty.extras
    assert not any(extra.requires_grad for extra in terms.extras.values())


@pytest.mark.parametrize("name", LOSSES)
def test_gradient_reaches_every_parameter(name, images):
    loss, model = make(name)
    terms_of(loss, model, images).total.backward()
    names = {id(parameter): name for owner in (model, loss) for name, parameter in owner.named_parameters()}
    for parameter in (*model.parameters(), *loss.trained_parameters()):
        name = names[id(parameter)]
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("name", LOSSES)
def test_an_option_that_sets_the_weight_says_what_it_regularises(name):
    """Else a run whose latents collapse is not told of it."""
    for option in LOSSES[name].options:
        if isinstance(option.default, float) and option.maximum is None:
            ways = [build_loss(name, **SIZES, **{option.name: factor * option.default}) for factor in (1, 2)]
            weights = [getattr(loss, "weight", None) for loss in ways]
            assert weights[0] == weights[1] or option.regularises, option.flag


IMAGES = {
    "noise": torch.rand(8, 1, 32, 32, generator=torch.Generator().manual_seed(1)),
    "black": torch.zeros(8, 1, 32, 32),
    "white": torch.ones(8, 1, 32, 32),
}


def check_finite(loss, model, images, *, bfloat16=False):
    """Values and gradients are finite, and the divergence is in float32 under autocast too."""
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        terms = terms_of(loss, model, images)
    terms.total.backward()
    assert all(torch.isfinite(value) for value in terms.named().values()), terms
    assert terms.divergence.dtype == torch.float32
    for parameter in (*model.parameters(), *loss.trained_parameters()):
        assert parameter.grad is None or torch.isfinite(parameter.grad).all()
    loss.step_taken()
    assert all(torch.isfinite(parameter).all() for parameter in loss.parameters())


def widen(model, logvar):
    """Add to every log-variance of the posterior."""
    model.encoder.register_forward_hook(lambda encoder, inputs, output: (*output[:-1], output[-1] + logvar))


@pytest.mark.slow
@pytest.mark.parametrize("bfloat16", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("seen", IMAGES)
@pytest.mark.parametrize("logvar", [-30.0, 30.0])
@pytest.mark.parametrize("name", LOSSES)
def test_extreme_posteriors_are_finite_in_value_and_gradient(name, logvar, seen, bfloat16):
    loss, model = make(name)
    widen(model, logvar)
    check_finite(loss, model, IMAGES[seen], bfloat16=bfloat16)


@pytest.mark.slow
@pytest.mark.parametrize("bfloat16", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("batch_size", [1, 2, 7])
@pytest.mark.parametrize("name", LOSSES)
def test_a_last_batch_of_any_size_is_finite(name, batch_size, bfloat16, images):
    check_finite(*make(name), images[:batch_size], bfloat16=bfloat16)


@pytest.mark.slow
@pytest.mark.parametrize("bfloat16", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("latent_dim", [1, 512])
@pytest.mark.parametrize("name", LOSSES)
def test_few_and_many_latent_dimensions_are_finite(name, latent_dim, bfloat16, images):
    classes = {"classes": 1, "subspace_dim": 1} if latent_dim == 1 else {"classes": 8, "subspace_dim": 64}
    has_classes = "classes" in LOSSES.resolve_options(name, {})
    loss, model = make(name, latent_dim=latent_dim, **(classes if has_classes else {}))
    assert model.prior.latent_dim == latent_dim
    check_finite(loss, model, images, bfloat16=bfloat16)


@pytest.mark.slow
@pytest.mark.parametrize("nielsen", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 5e-324, 1e-30, 1e-7, 1 - 1e-7, 1 - 1e-16, 1.0])
@pytest.mark.parametrize("logvar", [-30.0, 0.0, 30.0])
@pytest.mark.parametrize("name", ["GJS", "dGJS", "tGJS", "tdGJS"])
def test_alpha_at_and_next_to_its_ends_is_finite(name, logvar, alpha, nielsen, images):
    loss, model = make(name, GJS_A=alpha, GJS_invA=not nielsen)
    widen(model, logvar)
    check_finite(loss, model, images)


@pytest.mark.slow
@pytest.mark.parametrize("name", LOSSES)
def test_training_lowers_it(name, images):
    loss, model = make(name)
    optimizer = torch.optim.Adam([*model.parameters(), *loss.trained_parameters()], lr=1e-3)
    before = terms_of(loss, model, images).total.item()
    for _ in range(10):
        optimizer.zero_grad()
        terms_of(loss, model, images).total.backward()
        optimizer.step()
        loss.step_taken()
    assert terms_of(loss, model, images).total.item() < before


@pytest.mark.parametrize("name", LOSSES)
def test_what_it_learns_comes_back_from_a_state_dict(name, images):
    (loss, model), (other, _) = make(name), make(name)
    loss.eval(), other.eval()  # the objective in its final form
    before = terms_of(other, model, images).total
    for parameter in loss.parameters():
        parameter.data.mul_(0.5)
    other.load_state_dict(loss.state_dict())
    after = terms_of(other, model, images).total
    assert after.equal(terms_of(loss, model, images).total)
    if name in OUR_LOSSES:  # of another, half of a parameter may be the same
        assert after.equal(before) == (not list(loss.parameters()))


@pytest.mark.parametrize("name", LOSSES)
def test_evaluation_decodes_the_posterior_mean_and_keeps_the_state(name, images):
    loss, model = make(name)
    loss.eval()
    model.eval()
    state = copy.deepcopy([*loss.parameters(), *loss.buffers()])
    first, second = (terms_of(loss, model, images, seed) for seed in (2, 3))
    mean, _ = model.encode(images)
    expected = model.likelihood.reconstruction_error(model.decoder(mean), images).mean()
    assert first.reconstruction.equal(second.reconstruction)
    assert first.reconstruction.equal(expected)
    assert all(value.equal(before) for value, before in zip([*loss.parameters(), *loss.buffers()], state))


@pytest.mark.parametrize("name", LOSSES)
def test_it_describes_itself(name):
    loss = LOSSES[name]
    assert loss.__doc__ or name not in OUR_LOSSES
    assert loss.summary
    assert loss.formula
    for option in loss.options:
        assert option.check(option.default) == option.default
        assert option.help


def beyond(option):
    """A value beyond an option's bounds or, where it has none, of another kind."""
    if option.maximum is not None:
        return option.maximum + 1
    if option.minimum is not None or option.above is not None:
        return (option.above if option.minimum is None else option.minimum) - 1
    return -1.0 if option.kind is str else "yes"


@pytest.mark.parametrize("name", LOSSES)
def test_values_out_of_bounds_are_refused(name):
    for option in LOSSES[name].options:
        bad = beyond(option)
        with pytest.raises(ValueError, match=f"^{option.flag} .*expected"):
            build_loss(name, **SIZES, **{option.name: bad})


@pytest.mark.parametrize(
    ("name", "options", "reference"),
    [
        ("GJS", {"GJS_A": 0.0}, "KL"),
        ("GJS", {"GJS_A": 1.0}, "rKL"),
        ("dGJS", {"GJS_A": 0.0}, "rKL"),
        ("dGJS", {"GJS_A": 1.0}, "KL"),
        ("betaH", {"betaH_B": 1.0}, "KL"),
        ("betaH", {"betaH_B": 0.0}, "AE"),
        ("InfoVAE", {"info_alpha": 0.0, "info_lambda": 1.0}, "KL"),
        ("InfoVAE", {"info_alpha": -3.0, "info_lambda": 4.0}, "betaH"),
        ("InfoVAE", {"info_alpha": -3.0, "info_lambda": 4.0, "info_divergence": "energy"}, "betaH"),
        ("InfoVAE", {"info_alpha": 1.0}, "MMD"),
        ("InfoVAE", {"info_alpha": 1.0, "info_divergence": "energy"}, "energy"),
        ("tGJS", {"GJS_A": 0.3}, "GJS"),
        ("tdGJS", {"GJS_A": 0.3}, "dGJS"),
        ("eGJS", {"GJS_A": 0.0}, "KL"),
        ("eGJS", {"GJS_A": 1.0}, "rKL"),
        ("Renyi", {"renyi_order": 1.0}, "KL"),
        ("Renyi", {"renyi_order": 1 - 1e-6}, "KL"),
        ("Renyi", {"renyi_order": 1 + 1e-6}, "KL"),
        ("Renyi", {"renyi_order": 0.25, "renyi_B": 0.75}, "Bhattacharyya"),
        ("Renyi", {"renyi_order": 2.0, "renyi_B": 0.0}, "AE"),
        ("Bhattacharyya", {"bhattacharyya_A": 1e-6, "bhattacharyya_B": 1e6}, "KL"),
        ("Bhattacharyya", {"bhattacharyya_A": 1 - 1e-6, "bhattacharyya_B": 1e6}, "rKL"),
        ("DIP", {"DIP_od": 0.0, "DIP_d": 0.0}, "KL"),
        ("InfoVAE", {"info_alpha": 1.0, "info_lambda": 200.0, "info_divergence": "imq"}, "WAE"),
        ("JS", {"JS_B": 0.0}, "AE"),
        ("VR", {"VR_A": 0.0}, "IWAE"),
    ],
)
def test_special_cases_are_other_objectives(name, options, reference, model, images):
    of_reference = {"GJS": {"GJS_A": 0.3}, "dGJS": {"GJS_A": 0.3}, "Bhattacharyya": {"bhattacharyya_A": 0.75}}
    other = build_loss(reference, **SIZES, **of_reference.get(reference, {}))
    ours = terms_of(build_loss(name, **SIZES, **options), model, images)
    assert ours.total.item() == pytest.approx(terms_of(other, model, images).total.item(), rel=1e-6)


@pytest.mark.parametrize("name", ["GJS", "dGJS"])
def test_nielsens_skew_vanishes_at_both_ends(name, model, images):
    for alpha in (0.0, 1.0):
        loss = build_loss(name, **SIZES, GJS_A=alpha, GJS_invA=False)
        assert terms_of(loss, model, images).divergence.item() == 0


@pytest.mark.parametrize("name", ["GJS", "dGJS", "tGJS", "tdGJS"])
def test_recorded_terms_make_up_the_divergence(name, model, images):
    terms = terms_of(build_loss(name, **SIZES, GJS_A=0.2), model, images)
    expected = 0.8 * terms.extras["kl_to_posterior"] + 0.2 * terms.extras["kl_to_prior"]
    assert terms.divergence.item() == pytest.approx(expected.item(), rel=1e-6)


OF_EACH_IMAGE = {
    "KL": kl_divergence,
    "rKL": reverse_kl_divergence,
    "Jeffreys": jeffreys_divergence,
    "Renyi": partial(renyi_divergence, order=0.5),
    "Bhattacharyya": partial(bhattacharyya_divergence, alpha=0.5),
    "Hellinger": squared_hellinger_distance,
    "chi2": chi_squared_divergence,
    "W2": squared_wasserstein_distance,
    "GJS": partial(geometric_js_divergence, alpha=0.5),
    "dGJS": partial(geometric_js_divergence, alpha=0.5, dual=True),
    "eGJS": partial(extended_geometric_js_divergence, alpha=0.5),
}


@pytest.mark.parametrize("name", OF_EACH_IMAGE)
def test_a_divergence_of_posteriors_is_the_mean_over_the_batch(name, model, images):
    widen(model, -1.0)  # where chi-squared is finite
    mean, logvar = model.encode(images)
    expected = OF_EACH_IMAGE[name](mean, logvar).mean().item()
    assert terms_of(build_loss(name, **SIZES), model, images).divergence.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["betaH", "Jeffreys", "Renyi", "Bhattacharyya", "Hellinger", "chi2", "W2", "SW", "JS"])
def test_the_weight_is_on_the_divergence_alone(name, model, images):
    weight = next(option.name for option in LOSSES[name].options if option.name.endswith("_B"))
    terms = terms_of(build_loss(name, **SIZES, **{weight: 3.0}), model, images)
    assert terms.total.item() == pytest.approx((terms.reconstruction + 3 * terms.divergence).item(), rel=1e-6)


def test_jensen_shannon_by_samples_averages_to_the_one_by_quadrature():
    torch.manual_seed(0)
    loss = build_loss("JS", dataset_size=1, latent_dim=1, JS_A=0.3)
    mean, logvar = torch.tensor([[1.5]]), torch.tensor([[-1.0]])
    output = type("Output", (), {"mean": mean.expand(1000, 1), "logvar": logvar.expand(1000, 1)})
    estimates = torch.stack([loss.penalty(None, output).divergence.double() for _ in range(100)])
    exact = arithmetic_js_divergence(mean.double(), logvar.double(), 0.3)
    assert (estimates.mean() - exact).abs() < 4 * estimates.std() / 10
    assert estimates.std() / 10 < 0.01 * exact


def test_dip_draws_the_covariance_of_the_aggregate_posterior_to_the_priors():
    torch.manual_seed(0)
    z, shrunk = torch.randn(4000, 2), torch.full((4000, 2), 0.5).log()
    turned = torch.stack([z[:, 0], (z[:, 0] + z[:, 1]) / 2**0.5], dim=1)
    model = build_model((2,), latent_dim=2, rec_dist="normal")
    for kind, matched in (("I", z), ("II", z * 0.5**0.5)):
        loss = build_loss("DIP", dataset_size=1, latent_dim=2, DIP_kind=kind)
        outputs = [VAEOutput(mean, shrunk, mean, torch.empty(0)) for mean in (matched, turned)]
        first, second = (loss.penalty(model, output).extras for output in outputs)
        assert first["covariance"] < 0.01 < 0.9 < second["covariance"]
        assert first["variance_gap"] < 0.01


@pytest.mark.parametrize("name", ["tGJS", "tdGJS"])
def test_learnt_alpha_stays_in_its_interval_and_is_saved(name, model, images):
    loss = build_loss(name, **SIZES, GJS_A=0.02)
    assert list(loss.state_dict()) == ["alpha"]
    for direction, end in ((1.0, 0.0), (-1.0, 1.0)):
        optimizer = torch.optim.SGD(loss.parameters(), lr=2.0)
        loss.alpha.grad = torch.tensor(direction)
        optimizer.step()
        loss.step_taken()
        assert loss.alpha.item() == end
        terms = terms_of(loss, model, images)
        assert terms.extras["alpha"].item() == end
        terms.total.backward()
        assert torch.isfinite(loss.alpha.grad)


@pytest.mark.parametrize("name", ["tGJS", "tdGJS"])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_gradient_of_the_learnt_alpha(name, alpha, model, images):
    model, images = model.double(), images.double()
    fixed = name.removeprefix("t")
    loss = build_loss(name, **SIZES, GJS_A=alpha).double()
    terms_of(loss, model, images).total.backward()
    low, high = max(0.0, alpha - 1e-5), min(1.0, alpha + 1e-5)
    ends = [terms_of(build_loss(fixed, **SIZES, GJS_A=a), model, images).total.item() for a in (low, high)]
    assert loss.alpha.grad.item() == pytest.approx((ends[1] - ends[0]) / (high - low), rel=1e-3)


@pytest.mark.parametrize("name", ["MMD", "energy"])
def test_a_discrepancy_is_of_samples_and_unbiased(name):
    """Posteriors whose aggregate is the prior: the discrepancy is 0, though every single posterior is far from it."""
    torch.manual_seed(0)
    loss = build_loss(name, dataset_size=1, latent_dim=2).eval()
    model = build_model((2,), latent_dim=2, rec_dist="normal")
    estimates = []
    for _ in range(400):
        mean = torch.randn(64, 2) * 0.5**0.5
        output = VAEOutput(mean, torch.full_like(mean, 0.5).log(), mean, torch.empty(0))
        estimates.append(loss.penalty(model, output).divergence)
    estimates = torch.stack(estimates)
    assert estimates.mean().abs() < 4 * estimates.std() / 400**0.5


def test_a_name_or_an_option_that_is_taken_is_refused():
    class Other(LOSSES["KL"]):
        options = (Option("GJS_A", 0.7, "another default"),)

    with pytest.raises(TypeError, match="the name KL is taken"):
        register("KL")(Other)
    with pytest.raises(TypeError, match="the name fwdKL is taken"):
        register("fwdKL")(Other)
    with pytest.raises(TypeError, match="--GJS-A differs from that of the loss .*GJS: share"):
        register("new")(Other)
    assert "new" not in LOSSES


def test_the_projects_own_are_all_there():
    assert LOSSES.keys() >= set(OUR_LOSSES)


def test_what_a_subclass_adds_is_not_trusted_in_an_ensemble(monkeypatch):
    set_free(monkeypatch, LOSSES, "other")
    assert LOSSES["KL"].batchable
    assert not register("other")(type("Other", (LOSSES["KL"],), {})).batchable
    assert LOSSES["other"].display.label == "other", "nor is it shown as what it is made of"


def test_names_that_stand_for_others_and_names_that_do_not():
    assert LOSSES.name_of("fwdKL") == "rKL"
    with pytest.raises(ValueError, match="--loss VAE is ambiguous: AE .*KL"):
        LOSSES.name_of("VAE")
    with pytest.raises(ValueError, match="--loss dgjs: no such loss; did you mean dGJS"):
        LOSSES.name_of("dgjs")


def test_options_of_another_loss_are_refused():
    with pytest.raises(ValueError, match="--GJS-A is not an option of --loss KL: it belongs to GJS"):
        LOSSES.resolve_options("KL", {"GJS_A": 0.3})
    with pytest.raises(ValueError, match="--nonsense is not an option of --loss KL: no loss has it"):
        LOSSES.resolve_options("KL", {"nonsense": 1})
