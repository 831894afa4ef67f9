"""Evaluation of a trained model on a split, and of its latents on a whole data set."""

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from vae.distributed import gather, share
from vae.evaluation.clustering import (
    class_marginal_entropy,
    clustering_accuracy,
    normalised_mutual_information,
    used_classes,
)
from vae.evaluation.disentanglement import disentanglement_scores
from vae.evaluation.measuring import measuring
from vae.inputs import add_noise, check_examples, to_network
from vae.losses import Objective
from vae.means import Means, NonFiniteError, Variances
from vae.models import VAE
from vae.models.categorical import CategoricalOutput
from vae.models.vae import BATCH_SIZE
from vae.random import Stream

ACTIVE_VARIANCE = 0.01  # Burda et al. 2016, "Importance weighted autoencoders", section 5


def rate(quantities: Mapping[str, float]) -> float | None:
    """KL(q(z|x)‖p(z)) in nats, the mean over the images of an evaluation: its negative ELBO less the reconstruction.

    None of older evaluations, which have no ELBO.
    """
    return -quantities["elbo"] - quantities["reconstruction"] if "elbo" in quantities else None


class Evaluator:
    """Evaluates a model and its loss at z = posterior mean, weighted by images, without touching either.

    Arguments:
        batch_size: the training batch size, used where the loss is a statistic of the batch as a whole.
        seed: fixes what the loss draws (samples of z where a discrepancy is estimated from them), and the noise.
        noise: standard deviation of what is added to the images that the model sees, as in training; every quantity
            compares what it makes of them with the clean ones.

    Raises ValueError for a model that the loss is not for.
    """

    def __init__(self, model: VAE, loss: Objective, *, batch_size: int, seed: int, noise: float = 0.0):
        loss.check_model(model)
        self.model, self.loss, self.seed, self.noise = model, loss, seed, noise
        self.batch_size = batch_size if loss.batch_statistic else BATCH_SIZE

    @torch.inference_mode()
    def evaluate(self, data: Tensor, labels: Tensor | None = None) -> dict[str, float]:
        """The quantities of a split, given its images as bytes (N, C, H, W), or its vectors (N, D), on any device.

        Each is a mean over its examples, those that are of information in nats.

        loss, reconstruction, divergence, extras: terms of the objective; reconstruction is the likelihood's own.
        squared_error: sum over pixels or dimensions of (x - decoder mean)^2, the paper's figure of merit,
            whatever the likelihood.
        elbo: -reconstruction - KL(q||p), for every loss. With z at the posterior mean and the reconstruction's
            constants left out, it compares runs of one likelihood, and is no bound of what `estimate_evidence` gives.
        active_units: latent dimensions whose posterior mean has a variance above 0.01 over the examples.
        Of a model with classes also class_marginal_entropy and used_classes and, given the examples' labels (N,), -1
        for none, clustering_accuracy and normalised_mutual_information of the most probable classes.
        Raises NonFiniteError if one of them is not finite; ValueError for data as the Trainer does.
        """
        check_examples(data, self.model)
        means, variances, logits = Means(), Variances(), []
        with self.prepared() as device:
            for start in range(0, len(data), self.batch_size):
                batch = to_network(data[start : start + self.batch_size].to(device))
                output = self.model(add_noise(batch, self.noise))
                terms = self.loss.terms(self.model, batch, output)
                difference = self.model.likelihood.mean(output.decoded) - share(batch)
                squared_error = gather(difference.square().flatten(1).sum(-1), len(batch)).mean()
                elbo = -terms.reconstruction - self.model.kl_divergence(output).mean()
                means.add({**terms.named(), "squared_error": squared_error, "elbo": elbo}, len(batch))
                variances.add(output.mean)
                if isinstance(output, CategoricalOutput):
                    logits.append(output.logits)
        values = means.values()
        for name, value in values.items():
            if not math.isfinite(value):
                raise NonFiniteError(f"the evaluation's {name} is not finite")
        active_units = int((variances.values() > ACTIVE_VARIANCE).sum())
        return {**values, "active_units": active_units, **(clustering(torch.cat(logits), labels) if logits else {})}

    @torch.inference_mode()
    def disentanglement(self, parts: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float | list[float]]:
        """How well single latents stand for single factors, over all parts together: the scores of every metric.

        A part is the data, as above, and the factors, int64, (N, K), of some of the examples; they are looked at one
        after the other. All parts should have every combination of the factors once. Of a model with classes the
        posterior is the most probable class's. Raises NonFiniteError if a posterior is not finite, and ValueError if no
        factor varies.
        """
        posteriors, factors = [], []
        with self.prepared() as device:
            for data, factors_of_part in parts:
                # No list of batches: each would stay behind in memory freed by the pass, and spoil it for the next one.
                posteriors.append(torch.empty(2, len(data), self.model.prior.latent_dim))
                for start in range(0, len(data), BATCH_SIZE):
                    batch = to_network(data[start : start + BATCH_SIZE].to(device))
                    encoded = torch.stack(self.model.encode(add_noise(batch, self.noise)))
                    posteriors[-1][:, start : start + BATCH_SIZE] = encoded
                factors.append(factors_of_part.cpu())
            mean, logvar = torch.cat(posteriors, dim=1)
            if not (mean.isfinite().all() and logvar.isfinite().all()):
                raise NonFiniteError("the posterior of an image is not finite")
            return disentanglement_scores(mean, logvar, torch.cat(factors))

    @contextmanager
    def prepared(self) -> Iterator[torch.device]:
        """The model and the loss in evaluation mode and the random stream seeded; after it all is as it was."""
        modes = [(part, part.training) for part in (self.model, self.loss)]
        self.model.eval()
        self.loss.eval()
        device = next(self.model.parameters()).device
        try:
            with measuring(device, self.seed, Stream.EVALUATION):
                yield device
        finally:
            for part, training in modes:
                part.train(training)


def clustering(logits: Tensor, labels: Tensor | None) -> dict[str, float]:
    """What classes of images are worth: logits of q(c|x), (N, K), and labels (N,), -1 for none, if there are any."""
    values = {"class_marginal_entropy": class_marginal_entropy(logits), "used_classes": used_classes(logits)}
    if labels is not None and (labels >= 0).any():
        clusters, labels = logits.argmax(-1).cpu()[labels.cpu() >= 0], labels[labels >= 0]
        values["clustering_accuracy"] = clustering_accuracy(clusters, labels)
        values["normalised_mutual_information"] = normalised_mutual_information(clusters, labels)
    return values
