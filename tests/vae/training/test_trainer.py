import copy

import pytest
import torch

from trainers import make_trainer, weights
from vae.evaluation.evaluator import Evaluator
from vae.inputs import add_noise, to_unit_interval
from vae.losses import LOSSES, Loss, LossTerms, build_loss
from vae.means import NonFiniteError
from vae.models import build_model
from vae.models.likelihoods.normal import FIRST_SIGMA
from vae.random import seed_everything
from vae.training.settings import TrainingSettings
from vae.training.trainer import Trainer


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
def test_going_on_from_a_state_gives_the_same_bits(loss, tmp_path):
    whole, start, rest = (make_trainer(loss) for _ in range(3))
    records = list(whole.train(2))
    list(start.train(1))
    torch.save(start.state_dict(), tmp_path / "state.pt")
    torch.rand(7)  # the global random stream has moved on meanwhile
    rest.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    resumed = list(rest.train(2))
    assert all(value.equal(weights(rest)[name]) for name, value in weights(whole).items())
    timings = ("seconds", "images_per_second")
    for ours, theirs in zip(resumed, records[1:], strict=True):
        assert {k: v for k, v in ours.items() if k not in timings} == {
            k: v for k, v in theirs.items() if k not in timings
        }


def test_it_trains_for_as_many_epochs_as_the_settings_have_unless_told():
    few = make_trainer("KL")
    trainer = Trainer(few.model, few.loss, few.data, TrainingSettings(epochs=3))
    assert [record["epoch"] for record in trainer.train(2)] == [1, 2]
    assert [record["epoch"] for record in trainer.train()] == [3]


def test_other_seeds_and_other_epochs_draw_otherwise():
    def stream(seed, epoch):
        seed_everything(seed, epoch)
        return tuple(torch.rand(3).tolist())

    assert len({stream(seed, epoch) for seed in range(3) for epoch in range(3)}) == 9
    assert stream(2, 1) == stream(2, 1)


class Recording(Loss):
    """Remembers the batches it is given, and turns non-finite where it is told to."""

    def __init__(self, bad=None):
        super().__init__(dataset_size=1, latent_dim=3)
        self.batches, self.bad = [], bad

    def terms(self, model, images, output):
        self.batches.append(images)
        reconstruction = images.mean() + 0 * output.decoded.sum()
        divergence = output.mean.new_tensor(float("nan") if self.bad == len(self.batches) else 1.0)
        return LossTerms(reconstruction + divergence, reconstruction, divergence, {"size": torch.tensor(len(images))})

    def penalty(self, model, output):
        raise AssertionError("terms are given directly")


def test_an_epoch_shows_every_image_once_in_an_order_of_its_own():
    images = torch.arange(20, dtype=torch.uint8).view(20, 1, 1, 1).expand(20, 1, 32, 32).contiguous()
    loss = Recording()
    trainer = make_trainer(loss, images)
    record, _ = trainer.train(2)
    first, second = (
        torch.cat([batch[:, 0, 0, 0] for batch in part]) * 255 for part in (loss.batches[:3], loss.batches[3:])
    )
    assert [len(batch) for batch in loss.batches] == [8, 8, 4] * 2
    assert sorted(first.round().tolist()) == sorted(second.round().tolist()) == list(range(20))
    assert first.tolist() != second.tolist()
    assert record["size"] == pytest.approx((8 * 8 + 8 * 8 + 4 * 4) / 20), "means are weighted by images"
    assert record["step"] == 3
    assert record["images_per_second"] == pytest.approx(20 / record["seconds"])
    assert trainer.reporter.seen == [[8, 8, 4]] * 2


def test_fused_steps_are_those_of_adam():
    """A fused step goes through memory in order: where gradients lay otherwise than weights it would mix them up."""
    trainer = make_trainer()
    plain = copy.deepcopy(trainer.model)
    optimizer = torch.optim.Adam(plain.parameters(), lr=1e-3, fused=False)
    fused_step = trainer.optimizer.step

    def step():
        for weight, trained in zip(plain.parameters(), trainer.model.parameters()):
            weight.grad = trained.grad.clone()
        optimizer.step()
        fused_step()

    trainer.optimizer.step = step
    list(trainer.train(2))
    for weight, trained in zip(plain.parameters(), trainer.model.parameters()):
        torch.testing.assert_close(trained, weight, rtol=1e-5, atol=1e-6)


def test_a_term_that_is_not_finite_stops_with_its_name_step_and_batch():
    trainer = make_trainer(Recording(bad=5))
    with pytest.raises(NonFiniteError, match=r"the term divergence is not finite at step 5 \(epoch 2, batch 2\)"):
        list(trainer.train(2))
    assert trainer.epoch == 1
    assert trainer.reporter.ended == 2


