"""The pictures of a trained model: reconstructions, samples, latent traversals; of its classes; those of vectors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from utils.datasets import Dataset, portable_name
from utils.figures.charts import latent_histogram, scatter_panels, training_curves
from utils.figures.images import image_grid
from utils.results.labels import run_label, told_flags
from utils.runs.config import RunConfig
from utils.runs.folder import CLASSES, CURVES, INTERPOLATIONS, LATENT, RECONSTRUCTIONS, SAMPLES, TRAVERSALS
from vae.inputs import add_noise, to_unit_interval
from vae.models import VAE, sample_posterior
from vae.models.categorical import CategoricalVAE
from vae.random import Stream, seed_everything

RECONSTRUCTED_IMAGES = 10
SAMPLES_PER_SIDE = 8
SAMPLES_PER_CLASS = 10
INTERPOLATION_POINTS = 10
CLASS_ROWS = 32
PLOTTED_VECTORS = 2000
TRAVERSAL_POINTS = 10
TRAVERSED_DIMENSIONS = 32  # rows at most: a picture has to stay one that can be looked at
TRAVERSAL_LIMIT = 1.96  # the central 95 % of a standard normal, as in the paper's Figure 4


def draw_run(model: VAE, test: Dataset, config: RunConfig, metrics: list[dict[str, Any]]) -> dict[str, Figure]:
    """Every picture of a run by the name of its file, of its model in evaluation mode, its test split and its metrics.

    `metrics` has the lines of metrics.jsonl, or none. What is random follows from the run's seed.
    """
    seed_everything(config.seed, Stream.PICTURES)
    title = run_title(config)
    figures = model_figures(model, test, noise=config.noise, title=title)
    return {**figures, CURVES: training_curves(metrics, title=title)} if metrics else figures


def run_title(config: RunConfig) -> str:
    """The data set, and the loss with the options that tell it from others."""
    name = portable_name(config.dataset).replace("$", r"\$")  # else matplotlib takes it for mathematics
    return f"{name}, {run_label(config, told_flags(config))}"


def model_figures(model: VAE, test: Dataset, *, noise: float, title: str) -> dict[str, Figure]:
    """The pictures of a model, by the names of their files.

    `noise` is the standard deviation of what is added to the images that the model sees. It and the samples are drawn
    from the global random stream.
    """
    if test.vectors is not None:
        vectors = test.vectors[:PLOTTED_VECTORS]
        labels = None if test.labels is None else test.labels[:PLOTTED_VECTORS].numpy()
        return {
            SAMPLES: vector_samples(model, vectors, labels, title=title),
            LATENT: latent_space(model, vectors, labels, title=title),
        }
    images = to_unit_interval(test.images[:RECONSTRUCTED_IMAGES].to(next(model.parameters()).device))
    inputs = add_noise(images, noise) if noise else None
    figures = {
        RECONSTRUCTIONS: reconstructions(model, images, inputs, title=title),
        SAMPLES: samples(model, title=title),
        TRAVERSALS: traversals(model, model.prior.latent_dim, title=title),
    }
    if isinstance(model, CategoricalVAE):
        figures |= {CLASSES: class_samples(model, title=title), INTERPOLATIONS: interpolations(model, title=title)}
    return figures


@torch.inference_mode()
def reconstructions(model: VAE, images: Tensor, inputs: Tensor | None = None, *, title: str) -> Figure:
    """Images (N, C, H, W) in [0, 1] above their reconstructions at z = posterior mean.

    Between them is what the model saw, where that was not the images but `inputs`.
    """
    rows = {"image": images} if inputs is None else {"image": images, "noisy": inputs}
    mean, _ = model.encode(images if inputs is None else inputs)
    rows["reconstruction"] = model.decode(mean)
    grid = torch.stack(list(rows.values()))
    return image_grid(to_numpy(grid), title=f"{title}: reconstructions", row_labels=list(rows))


@torch.inference_mode()
def samples(model: VAE, *, title: str) -> Figure:
    """Decoder means of latents drawn from the prior."""
    grid = model.sample(SAMPLES_PER_SIDE**2).unflatten(0, (SAMPLES_PER_SIDE, SAMPLES_PER_SIDE))
    return image_grid(to_numpy(grid), title=f"{title}: samples of the prior")


@torch.inference_mode()
def traversals(model: VAE, latent_dim: int, *, title: str) -> Figure:
    """One row per latent dimension: it moves by ten equally spaced values from -1.96 to 1.96, the others stay.

    The unit is the prior's standard deviation. The others stay at the prior's mean or, in a prior with classes, at the
    mean of the class that the dimension belongs to.
    Of more than 32 dimensions the first 32 are shown.
    """
    shown = range(min(latent_dim, TRAVERSED_DIMENSIONS))
    return image_grid(
        to_numpy(traversed(model, shown)),
        title=f"{title}: latent traversals",
        row_labels=[f"$z_{{{dimension + 1}}}$" for dimension in shown],
        column_labels=[f"{value:.2f}" for value in np.linspace(-TRAVERSAL_LIMIT, TRAVERSAL_LIMIT, TRAVERSAL_POINTS)],
    )


@torch.inference_mode()
def traversed(model: VAE, dimensions: Sequence[int]) -> Tensor:
    """The images of `traversals` for some latent dimensions, in [0, 1]: (dimensions, ten, C, H, W)."""
    device = next(model.parameters()).device
    values = torch.linspace(-TRAVERSAL_LIMIT, TRAVERSAL_LIMIT, TRAVERSAL_POINTS, device=device)
    origins, unit = (tensor.to(device) for tensor in model.prior.traversal())
    index = torch.tensor(dimensions, device=device)
    steps = torch.einsum("p,i,ij->ipj", values, unit[index], torch.eye(len(unit), device=device)[index])
    z = origins[index].unsqueeze(1) + steps
    return model.decode(z.flatten(0, 1)).unflatten(0, z.shape[:2])


@torch.inference_mode()
def class_samples(model: CategoricalVAE, *, title: str) -> Figure:
    """One row per class, of the first 32: decoder means of ten latents drawn from its Gaussian p(z|c)."""
    z = model.prior.sample_each(SAMPLES_PER_CLASS)[:CLASS_ROWS]
    grid = model.decode(z.flatten(0, 1)).unflatten(0, z.shape[:2])
    labels = [f"class {label}" for label in range(len(z))]
    return image_grid(to_numpy(grid), title=f"{title}: samples of each class", row_labels=labels)


@torch.inference_mode()
def interpolations(model: CategoricalVAE, *, title: str) -> Figure:
    """One row per class, of the first 32: decoder means on the straight line from its centroid to the next class's."""
    start = model.prior.mean
    shares = torch.linspace(0, 1, INTERPOLATION_POINTS, device=start.device).view(-1, 1)
    z = torch.lerp(start.unsqueeze(1), start.roll(-1, 0).unsqueeze(1), shares)[:CLASS_ROWS]
    grid = model.decode(z.flatten(0, 1)).unflatten(0, z.shape[:2])
    labels = [f"class {label} to {(label + 1) % len(start)}" for label in range(len(z))]
    return image_grid(to_numpy(grid), title=f"{title}: from centroid to centroid", row_labels=labels)


