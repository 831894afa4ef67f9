"""explore.html: a page that decodes in the browser, with models of an experiment that saw the same data."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import vae
from utils.datasets import Dataset, load_dataset
from utils.explore.decoders import describe, to_text
from utils.figures.images import tile
from utils.figures.one_run import run_title
from utils.figures.one_run.posteriors import Posteriors, read_posteriors, to_numpy
from utils.figures.style import CLASS_COLORS, look_of
from utils.grids.saved import SavedRun, experiment_runs
from utils.pages import data_address, render
from utils.results.labels import count_of, run_label, table_order, told_flags
from utils.runs.folder import EXPLORE, ResultsError, ResultsFolder, experiment_folder
from vae.inputs import to_unit_interval
from vae.losses import LOSSES
from vae.random import Stream, seed_everything

HERE = Path(__file__).parent
IMAGES = 300  # of the test split
DRAWS = 200  # from the prior
COLUMNS = 20  # of the sheet of images
MOST_MODELS = 8  # in one page: a decoder has some 600 KB


def write_explorer(experiment: str, results_dir: Path, data_dir: Path) -> None:
    """Write explore.html into results/<experiment>/, of a single run or of a grid.

    Of a grid there is the first seed of each configuration. Raises ResultsError if there is no such experiment, or the
    page does not know the decoder of a model; DatasetError if the test images are not there.
    """
    folder = experiment_folder(results_dir, experiment).path
    runs = chosen(experiment_runs(folder))
    first = runs[0].config
    test = load_dataset(first.dataset, "test", data_dir, first.test_size)
    print(f"{count_of(len(runs), 'model')} to play with in {write_page(folder, runs, test)}")


def write_page(folder: Path, runs: Sequence[SavedRun], test: Dataset) -> Path:
    """Write explore.html into a folder, of runs that share their test data."""
    content = {"models": [describe_run(run, test) for run in runs], **describe_data(test)}
    page = render(
        HERE / "explore.html",
        HERE / "explore.css",
        [HERE / "decoder.js", HERE / "explore.js"],
        name=folder.name,
        runs=[summary_of(run) for run in runs],
        common=common_settings(runs),
        content=json.dumps(content).replace("<", "\\u003c"),
    )
    ResultsFolder(folder).replace(EXPLORE, lambda file: file.write(page.encode()))
    return folder / EXPLORE


def summary_of(run: SavedRun) -> dict[str, str]:
    """What the page says of a run beside the others."""
    test, loss = run.evaluation["test"], LOSSES[run.config.loss]
    return {
        "name": run_label(run.config, told_flags(run.config)),
        "formula": loss.formula,
        "summary": loss.summary,
        "color": look_of(run.config.loss).color,
        "squared_error": f"{test['squared_error']:.2f}",
        "kl": f"{-test['elbo'] - test['reconstruction']:.2f}",
        "used": f"{test['active_units']} of {run.config.latent_dim}",
    }


def common_settings(runs: Sequence[SavedRun]) -> str:
    """The settings that runs share and that matter most, in words."""
    first = runs[0].config
    words = {
        "dataset": first.dataset,
        "rec_dist": f"trained with {first.rec_dist}",
        "epochs": count_of(first.epochs, "epoch"),
        "lr": f"learning rate {first.lr:g}",
        "train_size": f"{first.train_size:,} training images" if first.train_size else "all training images",
        "seed": f"seed {first.seed}",
    }
    shared = [name for name in words if len({getattr(run.config, name) for run in runs}) == 1]
    return ", ".join(words[name] for name in shared)


def chosen(runs: Sequence[SavedRun]) -> list[SavedRun]:
    """Of runs that have ended, on the first one's data, the first seed of each configuration; not too many."""
    ended = sorted((run for run in runs if run.ended), key=lambda run: (table_order(run.config), run.config.seed))
    if not ended:
        raise ResultsError("--explore: no run has ended: train one first")
    found: dict[str, SavedRun] = {}
    for run in ended:
        if (run.config.dataset, run.config.test_size) == (ended[0].config.dataset, ended[0].config.test_size):
            found.setdefault(json.dumps({**run.config.flags(), "seed": None}), run)
    return list(found.values())[:MOST_MODELS]


@torch.inference_mode()
def describe_run(run: SavedRun, test: Dataset) -> dict[str, Any]:
    """A model: its decoder, its dimensions, what it makes of the test images, and draws from its prior."""
    model, _, _ = vae.load(run.folder.path)
    decoder = describe(model)
    seed_everything(run.config.seed, Stream.PICTURES)
    posteriors = read_posteriors(model, test, IMAGES, noise=run.config.noise)
    seed_everything(0, Stream.PICTURES)  # the same draws from the same prior, whatever the seed of the run
    prior_mean, prior_sd = model.prior.mean_and_sd()
    return {
        **decoder,
        "name": run_label(run.config, told_flags(run.config)),
        "about": run_title(run.config),
        "color": look_of(run.config.loss).color,
        "dimensions": [describe_dimension(posteriors, j, prior_mean, prior_sd) for j in posteriors.order],
        "means": to_text(to_numpy(posteriors.mean)),
        "draws": to_text(to_numpy(model.prior.sample(DRAWS))),
        "centre": prior_mean.tolist(),
    }


def describe_dimension(posteriors: Posteriors, j: int, mean: torch.Tensor, sd: torch.Tensor) -> dict[str, Any]:
    """A dimension, and the range of its slider: three standard deviations of the prior, and where test images are."""
    own = posteriors.mean[:, j]
    low, high = min((mean[j] - 3 * sd[j]).item(), own.min().item()), max((mean[j] + 3 * sd[j]).item(), own.max().item())
    used = bool(posteriors.used[j])
    return {
        "index": j,
        "kl": round(posteriors.kl[j].item(), 3),
        "used": used,
        "low": round(low, 2),
        "high": round(high, 2),
    }


def describe_data(test: Dataset) -> dict[str, Any]:
    """The first test images as one sheet, and the class or the first factor of each."""
    images = to_numpy(to_unit_interval(test.images[:IMAGES]))
    rows = -(-len(images) // COLUMNS)
    padded = np.zeros((rows * COLUMNS, *images.shape[1:]), np.float32)
    padded[: len(images)] = images
    sheet = tile(padded.reshape(rows, COLUMNS, *images.shape[1:]), gap=0)
    buffer = io.BytesIO()
    Image.fromarray((sheet * 255).round().astype(np.uint8)).save(buffer, "PNG", optimize=True)
    labels = test.labels if test.labels is not None else test.factors[:, 0] if test.factors is not None else None
    name = "class" if test.labels is not None else next(iter(test.factor_names), "factor 1")
    return {
        "sheet": data_address(buffer.getvalue()),
        "columns": COLUMNS,
        "count": len(images),
        "labels": labels[: len(images)].tolist() if labels is not None else None,
        "labelName": name,
        "colors": CLASS_COLORS,
    }
