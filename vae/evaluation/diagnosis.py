"""What is wrong with a run that has ended, where something is: a sentence for each symptom, by a stated threshold.

A symptom that newcomers take for a result, such as samples that look like nothing, is told with what changes it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vae.inputs import to_network, to_unit_interval
from vae.losses import LOSSES
from vae.models import VAE
from vae.random import Stream, seed_everything

IMAGES = 1000  # of the test split, that a model is looked at with
PRIOR_SAMPLES = 10_000
ENOUGH_EPOCHS = 5  # to tell how a loss falls
SATURATED = 1e-4  # from 0 or 1, where the gradient of a sigmoid has vanished

# How each objective regularises less; others have no weight.
LESS = {
    **dict.fromkeys(("GJS", "dGJS", "tGJS", "tdGJS"), "a smaller --GJS-B regularises less"),
    "betaH": "a smaller --betaH-B regularises less",
    "betaB": "a larger --betaB-finC, or a smaller --betaB-G, regularises less",
    "btcvae": "a smaller --btcvae-B regularises less",
    "factor": "a smaller --factor-G regularises less",
    "MMD": "a smaller --MMD-B regularises less",
    "energy": "a smaller --energy-B regularises less",
    "InfoVAE": "a smaller --info-lambda regularises less",
    "CS": "a smaller --CS-B regularises less",
}
LESS_THAN_KL = "--loss betaH with --betaH-B below 1 regularises less"
LARGER = "a larger weight of the divergence brings it nearer"
MORE = {"AE": "AE has no regulariser; --loss KL has one"}


class Looked(NamedTuple):
    """What a model makes of test data."""

    mean: Tensor  # of the posteriors, (N, latent_dim)
    logvar: Tensor
    data: Tensor  # (N, …)
    decoded: Tensor


@dataclass(frozen=True)
class Ended:
    """A run that has ended, as far as symptoms show in it."""

    config: Any
    model: VAE
    evaluation: dict[str, dict[str, Any]]
    losses: Sequence[float]  # by epoch
    looked: Looked


class Symptom(NamedTuple):
    """One symptom: a value, beyond which of it something is wrong, and the sentence on it."""

    value: Callable[[Ended], float | None]  # None: it cannot be told
    threshold: float
    above: bool  # whether something is wrong above the threshold, else below
    says: Callable[[Ended, float], str]

    def shows(self, value: float) -> bool:
        """Whether a value is beyond the threshold."""
        return value > self.threshold if self.above else value < self.threshold


def diagnose(
    model: VAE, config: Any, evaluation: dict[str, dict[str, Any]], data: Tensor, losses: Sequence[float]
) -> dict[str, dict[str, Any]]:
    """The symptoms of a run by name, each with its value, its threshold and a sentence; none of a sound one.

    Arguments:
        model: in evaluation mode.
        config: the run's loss, latent_dim, epochs and seed.
        evaluation: of the splits "train" and "test", as the Evaluator has it.
        data: of the test split, as the Evaluator takes it, which the model is looked at with.
        losses: the training loss of each epoch.
    """
    run = Ended(config, model, evaluation, losses, look(model, config.seed, data))
    found = {}
    for name, symptom in SYMPTOMS.items():
        value = symptom.value(run)
        if value is not None and math.isfinite(value) and symptom.shows(value):
            found[name] = {"value": value, "threshold": symptom.threshold, "says": symptom.says(run, value)}
    return found


@torch.no_grad()
def look(model: VAE, seed: int, data: Tensor) -> Looked:
    """What the model makes of the first test data."""
    seed_everything(seed, Stream.PICTURES)
    data = data[:IMAGES].to(next(model.parameters()).device)
    mean, logvar = model.encode(to_network(data))
    shown = to_unit_interval(data) if data.dtype == torch.uint8 else data
    return Looked(mean, logvar, shown, model.decode(mean))


# The values


def active_share(run: Ended) -> float:
    """How many of the latent dimensions are active, of 1."""
    return run.evaluation["test"]["active_units"] / run.config.latent_dim


def mismatch(run: Ended) -> float:
    """KL of a Gaussian with the aggregate posterior's moments from one with the prior's: nats a dimension."""
    z = run.model.prior.sample(PRIOR_SAMPLES)
    mean, variance = run.looked.mean.mean(0), run.looked.mean.var(0, correction=0) + run.looked.logvar.exp().mean(0)
    ratio = variance / z.var(0)
    kl = 0.5 * (ratio + (mean - z.mean(0)).square() / z.var(0) - 1 - ratio.log())
    return kl.mean().item()


def last_fall(run: Ended) -> float | None:
    """The fall of the training loss in the last epoch, as a share of its whole fall since the first."""
    losses = run.losses
    whole = losses[0] - losses[-1] if len(losses) >= ENOUGH_EPOCHS else 0
    return (losses[-2] - losses[-1]) / whole if whole > 0 else None


def generalisation(run: Ended) -> float | None:
    """The squared error on the test split, as a multiple of the training split's."""
    train, test = (run.evaluation[split]["squared_error"] for split in ("train", "test"))
    return test / train if train > 0 else None


