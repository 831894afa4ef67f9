"""Many runs as one: each member is what it is alone, to rounding."""

from dataclasses import replace

import pytest
import torch

from registries import SMALL_NETWORKS
from vae.losses import LOSSES, build_loss
from vae.means import NonFiniteError
from vae.models.networks import NETWORKS
from vae.random import seed_everything
from vae.training.ensemble import Ensemble
from vae.training.settings import TrainingSettings
from vae.training.trainer import Reporter, Trainer

IMAGES = torch.rand(29, 1, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
VECTORS = torch.randn(29, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
STEPS = 10  # of an epoch, the last of which has two examples


class Remembering(Reporter):
    """Remembers what it was told."""

    def __init__(self):
        self.told = []

    def start_epoch(self, epoch, images):
        self.told.append(f"epoch {epoch}, {images} images")

    def advance(self, images):
        self.told.append(images)

    def end_epoch(self):
        self.told.append("end")


def make_trainer(
    loss,
    seed=1,
    data=VECTORS,
    rec_dist="normal",
    network=None,
    noise=0.0,
    precision="float32",
    compiled=False,
    lr=1e-3,
    **options,
):
    if network and not NETWORKS[network["network"]].batchable:
        pytest.skip(f"this version of PyTorch cannot batch the network {network['network']}")
    options = LOSSES.resolve_options(loss, options)
    seed_everything(seed, 0)
    model = LOSSES[loss].build_model(tuple(data.shape[1:]), 3, rec_dist, options, **(network or {})).to(data.dtype)
    objective = build_loss(loss, dataset_size=len(data), latent_dim=3, **options).to(data.dtype)
    settings = TrainingSettings(
        batch_size=3, lr=lr, seed=seed, noise=noise, precision=precision, compile=bool(compiled)
    )
    return Trainer(model, objective, data, settings)


def train_as_one(*trainers):
    return Ensemble(trainers).train_epoch()


def check_same(ours, theirs):
    """Two trainers are in the same state, to rounding."""
    ours, theirs = ours.state_dict(), theirs.state_dict()
    assert (ours["epoch"], ours["step"]) == (theirs["epoch"], theirs["step"])
    for name in ("model", "loss"):
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(ours["optimizer"]["state"], theirs["optimizer"]["state"], rtol=1e-9, atol=1e-11)


def check_same_record(ours, theirs):
    assert list(ours) == list(theirs)
    for name in ours.keys() - {"seconds", "images_per_second"}:
        assert ours[name] == pytest.approx(theirs[name], rel=1e-9, abs=1e-11), name
    assert ours["images_per_second"] == pytest.approx(29 / ours["seconds"])


# reg_anneal is 8, because the share of an annealed regulariser is in float32, and there eighths are exact.
OF_EVERY_KIND = [
    *(
        (name, {"seed": seed} | ({"reg_anneal": 8} if name in ("betaB", "btcvae") else {}))
        for seed, name in enumerate(name for name, loss in LOSSES.items() if loss.batchable and "vectors" in loss.data)
    ),
    ("GJS", {"GJS_A": 0.0}),
    ("GJS", {"GJS_A": 0.2, "GJS_B": 2.0, "seed": 7}),
    ("GJS", {"GJS_A": 0.2, "GJS_invA": False, "rec_dist": "normal-diagonal"}),
    ("dGJS", {"GJS_A": 1.0}),
    ("tGJS", {"GJS_A": 1.0}),
    ("tdGJS", {"GJS_A": 0.0}),
    ("CS", {"components": 3, "prior_network": False}),
    ("InfoVAE", {"info_divergence": "energy", "info_lambda": 3.0}),
]
SMALL_IMAGES = torch.rand(29, 2, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
OF_NETWORKS = [{"network": name, **SMALL_NETWORKS[name]} for name in ("mlp", "resnet")]
OF_NETWORKS += [{"network": "resnet", "width": 4, "depth": 2, "norm": "none"}]
RESNETS = {"data": SMALL_IMAGES.float(), "rec_dist": "bernoulli", "network": OF_NETWORKS[1]}
OF_SEVERAL_KINDS = [
    *(("tGJS", {"GJS_A": alpha}) for alpha in (0.1, 0.9)),
    ("CS", {"components": 3}),
    ("btcvae", {"reg_anneal": 8}),
]
OF_IMAGES = [
    *((name, {"seed": seed}) for seed, name in enumerate(("KL", "rKL", "betaH", "dGJS", "tGJS", "tdGJS", "MMD"))),
    ("GJS", {"GJS_A": 0.1}),
    ("GJS", {"GJS_A": 0.9}),
    ("KL", {"rec_dist": "gaussian"}),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("members", "shared"),
    [
        (OF_EVERY_KIND, {}),
        (OF_IMAGES, {"data": IMAGES, "rec_dist": "bernoulli", "noise": 0.1}),
        *((OF_IMAGES[3:5], {"data": SMALL_IMAGES, "rec_dist": "gaussian", "network": own}) for own in OF_NETWORKS),
    ],
    ids=["vectors", "images", "mlp", "resnet", "resnet without normalisation"],
)
def test_every_member_is_what_it_is_alone(members, shared):
    together = [make_trainer(loss, **{**shared, **options}) for loss, options in members]
    alone = [make_trainer(loss, **{**shared, **options}) for loss, options in members]
    for _ in range(2):
        for record, other in zip(train_as_one(*together), alone, strict=True):
            check_same_record(record, other.train_epoch())
    for trainer, other in zip(together, alone):
        assert trainer.step == 2 * STEPS
        check_same(trainer, other)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("members", "shared", "backend"),
    [
        (OF_SEVERAL_KINDS, {"data": VECTORS.float()}, "aot_eager"),  # the gradient too, which takes twice as long
        (OF_IMAGES[-3:], {"data": IMAGES.float(), "rec_dist": "bernoulli", "noise": 0.1}, "eager"),
        (OF_IMAGES[3:5], RESNETS, "eager"),
        (OF_IMAGES[3:5], {**RESNETS, "precision": "bf16"}, "eager"),
    ],
    ids=["vectors", "images", "resnet", "resnet in bfloat16"],
)
def test_what_is_compiled_is_one_graph_for_all_members_and_epochs(members, shared, backend, count_compiled):
    counter = count_compiled(backend)
    compiled, eager = (
        [make_trainer(loss, **{**shared, **options}, compiled=choice) for loss, options in members]
        for choice in (True, False)
    )
    for _ in range(3):
        records = [train_as_one(*trainers) for trainers in (compiled, eager)]
    assert counter.frame_count == 1
    for record, other in zip(*records, strict=True):
        assert record["loss"] == pytest.approx(other["loss"], rel=1e-5)
    for trainer, other in zip(compiled, eager):
        torch.testing.assert_close(trainer.model.state_dict(), other.model.state_dict(), rtol=1e-3, atol=1e-5)


@pytest.mark.usefixtures("broken_compile")
def test_an_ensemble_whose_compiling_fails_goes_on_without():
    together, alone = ([make_trainer("tGJS", seed=seed, compiled=compiled) for seed in (1, 2)] for compiled in (1, 0))
    with pytest.warns(UserWarning, match="goes on without being compiled, which failed") as warned:
        for _ in range(2):
            train_as_one(*together)
    assert len(warned) == 1
    for trainer, other in zip(together, alone):
        list(other.train(2))
        check_same(trainer, other)


@pytest.mark.slow
@pytest.mark.parametrize(
    "network", [None, *OF_NETWORKS], ids=lambda own: "-".join(map(str, (own or {"": ""}).values()))
)
def test_in_bfloat16_the_networks_of_all_members_are(network):
    images = SMALL_IMAGES if network else IMAGES
    shared = {"data": images.float(), "rec_dist": "gaussian", "precision": "bf16", "network": network}
    together = [make_trainer("KL", **shared), make_trainer("dGJS", seed=2, **shared)]
    alone, exact = (
        make_trainer("dGJS", seed=2, **shared),
        make_trainer("dGJS", seed=2, **{**shared, "precision": "float32"}),
    )
    ours, theirs, float32 = (
        record["loss"] for record in (train_as_one(*together)[1], alone.train_epoch(), exact.train_epoch())
    )
    assert ours == pytest.approx(theirs, rel=3e-3)
    assert ours == pytest.approx(float32, rel=1e-2)
    assert ours != pytest.approx(float32, rel=1e-6)


def test_an_epoch_together_may_follow_one_alone_and_the_other_way_round(tmp_path):
    first, second, third = (make_trainer("tGJS", seed=seed) for seed in (1, 2, 3))
    first.train_epoch()
    second.train_epoch()
    train_as_one(first, second)
    torch.save(first.state_dict(), tmp_path / "state.pt")
    third.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    third.settings = replace(third.settings, seed=1)
    third.train_epoch()
    uninterrupted = make_trainer("tGJS", seed=1)
    list(uninterrupted.train(3))
    check_same(third, uninterrupted)


def test_a_learnt_alpha_stays_in_its_bounds():
    (group,) = Ensemble([make_trainer("tGJS") for _ in range(3)]).groups
    loss = group.objective.whole.loss
    loss.alpha.data = torch.tensor([-0.1, 0.3, 1.1])
    loss.step_taken()
    assert loss.alpha.tolist() == pytest.approx([0, 0.3, 1])


def test_members_do_not_depend_on_each_other():
    def losses(seed):
        trainers = [make_trainer("GJS", seed=1), make_trainer("GJS", seed=seed, GJS_A=0.1), make_trainer("KL", seed=2)]
        return [record["loss"] for record in train_as_one(*trainers)]

    before, after = losses(3), losses(4)
    assert before[0] == pytest.approx(after[0], rel=1e-12)
    assert before[1] != pytest.approx(after[1], rel=1e-3)
    assert before[2] == pytest.approx(after[2], rel=1e-12)


@pytest.mark.parametrize("data", [VECTORS, IMAGES], ids=["vectors", "images"])
def test_a_member_that_is_not_finite_leaves_the_others_alone(data):
    rec_dist = "normal" if data is VECTORS else "gaussian"
    specs = [{"betaH_B": 2.0}, {"betaH_B": 1e308}, {"betaH_B": 3.0, "seed": 2}]
    together, alone = (
        [make_trainer("betaH", data=data, rec_dist=rec_dist, **options) for options in specs] for _ in range(2)
    )
    good, error, other = train_as_one(*together)
    with pytest.raises(NonFiniteError) as caught:
        alone[1].train_epoch()
    assert isinstance(error, NonFiniteError)
    assert str(error) == str(caught.value)
    assert together[1].epoch == 0
    check_same_record(good, alone[0].train_epoch())
    check_same_record(other, alone[2].train_epoch())
    check_same(together[0], alone[0])
    check_same(together[2], alone[2])


def test_progress_is_told_of_the_images_of_all():
    reporter = Remembering()
    Ensemble([make_trainer("KL"), make_trainer("rKL")], reporter).train_epoch()
    assert reporter.told == ["epoch 1, 58 images", *[6] * (STEPS - 1), 4, "end"]


def test_objectives_that_differ_in_numbers_only_are_evaluated_together():
    specs = [("GJS", {"GJS_A": 0.1}), ("KL", {}), ("GJS", {"GJS_A": 0.9, "GJS_B": 2.0}), ("dGJS", {})]
    specs += [("GJS", {"GJS_invA": False}), ("KL", {"rec_dist": "normal-diagonal"}), ("KL", {"seed": 3})]
    trainers = [make_trainer(loss, **options) for loss, options in specs]
    groups = [[trainers.index(trainer) for trainer in group.trainers] for group in Ensemble(trainers).groups]
    assert groups == [[0, 2], [1, 6], [3], [4], [5]]


def test_members_share_every_setting_but_the_seed():
    with pytest.raises(ValueError, match="the members of an ensemble differ in lr: expected one for all"):
        Ensemble([make_trainer("KL"), make_trainer("KL", lr=1e-4)])
    Ensemble([make_trainer("KL", seed=1), make_trainer("KL", seed=2)])


def test_objectives_with_a_training_of_their_own_are_for_runs_alone():
    assert not any(LOSSES[name].batchable for name in ("factor", "CatVAE", "InfoCatVAE"))


def test_an_objective_that_needs_the_networks_is_refused(monkeypatch):
    def penalty(loss, model, output):
        return loss.weighted(model.decode(output.z).mean())

    monkeypatch.setattr(LOSSES["KL"], "penalty", penalty)
    with pytest.raises(TypeError, match="^an objective that uses the networks trains alone: leave out `batchable"):
        train_as_one(make_trainer("KL"), make_trainer("rKL"))
