"""What is wrong with a run that has ended, where something is: a sentence for each symptom, by a stated threshold.

A symptom that newcomers take for a result, such as samples that look like nothing, is told with what changes it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vae.evaluation.measuring import measuring
from vae.inputs import add_noise, to_network, to_unit_interval
from vae.losses import LOSSES, Objective
from vae.models import VAE
from vae.models.likelihoods import LIKELIHOODS
from vae.options import Option
from vae.random import Stream
from vae.training.settings import TrainingSettings

IMAGES = 1000  # of the test split, that a model is looked at with
ENOUGH_EXAMPLES = 10  # of the test split, to tell how latents, or errors, are spread
ENOUGH_EPOCHS = 5  # to tell how a loss falls
SATURATED = 1e-4  # from 0 or 1, where the gradient of a sigmoid has vanished


class Outputs(NamedTuple):
    """What a model makes of test data."""

    mean: Tensor  # of the posteriors, (N, latent_dim)
    logvar: Tensor
    data: Tensor  # (N, …)
    decoded: Tensor


@dataclass(frozen=True)
class DiagnosedRun:
    """A run that has ended, as far as symptoms show in it."""

    model: VAE
    loss: Objective
    settings: TrainingSettings
    evaluation: dict[str, dict[str, Any]]
    losses: Sequence[float]  # by epoch
    outputs: Outputs


class Symptom(NamedTuple):
    """One symptom: a value, beyond which of it something is wrong, and the sentence on it."""

    value: Callable[[DiagnosedRun], float | None]  # None: it cannot be told
    threshold: float
    above: bool  # whether something is wrong above the threshold, else below
    says: Callable[[DiagnosedRun, float], str]

    def shows(self, value: float) -> bool:
        """Whether a value is beyond the threshold."""
        return value > self.threshold if self.above else value < self.threshold


def diagnose(
    model: VAE,
    loss: Objective,
    settings: TrainingSettings,
    evaluation: dict[str, dict[str, Any]],
    data: Tensor,
    losses: Sequence[float],
) -> dict[str, dict[str, Any]]:
    """The symptoms of a run by name, each with its value, its threshold and a sentence; none of a sound one.

    Arguments:
        model, loss: in evaluation mode.
        settings: that the model was trained with.
        evaluation: of the splits "train" and "test", as the Evaluator has it.
        data: of the test split, as the Evaluator takes it, which the model is looked at with.
        losses: the training loss of each epoch.
    """
    with torch.no_grad(), measuring(next(model.parameters()).device, settings.seed, Stream.PICTURES):
        run = DiagnosedRun(model, loss, settings, evaluation, losses, look(model, data, settings.noise))
        values = {name: symptom.value(run) for name, symptom in SYMPTOMS.items()}
    found = {}
    for name, symptom in SYMPTOMS.items():
        value = values[name]
        if value is not None and math.isfinite(value) and symptom.shows(value):
            found[name] = {"value": value, "threshold": symptom.threshold, "says": symptom.says(run, value)}
    return found


def look(model: VAE, data: Tensor, noise: float) -> Outputs:
    """What the model makes of the first test data, with noise as in training."""
    data = data[:IMAGES].to(next(model.parameters()).device)
    mean, logvar = model.encode(add_noise(to_network(data), noise))
    shown = to_unit_interval(data) if data.dtype == torch.uint8 else data
    return Outputs(mean, logvar, shown, model.decode(mean))


# The values


def active_share(run: DiagnosedRun) -> float | None:
    """The share of latent dimensions that are active, 0 to 1; None for too few examples."""
    return run.evaluation["test"]["active_units"] / latent_dim(run) if has_enough(run) else None


def mismatch(run: DiagnosedRun) -> float | None:
    """KL of a Gaussian with the aggregate posterior's moments from one with the prior's: nats a dimension.

    None for too few examples.
    """
    if not has_enough(run):
        return None
    prior_mean, prior_sd = run.model.prior.mean_and_sd()
    mean, variance = run.outputs.mean.mean(0), run.outputs.mean.var(0, correction=0) + run.outputs.logvar.exp().mean(0)
    ratio = variance / prior_sd.square()
    kl = 0.5 * (ratio + ((mean - prior_mean) / prior_sd).square() - 1 - ratio.log())
    return kl.mean().item()


def last_fall(run: DiagnosedRun) -> float | None:
    """The fall of the training loss in the last epoch, as a share of its whole fall since the first.

    None for too few epochs, and for a run that early stopping has ended: nothing is left to go on for.
    """
    losses = run.losses
    tells = len(losses) >= max(ENOUGH_EPOCHS, run.settings.epochs)
    whole = losses[0] - losses[-1] if tells else 0
    return (losses[-2] - losses[-1]) / whole if whole > 0 else None


def generalisation(run: DiagnosedRun) -> float | None:
    """The squared error on the test split, as a multiple of the training split's; None for too few examples."""
    train, test = (run.evaluation[split]["squared_error"] for split in ("train", "test"))
    return test / train if train > 0 and has_enough(run) else None


