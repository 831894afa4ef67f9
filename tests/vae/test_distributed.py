"""Training shared by two ranks is training by one, to rounding: every objective, and evaluation."""

from types import SimpleNamespace

import pytest
import torch
import torch.distributed as group
import torch.multiprocessing as processes

import vae.inputs
from processes import ready_to_fork
from vae.distributed import RankLost, average_gradients, exchange, gather, rank, ranks, share, together
from vae.evaluation.evaluator import Evaluator
from vae.losses import LOSSES
from vae.models.likelihoods import LIKELIHOODS
from vae.random import seed_everything
from vae.saved import build
from vae.training.settings import TrainingSettings
from vae.training.trainer import Trainer

RANKS = 2
# Beside every objective with its defaults, options and likelihoods by which a model computes otherwise.
CASES = {
    **{name: (name, {}, "bernoulli", 0.0) for name in LOSSES},
    "CatVAE, one decode": ("CatVAE", {"single_decode": True}, "gaussian", 0.0),
    "CS, no network": ("CS", {"prior_network": False}, "laplace", 0.0),
    "InfoVAE, energy": ("InfoVAE", {"info_divergence": "energy"}, "bernoulli", 0.3),
    "noise": ("KL", {}, "bernoulli", 0.3),
    "perceptrons": ("KL", {"network": "mlp", "hidden_units": 5}, "bernoulli", 0.0),
    "a residual network": ("GJS", {"network": "resnet", "width": 4}, "bernoulli", 0.0),
    "vectors": ("MMD", {}, "normal-diagonal", 0.0),
    "vamp": ("KL", {}, "bernoulli", 0.0, {"prior": "vamp", "prior_components": 3}),
    "mixture": ("MMD", {}, "bernoulli", 0.0, {"prior": "mixture"}),
    "full": ("GJS", {}, "bernoulli", 0.0, {"posterior": "full"}),
}
LATENTS = {"prior": None, "prior_components": None, "posterior": "diagonal"}


def train(case):
    """Weights, records and an evaluation, in float64: two epochs of batches of 7, 7 and 1 images."""
    name, options, rec_dist, noise, *latents = CASES[case]
    generator = torch.Generator().manual_seed(0)
    if LIKELIHOODS[rec_dist].data == "images":
        data = torch.randint(0, 256, (15, 1, 32, 32), dtype=torch.uint8, generator=generator)
    else:
        data = torch.randn(15, 2, dtype=torch.float64, generator=generator)
    network = {key: value for key, value in options.items() if key in ("network", "hidden_units", "width")}
    options = LOSSES.resolve_options(name, {key: options[key] for key in options.keys() - network.keys()})
    latent_dim = LOSSES[name].fixed_latent_dim(options) or 3
    seed_everything(1, 0)
    chosen = {"loss": name, "loss_options": options, "latent_dim": latent_dim, "rec_dist": rec_dist, **LATENTS}
    chosen |= {"network": network.pop("network", None), "network_options": network}
    config = SimpleNamespace(**chosen | dict(*latents))
    model, loss = (part.double() for part in build(config, tuple(data.shape[1:]), len(data)))
    trainer = Trainer(model, loss, data, TrainingSettings(batch_size=7, lr=1e-3, seed=1, noise=noise))
    records = list(trainer.train(2))
    evaluation = Evaluator(model, loss, batch_size=7, seed=1, noise=noise).evaluate(data)
    terms = [{k: v for k, v in r.items() if k not in ("seconds", "images_per_second")} for r in (*records, evaluation)]
    return {**model.state_dict(), **dict(loss.named_parameters()), **dict(loss.named_buffers())}, terms


def work(number, folder):
    """What each rank does: train every case with the others; then the first trains every case alone."""
    torch.set_num_threads(1)
    vae.inputs.to_unit_interval = lambda images: images.double() / 255
    group.init_process_group("gloo", init_method=f"file://{folder}/store", rank=number, world_size=RANKS)
    shared = {case: train(case) for case in CASES}
    torch.save([shared, alone_and_together(number)], folder / f"rank-{number}.pt")
    group.destroy_process_group()
    if number == 0:
        torch.save({case: train(case) for case in CASES}, folder / "alone.pt")


def alone_and_together(number):
    """What the functions of vae.distributed do, in a group."""
    found = {"ranks": ranks(), "rank": rank(), "shares": [share(torch.arange(count)) for count in (5, 1, 0)]}
    values = torch.arange(5.0, requires_grad=True)
    whole = gather(2 * share(values), 5)
    whole.square().sum().backward()
    optimizer = torch.optim.SGD([values])
    average_gradients(optimizer)
    found |= {"whole": whole.detach(), "gradient": values.grad}
    messages = []
    for failing in (0, 1):
        try:
            with together():
                if number == failing:
                    raise ValueError(f"wrong at {failing}")
        except ValueError as error:
            messages.append(str(error))
    with together():
        pass
    return found | {"messages": messages}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What each rank found, and what one process found."""
    folder = tmp_path_factory.mktemp("ranks")
    ready_to_fork()
    processes.start_processes(work, (folder,), nprocs=RANKS, start_method="forkserver")
    return [torch.load(folder / name, weights_only=True) for name in ("rank-0.pt", "rank-1.pt", "alone.pt")]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_two_ranks_train_as_one_process_does(case, results):
    (first, _), (second, _), alone = results
    (weights, terms), (other_weights, other_terms) = first[case], second[case]
    expected, expected_terms = alone[case]
    assert terms == other_terms
    for name, value in expected.items():
        assert weights[name].equal(other_weights[name]), f"{name} is the same on both ranks"
        torch.testing.assert_close(weights[name], value, rtol=0, atol=1e-9)
    for record, expected_record in zip(terms, expected_terms, strict=True):
        assert record == pytest.approx(expected_record, rel=1e-9, abs=1e-9)


@pytest.mark.slow
def test_shares_are_gathered_with_their_gradients(results):
    for number, (_, found) in enumerate(results[:2]):
        assert (found["ranks"], found["rank"]) == (2, number)
        assert [s.tolist() for s in found["shares"]] == [[[0, 1], [], []], [[2, 3, 4], [0], []]][number]
        assert found["whole"].tolist() == [0, 2, 4, 6, 8]
        assert found["gradient"].tolist() == [0, 8, 16, 24, 32]


@pytest.mark.slow
def test_what_one_rank_finds_wrong_all_raise(results):
    assert all(found["messages"] == ["wrong at 0", "wrong at 1"] for _, found in results[:2])


def test_one_process_is_one_rank():
    rows = torch.rand(3, 2)
    assert (ranks(), rank()) == (1, 0)
    assert share(rows) is rows
    assert gather(rows, 3) is rows
    with pytest.raises(ValueError, match="mine"), together():
        raise ValueError("mine")


def test_a_rank_that_is_gone_is_told_from_a_want_of_memory():
    def fails(error):
        raise error

    with pytest.raises(RankLost, match=r"has ended \(Connection reset by peer\)$"):
        exchange(fails, RuntimeError("Connection reset by peer\nframe #0"))
    with pytest.raises(torch.OutOfMemoryError):
        exchange(fails, torch.OutOfMemoryError("CUDA out of memory"))
