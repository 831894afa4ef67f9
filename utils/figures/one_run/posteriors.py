"""What a model makes of test examples in its latent space, and which dimensions it uses."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from utils.datasets import Dataset
from utils.figures.style import latent_name
from vae.divergences import kl_divergence
from vae.evaluation.evaluator import ACTIVE_VARIANCE
from vae.inputs import add_noise, to_network
from vae.models import VAE, sample_posterior


@dataclass(frozen=True)
class Posteriors:
    """q(z|x) of N test examples, with a draw of each."""

    mean: Tensor  # (N, D)
    z: Tensor  # (N, D), z ~ q(z|x)
    kl: Tensor  # (D,), the mean over examples of KL(q(z_j|x)‖p(z_j)) in nats
    used: Tensor  # (D,), whether the posterior mean varies: it is an active unit
    inputs: Tensor | None  # what the model saw of the first examples, where it is not the images themselves
    classes: dict[str, np.ndarray]  # the label of each example, or each of its factors, by name: (N,)
    of_images: bool

    @property
    def order(self) -> list[int]:
        """The dimensions, the one with the most KL first."""
        return self.kl.argsort(descending=True, stable=True).tolist()

    def told(self, dimension: int) -> str:
        """Its name with its KL, and whether it is used."""
        state = "" if self.used[dimension] else ", unused"
        return f"{latent_name(dimension)}  KL {self.kl[dimension]:.2f}{state}"


@torch.inference_mode()
def read_posteriors(model: VAE, test: Dataset, count: int, *, noise: float = 0.0) -> Posteriors:
    """The posteriors of the first `count` test examples, which are seen with noise of that standard deviation.

    The noise, and z, are drawn from the global random stream. The prior of a dimension, where it is not a Gaussian, is
    taken for the Gaussian with its mean and its variance.
    """
    device = next(model.parameters()).device
    images = to_network(test.data[:count].to(device))
    inputs = add_noise(images, noise) if noise else images
    moments = model.in_batches(lambda batch: torch.cat(model.encode(batch), -1), inputs)
    mean, logvar = moments.chunk(2, -1)
    prior_mean, prior_sd = model.prior.mean_and_sd()
    each = (part.unsqueeze(-1) for part in (mean, logvar, prior_mean, 2 * prior_sd.log()))
    return Posteriors(
        mean=mean,
        z=sample_posterior(mean, logvar),
        kl=kl_divergence(*each).mean(0),
        used=mean.var(0, correction=0) > ACTIVE_VARIANCE,
        inputs=inputs if noise else None,
        classes=classes_of(test, count),
        of_images=test.vectors is None,
    )


def classes_of(test: Dataset, count: int) -> dict[str, np.ndarray]:
    """The label of the first examples, or each of their factors, by name; nothing where there is neither."""
    if test.labels is not None:
        return {"class": test.labels[:count].numpy()}
    if test.factors is None:
        return {}
    factors = test.factors[:count].numpy()
    names = test.factor_names or [f"factor {number + 1}" for number in range(factors.shape[1])]
    return dict(zip(names, factors.T))


def to_numpy(values: Tensor) -> np.ndarray:
    """The same values as an array on the host."""
    return values.float().cpu().numpy()