def test_a_parameter_that_is_not_finite_stops_the_epoch():
    trainer = make_trainer("KL", batch_size=20)
    next(trainer.model.parameters()).register_hook(lambda gradient: gradient * float("nan"))
    with pytest.raises(NonFiniteError, match=r"the parameter encoder\..*weight is not finite at the end of epoch 1"):
        list(trainer.train(1))


def test_bytes_become_numbers_in_the_unit_interval():
    images = to_unit_interval(torch.tensor([0, 51, 255], dtype=torch.uint8).view(3, 1, 1, 1))
    assert images.flatten().tolist() == pytest.approx([0, 0.2, 1])
    assert images.dtype == torch.float32


def test_images_as_numbers_give_the_bits_that_bytes_give():
    of_bytes = make_trainer(noise=0.1)
    of_numbers = make_trainer(images=(of_bytes.data.float() / 255), noise=0.1)
    for trainer in (of_bytes, of_numbers):
        list(trainer.train(2))
    assert all(value.equal(weights(of_numbers)[name]) for name, value in weights(of_bytes).items())


@pytest.mark.parametrize("value", [-0.1, 1.5, 255.0, float("nan")])
def test_images_of_another_range_are_refused(value):
    images = torch.rand(20, 1, 32, 32)
    images[7, 0, 3, 3] = value
    with pytest.raises(ValueError, match=r"images from .* to .*: expected bytes 0 to 255 \(uint8\), or numbers in"):
        make_trainer(images=images)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.int64])
def test_images_of_another_type_than_the_networks_are_refused(dtype):
    with pytest.raises(ValueError, match=rf"^data are {dtype}: expected torch.float32, or images as bytes \(uint8\)"):
        make_trainer(images=torch.ones(20, 1, 32, 32, dtype=dtype))


def test_no_images_are_refused():
    with pytest.raises(ValueError, match="^there are no data: expected one example at least$"):
        make_trainer(images=torch.zeros(0, 1, 32, 32))


@pytest.mark.parametrize("shape", [(1, 32, 32), (32,)])
def test_what_is_neither_images_nor_vectors_is_refused(shape):
    with pytest.raises(ValueError, match=r"^data of shape \(.*\): expected images \(N, C, H, W\), or vectors \(N, D\)"):
        make_trainer(images=torch.zeros(shape, dtype=torch.uint8))


@pytest.mark.parametrize(
    ("data", "noise", "said"),
    [
        (torch.zeros(8, 3), 0.1, "noise 0.1 on vectors: it is for images only, take noise=0"),
        (torch.zeros(8, 3, dtype=torch.uint8), 0.0, "data are torch.uint8: expected torch.float32"),
    ],
)
def test_vectors_are_numbers_without_noise(data, noise, said):
    model, loss = build_model((3,), 2, "normal"), build_loss("KL", dataset_size=8, latent_dim=2)
    for make in (
        lambda: list(Trainer(model, loss, data, TrainingSettings(noise=noise)).train(1)),
        lambda: Evaluator(model, loss, batch_size=8, seed=1, noise=noise).evaluate(data),
    ):
        with pytest.raises(ValueError, match=f"^{said}"):
            make()


def test_nobody_need_listen():
    trainer = make_trainer()
    silent = Trainer(trainer.model, trainer.loss, trainer.data, trainer.settings)
    assert [record["epoch"] for record in silent.train(2)] == [1, 2]


def test_without_noise_the_images_are_seen_themselves():
    images = torch.rand(2, 1, 4, 4)
    state = torch.random.get_rng_state()
    assert add_noise(images, 0.0) is images
    assert torch.random.get_rng_state().equal(state)


def test_noise_has_its_standard_deviation_and_stays_in_the_unit_interval():
    noisy = add_noise(torch.full((100, 1, 32, 32), 0.5), 0.1)
    assert noisy.std().item() == pytest.approx(0.1, rel=0.02)
    assert noisy.mean().item() == pytest.approx(0.5, abs=0.002)
    strong = add_noise(torch.full((10, 1, 32, 32), 0.5), 5.0)
    assert (strong.min(), strong.max()) == (0, 1)


def test_the_model_sees_noisy_images_and_is_to_make_the_clean_ones():
    loss = Recording()
    trainer = make_trainer(loss, batch_size=20, noise=0.3)
    seen = []
    trainer.model.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    list(trainer.train(2))
    clean = to_unit_interval(trainer.data)
    for target, noisy in zip(loss.batches, seen, strict=True):
        assert sorted(target.sum((1, 2, 3)).tolist()) == sorted(clean.sum((1, 2, 3)).tolist())
        assert 0.2 < (noisy - target).std() < 0.3, "clamping takes some of it"
    again = make_trainer(Recording(), batch_size=20, noise=0.3)
    again.model.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    list(again.train(1))
    assert seen[2].equal(seen[0]), "the seed fixes it"
    assert not (seen[1] - loss.batches[1]).equal(seen[0] - loss.batches[0]), "every epoch has its own"


