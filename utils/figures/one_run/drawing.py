"""Every picture of a run, by the names of their files."""

from typing import Any

from matplotlib.figure import Figure
from torch.distributions import Distribution

from utils.datasets import Dataset, portable_name
from utils.figures.charts import training_curves
from utils.figures.one_run.decoded import class_samples, interpolations, reconstructions, samples, traversals
from utils.figures.one_run.latent import latent_map, marginals, vector_samples
from utils.figures.one_run.posteriors import Posteriors, read_posteriors
from utils.machine.console import counted
from utils.results.labels import flag_label, learnt_option, symbol_of, told_flags, without_mathematics
from utils.runs.config import RunConfig
from utils.runs.folder import (
    CLASSES,
    CURVES,
    FITTED_SAMPLES,
    INTERPOLATIONS,
    LATENT,
    MARGINALS,
    RECONSTRUCTIONS,
    SAMPLES,
    TRAVERSALS,
)
from vae.models import VAE
from vae.models.categorical import CategoricalVAE
from vae.models.likelihoods import LIKELIHOODS
from vae.models.networks import usual_network
from vae.random import Stream, seed_everything

ENCODED = 2000  # test examples whose posteriors are looked at


def draw_run(
    model: VAE, splits: dict[str, Dataset], config: RunConfig, metrics: list[dict[str, Any]]
) -> dict[str, Figure]:
    """Every picture of a run by the name of its file, of its model in evaluation mode, its splits and its metrics.

    `metrics` has the lines of metrics.jsonl, or none. What is random follows from the run's seed.
    """
    seed_everything(config.seed, Stream.PICTURES)
    about = run_title(config)
    posteriors = read_posteriors(model, splits["test"], ENCODED, noise=config.noise)
    draw = image_figures if splits["test"].vectors is None else vector_figures
    figures = draw(model, splits, posteriors, about)
    figures |= {
        LATENT: latent_map(model, posteriors, about=about),
        MARGINALS: marginals(model, posteriors, about=about),
    }
    if model.sampler:
        figures[FITTED_SAMPLES] = drawn_samples(model, splits, posteriors, about, model.sampler)
    return {**figures, CURVES: training_curves(metrics, about=about)} if metrics else figures


def image_figures(model: VAE, splits: dict[str, Dataset], posteriors: Posteriors, about: str) -> dict[str, Figure]:
    """The pictures that show images."""
    figures = {
        RECONSTRUCTIONS: reconstructions(model, splits["test"], posteriors, about=about),
        SAMPLES: drawn_samples(model, splits, posteriors, about),
        TRAVERSALS: traversals(model, posteriors, about=about),
    }
    if isinstance(model, CategoricalVAE):
        figures |= {CLASSES: class_samples(model, about=about), INTERPOLATIONS: interpolations(model, about=about)}
    return figures


def vector_figures(model: VAE, splits: dict[str, Dataset], posteriors: Posteriors, about: str) -> dict[str, Figure]:
    """The picture that shows vectors."""
    return {SAMPLES: drawn_samples(model, splits, posteriors, about)}


def drawn_samples(
    model: VAE, splits: dict[str, Dataset], posteriors: Posteriors, about: str, source: Distribution | None = None
) -> Figure:
    """Samples of images or vectors, of latents that are drawn from the prior or from what was fitted to latents."""
    if splits["test"].vectors is None:
        return samples(model, splits["train"], about=about, source=source)
    vectors = splits["test"].vectors[: len(posteriors.mean)]
    return vector_samples(model, vectors, posteriors.classes, about=about, source=source)


def run_title(config: RunConfig) -> str:
    """The loss with the options that tell it from others, the data, and how it was trained: dGJS, α = 0.3; mnist, …"""
    told = [flag_label(name, config.flags()[name]) for name in told_flags(config)]
    told += [f"{symbol_of(option)} learnt"] if (option := learnt_option(config.loss)) else []
    size = f" (first {config.train_size:,})" if config.train_size else ""
    name = without_mathematics(portable_name(config.dataset))
    network = [config.network] * (config.network != usual_network(LIKELIHOODS[config.rec_dist].data))
    noise = [f"noise {config.noise:g}"] if config.noise else []
    others = [*network, *config.chosen_parts(), *noise]
    parts = [f"{name}{size}", config.rec_dist, *others, counted(config.epochs, "epoch"), f"seed {config.seed}"]
    return f"{', '.join([config.loss, *told])}; {', '.join(parts)}"
