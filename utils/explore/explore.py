"""explore.html: a page that decodes in the browser, with models of an experiment that saw the same data."""

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import vae
from utils.datasets import Dataset, data_kind, portable_name
from utils.datasets.record import check_same_data
from utils.explore.comparison import (
    Configuration,
    colors_of,
    common_settings,
    configurations,
    curves_address,
    differing_settings,
    every_quantity,
    summary_of,
    two_in_words,
)
from utils.explore.decoders import describe, to_text
from utils.figures.images import tile
from utils.figures.one_run import run_title
from utils.figures.one_run.posteriors import Posteriors, read_posteriors, to_numpy
from utils.figures.style import class_colors
from utils.grids.saved import SavedRun, experiment_runs, pages_held
from utils.machine.console import counted
from utils.pages import data_address, render
from utils.results.groups import check_data
from utils.results.labels import labels_of
from utils.runs.config import RunConfig
from utils.runs.folder import EXPLORE, ResultsError
from utils.runs.loading import LARGEST, experiment_folder, load_split
from vae.inputs import to_unit_interval
from vae.models.likelihoods import LIKELIHOODS
from vae.models.networks import NETWORKS
from vae.random import Stream, seed_everything
from vae.saved import build

HERE = Path(__file__).parent
IMAGES = 300  # of the test split
DRAWS = 200  # from the prior
COLUMNS = 20  # of the sheet of images
MOST_MODELS = 8  # in one page: a decoder has some 600 KB


def write_explorer(
    experiment: str, results_dir: Path, data_dir: Path, compared: Sequence[str] = (), datasets: Sequence[str] = ()
) -> None:
    """Write explore.html into results/<experiment>/, of its runs or, where some are `compared`, of those.

    These are names in the results directory, or folders anywhere, of single runs or of grids. `datasets` are the data
    that the runs were just trained with, by their whole paths, which results do not record. Raises ResultsError if
    there is no such experiment, runs have other data by the same name, or the page does not know the decoder of a
    model; DatasetError if the test images are not there, or are others than those of the run.
    """
    folder = experiment_folder(results_dir, experiment, again="the same command writes it")
    places = [results_dir / name if (results_dir / name).exists() else Path(name) for name in compared]
    runs = [run for place in places or [folder.path] for run in experiment_runs(place)]
    check_data(runs)
    groups = configurations(runs)
    if places:
        folder.check_place()
        folder.path.mkdir(parents=True, exist_ok=True)
    shown = on_first_data(groups)
    test = test_images(shown[0][0], data_dir, datasets)
    page = page_of(experiment, groups, shown, test)
    with pages_held(folder):
        folder.replace(EXPLORE, lambda file: file.write(page.encode()))
    print(f"{counted(len(shown), 'model')} to play with in {folder / EXPLORE}")


def check_explorable(configs: Sequence[RunConfig]) -> None:
    """Raise ResultsError for runs that are still to be trained, if the page will not know their decoders."""
    kinds = [data_kind(config.dataset) or LIKELIHOODS[config.rec_dist].data for config in configs]
    images = [config for config, kind in zip(configs, kinds) if kind == "images"]
    if not images:
        raise ResultsError(
            f"--explore: --dataset {configs[0].dataset} has vectors, the page shows images: leave it out"
        )
    for config in {config.network: config for config in images}.values():
        shapes = ((1, side, side) for side in range(config.image_size or 1, LARGEST + 1))
        shape = next(filter(NETWORKS[config.network].takes, shapes), None)
        if shape:  # the data may be of another, for which the layers are of the same kinds
            model, _ = build(config, shape, dataset_size=1)
            describe(model)


def test_images(run: SavedRun, data_dir: Path, datasets: Sequence[str]) -> Dataset:
    """The test images of a run, from where one of the data sets lies or from below the data directory."""
    dataset = next((name for name in datasets if portable_name(name) == run.config.dataset), run.config.dataset)
    test = load_split(replace(run.config, dataset=dataset), "test", data_dir, run.config.test_size)
    check_same_data(run.record["data"], {"test": test})
    return test


def page_of(name: str, groups: list[Configuration], shown: list[Configuration], test: Dataset) -> str:
    """The page of all configurations, of which the first seeds of those that are shown can be played with."""
    colors = colors_of(groups, labels_of([own[0].config for own in groups]))
    named = list(zip(groups, colors.items(), strict=True))
    content = {
        "models": [describe_run(own[0], test, *look) for own, look in named if own in shown],
        **describe_data(test),
    }
    return render(
        HERE / "explore.html",
        HERE / "explore.css",
        [HERE / "decoder.js", HERE / "explore.js"],
        name=name,
        runs=[summary_of(own, *look) for own, look in named],
        quantities=every_quantity(groups),
        in_words=two_in_words(groups, list(colors)),
        several_shown=len(shown) > 1,
        several_seeds=any(len(own) > 1 for own in groups),
        common=common_settings(groups),
        differing=differing_settings(groups),
        curves=curves_address(groups, colors),
        content=json.dumps(content).replace("<", "\\u003c"),
    )


def on_first_data(groups: list[Configuration]) -> list[Configuration]:
    """The configurations on the data of the first one; not too many."""

    def data_of(own: Configuration) -> tuple[str, list[int], int | None]:
        data = own[0].record["data"]
        return data["sha256"]["test"], data["image_shape"], own[0].config.test_size

    return [own for own in groups if data_of(own) == data_of(groups[0])][:MOST_MODELS]


@torch.inference_mode()
def describe_run(run: SavedRun, test: Dataset, name: str, color: str) -> dict[str, Any]:
    """A model: its decoder, its dimensions, what it makes of the test images, and draws from its prior."""
    model, _, _ = vae.load(run.folder.path)
    decoder = describe(model)
    seed_everything(run.config.seed, Stream.PICTURES)
    posteriors = read_posteriors(model, test, IMAGES, noise=run.config.noise)
    seed_everything(0, Stream.PICTURES)  # the same draws from the same prior, whatever the seed of the run
    prior_mean, prior_sd = model.prior.mean_and_sd()
    return {
        **decoder,
        "name": name,
        "about": run_title(run.config),
        "color": color,
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
        "colors": class_colors(int(labels.max()) + 1) if labels is not None else [],
    }
