"""Pictures of the latent space: the map of q(z), each dimension's marginals, and data and samples that are vectors."""

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy.stats import norm
from torch import Tensor
from torch.distributions import Distribution

from utils.figures.charts import Plane, View, density_panels, histograms, scatter_views
from utils.figures.images import tile
from utils.figures.one_run.posteriors import Posteriors, to_numpy
from utils.figures.style import latent_name
from vae.models import VAE, sample_posterior

PLANE_SIDE = 15  # decoded images on each side of a plane
PLANE_QUANTILES = (0.02, 0.98)  # of the prior, from where to where it goes
MARGINALS_SHOWN = 30
PRIOR_DRAWS = 20_000  # for the outline of a marginal

MAP, SAMPLED = "The latent space: posterior means of test data", "Data and samples"
MEAN, AGGREGATE = "posterior mean", "q(z)"  # what legends call points that have no class


@torch.inference_mode()
def latent_map(model: VAE, posteriors: Posteriors, *, about: str) -> Figure:
    """The posterior mean of each test example, by class or factor, before draws of the prior.

    A single dimension is a histogram. Two are drawn as they are, for images beside the plane that they span, decoded at
    the prior's quantiles. Of more there are two views: the two dimensions with the most KL, and the first two principal
    components of the means. The second is left out where the means have fewer, as those of one or two examples do, and
    those of a model that tells none from another.
    """
    mean, prior = to_numpy(posteriors.mean), to_numpy(model.prior.sample(len(posteriors.mean)))
    if mean.shape[1] == 1:
        labels = next(iter(posteriors.classes.values()), None)
        return histograms(mean[:, 0], labels, prior[:, 0], what=MEAN, title=MAP, about=about)
    pair = [0, 1] if mean.shape[1] == 2 else posteriors.order[:2]
    views = [View(mean[:, pair], prior[:, pair], tuple(map(posteriors.told, pair)), what=MEAN)]
    if mean.shape[1] > 2 and np.linalg.matrix_rank(mean - mean.mean(0)) > 1:
        views.append(principal_view(mean, prior))
    plane = decoded_plane(model) if mean.shape[1] == 2 and posteriors.of_images else None
    return scatter_views(views, posteriors.classes, plane=plane, title=MAP, about=about)


def principal_view(mean: np.ndarray, prior: np.ndarray) -> View:
    """Posterior means and draws of the prior, (N, D), along the first two principal components of the means.

    The axes tell the share that each has of the variance of the means.
    """
    center = mean.mean(0)
    _, scales, directions = np.linalg.svd(mean - center, full_matrices=False)
    shares = scales**2 / (scales**2).sum()
    names = tuple(f"principal component {number + 1} ({shares[number]:.0%})" for number in (0, 1))
    return View((mean - center) @ directions[:2].T, (prior - center) @ directions[:2].T, names, what=MEAN)


@torch.inference_mode()
def decoded_plane(model: VAE) -> Plane:
    """The images that two latent dimensions decode to, at quantiles of the prior that are equally far apart."""
    mean, sd = map(to_numpy, model.prior.mean_and_sd())
    steps = norm.ppf(np.linspace(*PLANE_QUANTILES, PLANE_SIDE))
    z = np.stack(np.meshgrid(mean[0] + sd[0] * steps, mean[1] + sd[1] * steps[::-1]), -1)  # z_2 grows upwards
    device = next(model.parameters()).device
    images = model.decode(torch.tensor(z, dtype=torch.float32, device=device).flatten(0, 1))
    return Plane(tile(to_numpy(images.unflatten(0, z.shape[:2]))), z[0, :, 0], z[:, 0, 1])


@torch.inference_mode()
def marginals(model: VAE, posteriors: Posteriors, *, about: str) -> Figure:
    """For each dimension histograms of q(z_j) and of the prior p(z_j); the one with the most KL comes first."""
    z, prior = to_numpy(posteriors.z), to_numpy(model.prior.sample(PRIOR_DRAWS))
    shown = posteriors.order[:MARGINALS_SHOWN]
    panels = {posteriors.told(dimension): (z[:, dimension], prior[:, dimension]) for dimension in shown}
    return density_panels(panels, title="The marginals of aggregate posterior and prior", about=about)


@torch.inference_mode()
def vector_samples(
    model: VAE,
    vectors: Tensor,
    classes: dict[str, np.ndarray],
    *,
    about: str,
    source: Distribution | None = None,
) -> Figure:
    """Vectors (N, D) by class beside as many samples of the model, x ~ p(x|z), z ~ p(z); two dimensions of each.

    Of a single dimension they are histograms. With a `source`, which was fitted to latents, z is drawn from that.
    """
    z = model.prior.sample(len(vectors)) if source is None else source.sample((len(vectors),))
    drawn = to_numpy(model.likelihood.sample(model.decoder(z)))
    origin = "samples of the model" if source is None else "samples, z from a fitted density"
    data, nothing, axes = to_numpy(vectors), np.empty((0, 2)), ("x₁", "x₂")
    if data.shape[1] == 1:
        label, axis = next(iter(classes.values()), None), {"axis": "x", "beside": origin}
        return histograms(data[:, 0], label, drawn[:, 0], what="test data", title=SAMPLED, about=about, **axis)
    views = [
        View(data[:, :2], nothing, axes, "test data"),
        View(drawn[:, :2], nothing, axes, origin, classless=True),
    ]
    return scatter_views(views, classes, title=SAMPLED, about=about)


@torch.inference_mode()
def latent_space(model: VAE, data: Tensor, labels: np.ndarray | None = None, *, title: str) -> Figure:
    """The first two dimensions of a draw of q(z|x) for each vector (N, D) or image (N, C, H, W) in [0, 1], by class,
    before as many draws of the prior; of a single dimension, histograms.
    """
    device = next(model.parameters()).device
    z = to_numpy(sample_posterior(*model.encode(data.to(device))))
    prior = to_numpy(model.prior.sample(len(data)))
    if z.shape[1] == 1:
        return histograms(z[:, 0], labels, prior[:, 0], what=AGGREGATE, title=title)
    classes = {} if labels is None else {"class": labels}
    return scatter_views(
        [View(z[:, :2], prior[:, :2], (latent_name(0), latent_name(1)), what=AGGREGATE)], classes, title=title
    )
