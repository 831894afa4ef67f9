import pytest
import torch

from vae.divergences import kl_divergence
from vae.evaluation.disentanglement.mig import mutual_information_gaps
from vae.evaluation.evaluator import BATCH_SIZE, Evaluator
from vae.inputs import to_unit_interval
from vae.losses import LOSSES, build_loss
from vae.means import NonFiniteError
from vae.models.likelihoods import LIKELIHOODS

FOR_IMAGES = [name for name, likelihood in LIKELIHOODS.items() if likelihood.data == "images"]
COUNT = BATCH_SIZE + 7  # an uneven last batch
FACTORS = torch.cartesian_prod(torch.arange(3), torch.arange(5), torch.arange(7))  # of the first 105


@pytest.fixture(scope="module")
def images():
    return torch.randint(0, 256, (COUNT, 1, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def make(loss="GJS", rec_dist="bernoulli"):
    torch.manual_seed(0)
    options = LOSSES.resolve_options(loss, {})
    latent_dim = LOSSES[loss].fixed_latent_dim(options) or 3
    model = LOSSES[loss].build_model((1, 32, 32), latent_dim, rec_dist, options)
    return model, build_loss(loss, dataset_size=COUNT, latent_dim=latent_dim)


def test_images_out_of_their_range_are_refused_whatever_is_made_of_them(images):
    model, loss = make()
    out_of_range = images[:4].float()
    for use in (Evaluator(model, loss, batch_size=8, seed=1).evaluate, model.reconstruct):
        with pytest.raises(ValueError, match=r"images from .* to .*: expected bytes 0 to 255 \(uint8\), or numbers in"):
            use(out_of_range)


def test_no_data_are_refused(images):
    for none in (images[:0], images[:0].float()):
        with pytest.raises(ValueError, match="^there are no data: expected one example at least$"):
            Evaluator(*make(), batch_size=8, seed=1).evaluate(none)


@pytest.mark.parametrize("rec_dist", FOR_IMAGES)
def test_quantities_are_means_over_images_at_the_posterior_mean(rec_dist, images):
    model, loss = make(rec_dist=rec_dist)
    values = Evaluator(model, loss, batch_size=8, seed=1).evaluate(images)
    with torch.no_grad():
        x = to_unit_interval(images)
        mean, logvar = model.encode(x)
        decoded = model.decoder(mean)
        squared_error = (model.likelihood.mean(decoded) - x).square().sum((1, 2, 3)).mean()
        reconstruction = model.likelihood.reconstruction_error(decoded, x).mean()
        elbo = -reconstruction - kl_divergence(mean, logvar).mean()
    assert values["squared_error"] == pytest.approx(squared_error.item(), rel=1e-5)
    assert values["reconstruction"] == pytest.approx(reconstruction.item(), rel=1e-5)
    assert values["elbo"] == pytest.approx(elbo.item(), rel=1e-5)
    assert values["loss"] == pytest.approx(values["reconstruction"] + values["divergence"], rel=1e-6)
    if rec_dist == "gaussian":
        assert values["reconstruction"] == pytest.approx(values["squared_error"])


@pytest.mark.parametrize("name", LOSSES)
def test_evaluating_twice_gives_the_same_and_touches_nothing(name, images):
    model, loss = make(name)
    model.train()
    loss.eval()
    evaluator = Evaluator(model, loss, batch_size=8, seed=1)
    state = torch.random.get_rng_state()
    first = evaluator.evaluate(images[:30])
    assert torch.random.get_rng_state().equal(state)
    torch.rand(3)
    assert evaluator.evaluate(images[:30]) == first
    assert model.training
    assert not loss.training
    assert {"loss", "reconstruction", "squared_error", "divergence", "elbo", "active_units"} <= first.keys()


def test_active_units_are_the_dimensions_whose_mean_varies(images):
    model, loss = make()
    head = model.encoder.layers[-1]
    with torch.no_grad():
        head.weight[1].zero_()  # the mean of the second dimension is its bias
        head.bias[1] = 5
    assert Evaluator(model, loss, batch_size=8, seed=1).evaluate(images)["active_units"] == 2


def test_statistics_of_the_batch_are_taken_at_the_training_batch_size(images):
    model, _ = make()
    sizes = []

    class Watching(LOSSES["MMD"]):
        def penalty(self, model, output):
            sizes.append(len(output.mean))
            return super().penalty(model, output)

    loss = Watching(dataset_size=COUNT, latent_dim=3, MMD_B=1.0)
    Evaluator(model, loss, batch_size=8, seed=1).evaluate(images[:20])
    assert sizes == [8, 8, 4]


def test_classes_are_measured_against_labels_where_there_are_any(images):
    model, loss = make("CatVAE")
    torch.nn.init.normal_(model.encoder.class_head.weight, generator=torch.Generator().manual_seed(0))
    evaluator = Evaluator(model, loss, batch_size=8, seed=1)
    with torch.no_grad():
        logits = model.eval().posterior_components(to_unit_interval(images))[0]
    clusters = logits.argmax(-1)
    values = evaluator.evaluate(images, clusters)  # the classes themselves as labels
    assert values["clustering_accuracy"] == 1
    assert values["normalised_mutual_information"] == pytest.approx(1)
    assert values["used_classes"] == len(clusters.unique()) > 1
    marginal = torch.distributions.Categorical(probs=logits.softmax(-1).mean(0))
    assert values["class_marginal_entropy"] == pytest.approx(marginal.entropy().item(), rel=1e-5)
    without = evaluator.evaluate(images)
    assert without.keys() == values.keys() - {"clustering_accuracy", "normalised_mutual_information"}
    assert without.items() <= values.items()


def test_images_without_a_label_are_left_out_of_what_compares_labels(images):
    model, loss = make("CatVAE")
    torch.nn.init.normal_(model.encoder.class_head.weight, generator=torch.Generator().manual_seed(0))
    evaluator = Evaluator(model, loss, batch_size=8, seed=1)
    labels = torch.arange(len(images)) % 3
    labelled = evaluator.evaluate(images[labels > 0], labels[labels > 0])
    values = evaluator.evaluate(images, torch.where(labels > 0, labels, -1))
    for name in ("clustering_accuracy", "normalised_mutual_information"):
        assert values[name] == labelled[name]
    assert values["used_classes"] == evaluator.evaluate(images)["used_classes"]
    assert evaluator.evaluate(images, torch.full_like(labels, -1)) == evaluator.evaluate(images)


def test_a_model_without_classes_is_not_measured_against_labels(images):
    model, loss = make("KL")
    values = Evaluator(model, loss, batch_size=8, seed=1).evaluate(images[:9], torch.zeros(9, dtype=torch.int64))
    assert not {"clustering_accuracy", "used_classes"} & values.keys()


def test_a_quantity_that_is_not_finite_is_named(images):
    model, loss = make()
    with torch.no_grad():
        model.encoder.layers[-1].bias.fill_(float("inf"))
    with pytest.raises(NonFiniteError, match="the evaluation's .* is not finite"):
        Evaluator(model, loss, batch_size=8, seed=1).evaluate(images[:9])


def test_noise_is_fixed_and_quantities_are_against_the_clean_images(images):
    model, loss = make(rec_dist="gaussian")
    seen = []
    model.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    evaluator = Evaluator(model, loss, batch_size=8, seed=1, noise=0.5)
    values = evaluator.evaluate(images[:30])
    assert evaluator.evaluate(images[:30]) == values
    assert seen[0].equal(seen[1])
    clean = to_unit_interval(images[:30])
    assert (seen[0] - clean).std() > 0.1
    with torch.no_grad():
        mean, _ = model.encode(seen[0])
        squared_error = (model.decode(mean) - clean).square().sum((1, 2, 3)).mean()
    assert values["squared_error"] == pytest.approx(squared_error.item(), rel=1e-5)
    assert values["reconstruction"] == pytest.approx(squared_error.item(), rel=1e-5)


def test_disentanglement_is_of_all_parts_together(images, monkeypatch):
    """However they are cut, and whatever the batches are."""
    model, loss = make()
    evaluator = Evaluator(model, loss, batch_size=8, seed=1)
    images = images[: len(FACTORS)]
    with torch.no_grad():
        expected = mutual_information_gaps(*model.encode(to_unit_interval(images)), FACTORS)
    whole = evaluator.disentanglement([(images, FACTORS)])
    assert whole["mig_sample_of_factors"] == pytest.approx(expected.sample.tolist(), abs=1e-6)
    assert whole["mig_mean_of_factors"] == pytest.approx(expected.mean.tolist(), abs=1e-6)
    assert whole["mig_sample"] == pytest.approx(expected.sample.mean().item(), abs=1e-6)
    assert min(whole["factor_vae_score"], whole["sap"], whole["dci_completeness"]) >= 0
    monkeypatch.setattr("vae.evaluation.evaluator.BATCH_SIZE", 13)
    parts = evaluator.disentanglement((images[cut], FACTORS[cut]) for cut in (slice(40), slice(40, None)))
    for name, value in parts.items():
        assert value == pytest.approx(whole[name], abs=1e-5), name


def test_disentanglement_is_fixed_and_touches_nothing(images):
    model, loss = make()
    model.train()
    evaluator = Evaluator(model, loss, batch_size=8, seed=1, noise=0.1)
    state = torch.random.get_rng_state()
    first = evaluator.disentanglement([(images[:105], FACTORS)])
    assert torch.random.get_rng_state().equal(state)
    torch.rand(3)
    assert evaluator.disentanglement([(images[:105], FACTORS)]) == first
    assert model.training


def test_disentanglement_of_a_model_with_classes_is_the_most_probable_ones(images):
    model, loss = make("CatVAE")
    scores = Evaluator(model, loss, batch_size=8, seed=1).disentanglement([(images[:105], FACTORS)])
    with torch.no_grad():
        expected = mutual_information_gaps(*model.eval().encode(to_unit_interval(images[:105])), FACTORS)
    assert scores["mig_sample"] == pytest.approx(expected.sample.mean().item(), abs=1e-6)


def test_a_posterior_that_is_not_finite_has_no_disentanglement(images):
    model, loss = make()
    with torch.no_grad():
        model.encoder.layers[-1].bias.fill_(float("nan"))
    with pytest.raises(NonFiniteError, match="the posterior of an image is not finite"):
        Evaluator(model, loss, batch_size=8, seed=1).disentanglement([(images[:105], FACTORS)])