def alpha_from_bound(run: Ended) -> float | None:
    """How far a learnt alpha is from 0 or 1."""
    learnt = run.evaluation["test"].get(LOSSES[run.config.loss].learnt_as)
    return None if learnt is None else min(learnt, 1 - learnt)


def saturation(run: Ended) -> float | None:
    """How many more pixels of reconstructions than of images are as good as 0 or 1, of 1."""
    if run.looked.data.dim() < 4:
        return None
    own, given = ((part.clamp(0, 1) - 0.5).abs() > 0.5 - SATURATED for part in (run.looked.decoded, run.looked.data))
    return own.float().mean().item() - given.float().mean().item()


# The table

SYMPTOMS = {
    "collapse": Symptom(
        active_share,
        0.1,
        False,
        lambda run, share: (
            f"collapsed: {run.evaluation['test']['active_units']} of {run.config.latent_dim} latent dimensions are "
            f"active, so z says next to nothing of the data; {LESS.get(run.config.loss, LESS_THAN_KL)}"
        ),
    ),
    "prior_mismatch": Symptom(
        mismatch,
        1.0,
        True,
        lambda run, nats: (
            f"the aggregate posterior is far from the prior, by {nats:.3g} nats a dimension: samples will look like "
            f"nothing that was trained on; {MORE.get(run.config.loss, LARGER)}"
        ),
    ),
    "unfinished": Symptom(
        last_fall,
        0.05,
        True,
        lambda run, share: (
            f"the training loss still falls: {100 * share:.3g} % of its whole fall came in the last epoch; "
            f"--resume --epochs {2 * run.config.epochs} goes on"
        ),
    ),
    "overfitting": Symptom(
        generalisation,
        1.25,
        True,
        lambda run, ratio: (
            f"the test images' squared error is {ratio:.3g} times the training images': more data (--train-size), "
            "fewer epochs or a stronger regulariser help"
        ),
    ),
    "alpha_at_bound": Symptom(
        alpha_from_bound,
        0.01,
        False,
        lambda run, distance: (
            f"the learnt alpha is at its bound ({run.evaluation['test'][LOSSES[run.config.loss].learnt_as]:.3g}), "
            "where the divergence is one of the two KL: fix it by --loss "
            f"{LOSSES[run.config.loss].learns} --GJS-A, or take that KL"
        ),
    ),
    "saturated_pixels": Symptom(
        saturation,
        0.1,
        True,
        lambda run, share: (
            f"{100 * share:.3g} % more pixels of reconstructions than of images are black or white to four digits, "
            "where nothing is learnt any more: a smaller --lr, or --rec-dist bernoulli"
        ),
    ),
}
