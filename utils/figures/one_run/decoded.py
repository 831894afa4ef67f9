"""Pictures of what a model decodes: reconstructions, samples, traversals of its latent dimensions, its classes."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.distributions import Distribution

from utils.datasets import Dataset
from utils.figures.images import Tiles, image_grid, image_panels
from utils.figures.one_run.posteriors import Posteriors, to_numpy
from utils.figures.style import latent_name
from vae.inputs import to_unit_interval
from vae.models import VAE
from vae.models.categorical import CategoricalVAE

RECONSTRUCTED_IMAGES = 10
SAMPLES_PER_SIDE = 8
NEAREST_AMONG = 100_000  # training images: a search through more takes too long
SEARCHED_AT_ONCE = 2000
SAMPLES_PER_CLASS = 10
INTERPOLATION_POINTS = 10
CLASS_ROWS = 32
TRAVERSAL_POINTS = 10
TRAVERSED_DIMENSIONS = 32  # rows at most: a picture has to stay one that can be looked at
TRAVERSAL_LIMIT = 1.96  # the central 95 % of a standard normal, as in the paper's Figure 4


@torch.inference_mode()
def reconstructions(model: VAE, test: Dataset, posteriors: Posteriors, *, about: str) -> Figure:
    """The first test images above their reconstructions at z = posterior mean, and below these the squared errors.

    Between them is what the model saw, where that was not the images themselves.
    """
    mean = posteriors.mean[:RECONSTRUCTED_IMAGES]
    rows = {"image": to_unit_interval(test.images[: len(mean)].to(mean.device))}
    if posteriors.inputs is not None:
        rows["with noise"] = posteriors.inputs[: len(mean)]
    rows["reconstruction"] = model.decode(mean)
    errors = (rows["image"] - rows["reconstruction"]).square().flatten(1).sum(1)
    return image_grid(
        to_numpy(torch.stack(list(rows.values()))),
        title="Reconstructions of test images, with their squared errors",
        subtitle=about,
        row_labels=list(rows),
        column_labels=[f"{error:.1f}" for error in errors.tolist()],
    )


@torch.inference_mode()
def samples(model: VAE, train: Dataset, *, about: str, source: Distribution | None = None) -> Figure:
    """Decoder means of latents drawn from the prior, or from a source that was fitted to latents.

    Beside them are the training images that are nearest to them.

    A model that draws what it has learnt by heart is found out by these.
    """
    drawn = model.sample(SAMPLES_PER_SIDE**2, source)
    origin = "the prior" if source is None else "what was fitted to the latents"
    nearest, searched = nearest_images(drawn, train)
    of = f"of {searched:,}" if searched == len(train) else f"of the first {searched:,}"
    square = (SAMPLES_PER_SIDE, SAMPLES_PER_SIDE)
    panels = [
        Tiles(to_numpy(drawn.unflatten(0, square)), f"decoded draws of z from {origin}"),
        Tiles(to_numpy(nearest.unflatten(0, square)), f"the nearest {of} training images, place by place"),
    ]
    return image_panels(panels, title="Samples, and whether they were learnt by heart", subtitle=about)


def nearest_images(images: Tensor, train: Dataset) -> tuple[Tensor, int]:
    """For each image (N, C, H, W) the training image with the least squared distance, and among how many it is that."""
    searched, flat = min(len(train), NEAREST_AMONG), images.flatten(1)
    least = torch.full((len(images),), torch.inf, device=images.device)
    place = torch.zeros(len(images), dtype=torch.long)
    for start in range(0, searched, SEARCHED_AT_ONCE):
        batch = to_unit_interval(train.images[start : min(start + SEARCHED_AT_ONCE, searched)].to(images.device))
        distance, index = torch.cdist(flat, batch.flatten(1)).min(1)
        closer = (distance < least).cpu()
        place[closer] = (start + index.cpu())[closer]
        least = torch.minimum(least, distance)
    return to_unit_interval(train.images[place]), searched


@torch.inference_mode()
def traversals(model: VAE, posteriors: Posteriors, *, about: str) -> Figure:
    """One row per latent dimension, which moves by ten equally spaced values from -1.96 to 1.96: the others stay.

    They stay where they are for the first test image, and beside that at the prior's mean or, in a prior with classes,
    at the mean of the class that the dimension belongs to. The unit is the prior's standard deviation. The dimension
    with the most KL comes first, unless those of a class belong together; of more than 32 there are 32.
    """
    by_class = isinstance(model, CategoricalVAE)
    shown = (list(range(len(posteriors.kl))) if by_class else posteriors.order)[:TRAVERSED_DIMENSIONS]
    values = [f"{value:.2f}" for value in np.linspace(-TRAVERSAL_LIMIT, TRAVERSAL_LIMIT, TRAVERSAL_POINTS)]
    labels = [posteriors.told(dimension) for dimension in shown]
    if by_class:
        size = len(posteriors.kl) // model.prior.classes
        labels = [f"class {dimension // size}, {latent_name(dimension)}" for dimension in shown]
    start = "at the mean of the dimension's class" if by_class else "at the prior's mean"
    panels = [
        Tiles(traversed(model, shown, posteriors.mean[0]), "the others stay as in a test image", labels, values),
        Tiles(traversed(model, shown), f"the others stay {start}", (), values),
    ]
    return image_panels(panels, title="What each latent dimension changes", subtitle=about)


@torch.inference_mode()
def traversed(model: VAE, dimensions: Sequence[int], start: Tensor | None = None) -> np.ndarray:
    """The images of `traversals` for some latent dimensions, in [0, 1]: (dimensions, ten, C, H, W).

    Those that do not move stay as in `start`, (latent_dim,), or where the prior says.
    """
    device = next(model.parameters()).device
    values = torch.linspace(-TRAVERSAL_LIMIT, TRAVERSAL_LIMIT, TRAVERSAL_POINTS, device=device)
    origins, unit = (tensor.to(device) for tensor in model.prior.traversal())
    rows = []
    for dimension in dimensions:
        z = (origins[dimension] if start is None else start).repeat(TRAVERSAL_POINTS, 1)
        z[:, dimension] = origins[dimension, dimension] + values * unit[dimension]
        rows.append(model.decode(z))
    return to_numpy(torch.stack(rows))


@torch.inference_mode()
def class_samples(model: CategoricalVAE, *, about: str) -> Figure:
    """One row per class, of the first 32: decoder means of ten latents drawn from its Gaussian p(z|c)."""
    z = model.prior.sample_each(SAMPLES_PER_CLASS)[:CLASS_ROWS]
    grid = model.decode(z.flatten(0, 1)).unflatten(0, z.shape[:2])
    labels = [f"class {label}" for label in range(len(z))]
    return image_grid(to_numpy(grid), title="Samples of each class", subtitle=about, row_labels=labels)


@torch.inference_mode()
def interpolations(model: CategoricalVAE, *, about: str) -> Figure:
    """One row per class, of the first 32: decoder means on the straight line from its centroid to the next class's."""
    start = model.prior.mean
    shares = torch.linspace(0, 1, INTERPOLATION_POINTS, device=start.device).view(-1, 1)
    z = torch.lerp(start.unsqueeze(1), start.roll(-1, 0).unsqueeze(1), shares)[:CLASS_ROWS]
    grid = model.decode(z.flatten(0, 1)).unflatten(0, z.shape[:2])
    labels = [f"class {label} to {(label + 1) % len(start)}" for label in range(len(z))]
    return image_grid(to_numpy(grid), title="From centroid to centroid", subtitle=about, row_labels=labels)
