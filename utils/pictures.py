"""The pictures of a trained model: reconstructions, samples of the prior, latent traversals."""

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from utils.plots import image_grid

SAMPLES_PER_SIDE = 8
TRAVERSAL_POINTS = 10
TRAVERSED_DIMENSIONS = 32  # rows at most: a picture has to stay one that can be looked at
TRAVERSAL_LIMIT = 1.96  # the central 95 % of a standard normal, as in the paper's Figure 4


@torch.inference_mode()
def reconstructions(model: nn.Module, images: Tensor, inputs: Tensor | None = None, *, title: str) -> Figure:
    """Images (N, C, H, W) in [0, 1] above their reconstructions at z = posterior mean.

    Between them is what the model saw, where that was not the images but `inputs`.
    """
    rows = {"image": images} if inputs is None else {"image": images, "noisy": inputs}
    mean, _ = model.encode(images if inputs is None else inputs)
    rows["reconstruction"] = model.decode(mean)
    grid = torch.stack(list(rows.values()))
    return image_grid(to_numpy(grid), title=f"{title}: reconstructions", row_labels=list(rows))


@torch.inference_mode()
def samples(model: nn.Module, *, title: str) -> Figure:
    """Decoder means of latents drawn from the prior."""
    grid = model.sample(SAMPLES_PER_SIDE**2).unflatten(0, (SAMPLES_PER_SIDE, SAMPLES_PER_SIDE))
    return image_grid(to_numpy(grid), title=f"{title}: samples of the prior")


@torch.inference_mode()
def traversals(model: nn.Module, latent_dim: int, *, title: str) -> Figure:
    """One row per latent dimension: it takes ten equally spaced values from -1.96 to 1.96, the others are 0.

    Of more than 32 dimensions the first 32 are shown.
    """
    device = next(model.parameters()).device
    shown = min(latent_dim, TRAVERSED_DIMENSIONS)
    values = torch.linspace(-TRAVERSAL_LIMIT, TRAVERSAL_LIMIT, TRAVERSAL_POINTS, device=device)
    z = torch.einsum("p,ij->ipj", values, torch.eye(shown, latent_dim, device=device))
    grid = model.decode(z.flatten(0, 1)).unflatten(0, (shown, TRAVERSAL_POINTS))
    return image_grid(
        to_numpy(grid),
        title=f"{title}: latent traversals",
        row_labels=[f"$z_{{{dimension + 1}}}$" for dimension in range(shown)],
        column_labels=[f"{value:.2f}" for value in values.tolist()],
    )


def to_numpy(images: Tensor) -> np.ndarray:
    """The same values as an array on the host."""
    return images.float().cpu().numpy()