@torch.inference_mode()
def vector_samples(model: VAE, vectors: Tensor, labels: np.ndarray | None = None, *, title: str) -> Figure:
    """Vectors (N, D) by class beside as many samples of the model, x ~ p(x|z), z ~ p(z); two dimensions of each."""
    z = model.prior.sample(len(vectors))
    drawn = model.likelihood.sample(model.decoder(z))
    panels = {"data": (to_numpy(vectors), labels), "samples of the model": (to_numpy(drawn), None)}
    return scatter_panels(panels, axis="x", title=title)


@torch.inference_mode()
def latent_space(model: VAE, data: Tensor, labels: np.ndarray | None = None, *, title: str) -> Figure:
    """A draw of q(z|x) for each vector (N, D) or image (N, C, H, W) in [0, 1], by class, and as many of the prior.

    Histograms of a single latent dimension; of more, the first two as points.
    """
    device = next(model.parameters()).device
    z = to_numpy(sample_posterior(*model.encode(data.to(device))))
    prior = to_numpy(model.prior.sample(len(data)))
    if z.shape[1] == 1:
        return latent_histogram(z[:, 0], labels, prior[:, 0], title=title)
    return scatter_panels({"q(z)": (z, labels), "p(z)": (prior, None)}, axis="z", title=title)


def to_numpy(values: Tensor) -> np.ndarray:
    """The same values as an array on the host."""
    return values.float().cpu().numpy()
