"""An animation of how a run's pictures came about: a frame for each epoch, and all of them in one GIF."""

import io
from collections.abc import Sequence

import torch
from matplotlib.figure import Figure
from PIL import Image

from utils.datasets import Dataset
from utils.figures.images import Tiles, image_panels
from utils.figures.one_run.decoded import traversed
from utils.figures.one_run.drawing import run_title
from utils.figures.one_run.latent import vector_samples
from utils.figures.one_run.posteriors import Posteriors, read_posteriors, to_numpy
from utils.figures.style import latent_name
from utils.runs.config import RunConfig
from vae.inputs import to_unit_interval
from vae.models import VAE
from vae.random import Stream, seed_everything

ROWS, COLUMNS = 10, 10  # latent dimensions, and test images side by side, at most
VECTORS = 1000  # that a frame shows
SHRINK = 2  # a GIF is some MB all the same
MILLISECONDS, LAST = 400, 2500  # that a frame is to be seen, and the last one


def draw_frame(model: VAE, splits: dict[str, Dataset], config: RunConfig, epoch: int) -> Figure:
    """What a model in evaluation mode makes of test images, and of its latent dimensions; of vectors, its samples.

    What is random is drawn anew from the run's seed, so that frames differ by the model alone.
    """
    seed_everything(config.seed, Stream.PICTURES)
    test, name, about = splits["test"], f"Epoch {epoch}", run_title(config)
    count = ROWS // 2 * COLUMNS if test.vectors is None else VECTORS
    posteriors = read_posteriors(model, test, count, noise=config.noise)
    if test.vectors is None:
        return image_frame(model, test, posteriors, title=name, about=about)
    return vector_samples(model, test.vectors[:count], posteriors.classes, about=f"{name}; {about}")


@torch.inference_mode()
def image_frame(model: VAE, test: Dataset, posteriors: Posteriors, *, title: str, about: str) -> Figure:
    """Test images above their reconstructions, beside what the first latent dimensions change in the first of them."""
    shown = range(min(ROWS, len(posteriors.kl)))
    columns = min(COLUMNS, len(posteriors.mean))
    pairs = max(1, min(len(shown) // 2, len(posteriors.mean) // columns))  # of rows, so that both grids are as high
    mean = posteriors.mean[: pairs * columns]
    images = to_unit_interval(test.images[: len(mean)].to(mean.device))
    rows = torch.stack([part.unflatten(0, (pairs, columns)) for part in (images, model.decode(mean))], dim=1)
    panels = [
        Tiles(to_numpy(rows.flatten(0, 1)), "test images, each above its reconstruction"),
        Tiles(
            traversed(model, shown, mean[0]),
            "what each latent dimension changes in the first of them",
            [latent_name(dimension) for dimension in shown],
        ),
    ]
    return image_panels(panels, title=title, subtitle=about)


def join_frames(frames: Sequence[bytes]) -> bytes:
    """The GIF of some PNG files, which may differ in size, and are shown for ever, one after the other."""
    images = [Image.open(io.BytesIO(frame)).convert("RGB") for frame in frames]
    size = tuple(max(image.size[side] for image in images) for side in (0, 1))
    pages = [Image.new("RGB", size, "white") for _ in images]
    for page, image in zip(pages, images):
        page.paste(image)
    palettes = [page.reduce(SHRINK).quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE) for page in pages]
    durations = [MILLISECONDS] * (len(frames) - 1) + [LAST]
    file = io.BytesIO()
    palettes[0].save(file, "GIF", save_all=True, append_images=palettes[1:], duration=durations, loop=0)
    return file.getvalue()