def learnt_from_bound(run: DiagnosedRun) -> float | None:
    """How far what the objective learns, alpha say, is from the nearer of its bounds."""
    if run.loss.learns is None or run.loss.learnt_as is None:
        return None
    learnt, option = run.evaluation["test"][run.loss.learnt_as], fixed_option(run)
    return min((abs(learnt - bound) for bound in (option.minimum, option.maximum) if bound is not None), default=None)


def saturation(run: DiagnosedRun) -> float | None:
    """By how much the share of pixels as good as 0 or 1 is larger in reconstructions than in images.

    None for a likelihood that learns from such pixels all the same.
    """
    if not run.model.likelihood.saturates:
        return None
    own, given = ((part.clamp(0, 1) - 0.5).abs() > 0.5 - SATURATED for part in (run.outputs.decoded, run.outputs.data))
    return own.float().mean().item() - given.float().mean().item()


def has_enough(run: DiagnosedRun) -> bool:
    """Whether the test examples are enough to judge by."""
    return len(run.outputs.mean) >= ENOUGH_EXAMPLES


# What sentences say


def latent_dim(run: DiagnosedRun) -> int:
    """The dimensions of z."""
    return run.outputs.mean.shape[1]


def fixed_option(run: DiagnosedRun) -> Option:
    """The option that fixes what the objective learns."""
    fixing = LOSSES[run.loss.learns]
    return next(option for option in fixing.options if option.name == fixing.swept)


def way_on(settings: TrainingSettings) -> str:
    """How a run is trained for twice as long."""
    twice = f"--epochs {2 * settings.epochs}"
    if settings.lr_schedule == "constant":
        return f"--resume {twice} goes on"
    return f"a new run with this one's --config and {twice} has the --lr-schedule over all of them"


def learning_on() -> str:
    """The likelihoods of images that go on learning from pixels that are black or white."""
    return " or ".join(name for name, one in LIKELIHOODS.items() if one.data == "images" and not one.saturates)


# The table

SYMPTOMS = {
    "collapse": Symptom(
        active_share,
        0.1,
        False,
        lambda run, share: (
            f"collapsed: {run.evaluation['test']['active_units']} of {latent_dim(run)} latent dimensions are "
            f"active, so z says next to nothing of the data; {run.loss.to_regularise('less')}"
        ),
    ),
    "prior_mismatch": Symptom(
        mismatch,
        1.0,
        True,
        lambda run, nats: (
            f"the aggregate posterior is far from the prior, {nats:.3g} nats a dimension by mean and variance, so "
            f"samples are decoded from where few images are encoded; {run.loss.to_regularise('more')}"
        ),
    ),
    "unfinished": Symptom(
        last_fall,
        0.05,
        True,
        lambda run, share: (
            f"the training loss still falls: {100 * share:.3g} % of its whole fall came in the last epoch; "
            f"{way_on(run.settings)}"
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
        learnt_from_bound,
        0.01,
        False,
        lambda run, distance: (
            f"the learnt {run.loss.learnt_as} is at its bound ({run.evaluation['test'][run.loss.learnt_as]:.3g}); "
            f"--loss {run.loss.learns} with {fixed_option(run).flag} fixes it elsewhere"
        ),
    ),
    "saturated_pixels": Symptom(
        saturation,
        0.1,
        True,
        lambda run, share: (
            f"of all pixels, {100 * share:.3g} % more are black or white to four digits in reconstructions than in "
            f"images, where nothing is learnt any more: a smaller --lr, or --rec-dist {learning_on()}"
        ),
    ),
}