def test_vectors_are_trained_on_as_they_are():
    vectors = torch.randn(20, 2, generator=torch.Generator().manual_seed(0)) * 3
    model = build_model((2,), latent_dim=1, rec_dist="normal")
    seen = []
    model.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    loss = build_loss("KL", dataset_size=20, latent_dim=1)
    list(Trainer(model, loss, vectors, TrainingSettings(batch_size=8)).train(1))
    assert [len(batch) for batch in seen] == [8, 8, 4]
    assert sorted(torch.cat(seen).tolist()) == sorted(vectors.tolist())
    assert model.likelihood.log_sigma.exp().item() != pytest.approx(FIRST_SIGMA, rel=1e-4)


def make_vector_trainer(name, options=None, **settings):
    """On vectors: the networks are small, and so is what there is to compile."""
    vectors = torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    seed_everything(1, 0)
    options = LOSSES.resolve_options(name, options or {})
    model = LOSSES[name].build_model((2,), 3, "normal", options)
    loss = build_loss(name, dataset_size=20, latent_dim=3, **options)
    return Trainer(model, loss, vectors, TrainingSettings(batch_size=8, lr=1e-3, seed=1, **settings))


@pytest.fixture
def counter(count_compiled):
    return count_compiled("eager")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, loss in LOSSES.items() if loss.compilable])
def test_every_step_that_is_compiled_is_one_graph_compiled_once(name, counter):
    compiled, eager = make_vector_trainer(name, compile=True), make_vector_trainer(name)
    list(compiled.train(3))
    list(eager.train(3))
    assert counter.frame_count == 1, "the last batch of an epoch is smaller"
    assert all(value.equal(weights(eager)[key]) for key, value in weights(compiled).items())


@pytest.mark.slow
def test_what_is_only_recorded_has_no_gradient_where_it_is_compiled(count_compiled):
    """The derivative of an entropy is infinite where a component has no share, and compiled is computed unasked."""

    def far_away(**settings):
        trainer = make_vector_trainer("CS", {"components": 4, "prior_network": False}, **settings)
        with torch.no_grad():
            trainer.model.prior.components()[0][0] = 30
        return trainer

    count_compiled("aot_eager")
    compiled, eager = far_away(compile=True), far_away()
    list(compiled.train(1))
    list(eager.train(1))
    for key, value in weights(compiled).items():
        torch.testing.assert_close(value, weights(eager)[key])


@pytest.mark.usefixtures("broken_compile")
def test_a_run_whose_compiling_fails_goes_on_without():
    trainer, eager = make_vector_trainer("KL", compile=True), make_vector_trainer("KL")
    with pytest.warns(UserWarning, match=r"goes on without being compiled, which failed \(.*: no such instruction\)$"):
        list(trainer.train(2))
    list(eager.train(2))
    assert all(value.equal(weights(eager)[key]) for key, value in weights(trainer).items())


@pytest.mark.slow
def test_each_of_many_runs_in_a_process_is_compiled(counter):
    for number in range(1, torch._dynamo.config.recompile_limit + 3):
        list(make_vector_trainer("GJS", {"GJS_A": number / 20}, compile=True).train(1))
        assert counter.frame_count == number


@pytest.mark.parametrize("loss", ["KL", "InfoCatVAE", "factor"])
def test_bfloat16_is_for_the_networks_in_training_only(loss):
    exact, mixed = make_trainer(loss), make_trainer(loss)
    mixed.model.mixed_precision = True
    images = to_unit_interval(exact.data)
    with torch.no_grad():
        for trainer in (exact, mixed):
            trainer.model.eval()
        assert mixed.model(images).decoded.equal(exact.model(images).decoded)
        for trainer in (exact, mixed):
            trainer.model.train()
        seed_everything(1, 1)
        expected = exact.loss(exact.model, images).named()
        seed_everything(1, 1)
        actual = mixed.loss(mixed.model, images).named()
    assert not actual["reconstruction"].equal(expected["reconstruction"])
    for name, value in actual.items():
        assert value.dtype == torch.float32
        assert value.item() == pytest.approx(expected[name].item(), rel=0.05, abs=0.05), name


def test_training_in_bfloat16_keeps_weights_in_float32_and_comes_to_about_the_same():
    exact, mixed = make_trainer(), make_trainer()
    mixed.model.mixed_precision = True
    *_, expected = exact.train(3)
    *_, record = mixed.train(3)
    assert all(parameter.dtype == torch.float32 for parameter in mixed.model.parameters())
    assert record["loss"] != expected["loss"]
    assert record["loss"] == pytest.approx(expected["loss"], rel=0.01)
