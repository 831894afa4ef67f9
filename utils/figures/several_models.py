"""Pictures of several models beside each other: what each makes of the same images, and of its latents."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from matplotlib.figure import Figure
from torch import Tensor

import vae
from utils.figures.images import Tiles, image_panels
from utils.figures.one_run.decoded import traversed
from utils.figures.one_run.posteriors import to_numpy
from utils.figures.panels import bounds, finish, learners, option_axis, panels, plain_ticks, stars
from utils.figures.style import latent_name, look_of
from utils.grids.saved import SavedRun
from utils.results.groups import RunGroup, evaluated
from utils.results.labels import flag_label, learnt_option
from utils.runs.config import default_options
from vae.inputs import add_noise, to_unit_interval
from vae.losses import LOSSES, build_loss
from vae.models import VAE
from vae.random import Stream, seed_everything

ENCODED = 500  # test images over which means and variances are taken

Runs = dict[str, SavedRun]  # by what they are to be called


def compared(group: RunGroup, losses: Sequence[str]) -> Runs:
    """A run of each loss, where there is one: of several its first seed, and the least value of its swept option."""
    runs = {}
    for loss in losses:
        for family in group.families(loss)[:1]:
            value, (run, *_) = next(iter(family.series.items()))
            told = [flag_label(family.flag, value)] if family.flag else []
            runs[", ".join([look_of(loss).label, *told])] = run
    return runs


def at_defaults(group: RunGroup) -> Runs:
    """A run of each loss with all of its options at their defaults, where there is one: of several its first seed."""
    runs = {}
    for loss in group.losses:
        options = default_options("loss", loss)
        if own := [run for run in group.of(loss) if run.config.loss_options == options]:
            runs[look_of(loss).label] = own[0]
    return runs


def by_option(group: RunGroup, loss: str) -> dict[str, Runs]:
    """A run of a loss of each value of its swept option, in a panel for each value of its other options."""
    return {
        family.told_label: {flag_label(family.flag, value): runs[0] for value, runs in family.series.items()}
        for family in group.families(loss)
    }


def by_noise(group: RunGroup) -> dict[str, Runs]:
    """A run of each loss, for each standard deviation of the noise."""
    found: dict[float, Runs] = {}
    for loss in group.losses:
        for sd, runs in group.series(loss, over="noise").items():
            found.setdefault(sd, {})[look_of(loss).label] = runs[0]
    return {f"noise {sd:g}": found[sd] for sd in sorted(found)}


@torch.inference_mode()
def traversals_side_by_side(group: RunGroup, runs: Runs, *, count: int = 5) -> Figure:
    """Figure 4: for each model the traversals of some dimensions, one a row, from -1.96 to 1.96; the others stay at 0.

    Its dimensions are those whose posterior means vary most over test images, in that order.
    """
    panels = []
    for name, run in runs.items():
        model = model_of(run)
        variance = model.encode(test_images(group, ENCODED))[0].var(0)
        dimensions = variance.argsort(descending=True)[:count].tolist()
        labels = [latent_name(dimension) for dimension in dimensions]
        panels.append(Tiles(traversed(model, dimensions), name, labels))
    return image_panels(panels, title=replace(group, runs=list(runs.values())).title)


@torch.inference_mode()
def reconstructions_side_by_side(group: RunGroup, runs_by_panel: dict[str, Runs], *, count: int = 10) -> Figure:
    """In each panel, by title, test images above what its models make of them at z = posterior mean.

    With each model is its squared error on the whole test split. Where the models of a panel were trained with noise,
    what they see is between the images and their reconstructions.
    """
    images = test_images(group, count)
    panels = []
    for title, runs in runs_by_panel.items():
        (noise,) = {run.config.noise for run in runs.values()}
        seed_everything(0, Stream.PICTURES)
        inputs = add_noise(images, noise)
        rows = {"image": images, "input": inputs} if noise else {"image": images}
        for name, run in runs.items():
            model, (error,) = model_of(run), evaluated([run], "squared_error")
            rows[f"{name}: {error:.1f}"] = model.decode(model.encode(inputs)[0])
        panels.append(Tiles(to_numpy(torch.stack(list(rows.values()))), title, list(rows)))
    shown = [run for runs in runs_by_panel.values() for run in runs.values()]
    return image_panels(panels, title=replace(group, runs=shown).title)


@torch.inference_mode()
def samples_side_by_side(group: RunGroup, runs: Runs, *, count: int = 10) -> Figure:
    """For each model a row of the means that it decodes from draws of its prior, the same draws for equal priors."""
    rows = {}
    for name, run in runs.items():
        seed_everything(0, Stream.PICTURES)
        rows[name] = model_of(run).sample(count)
    panel = Tiles(to_numpy(torch.stack(list(rows.values()))), "", list(rows))
    return image_panels([panel], title=replace(group, runs=list(runs.values())).title)


@torch.inference_mode()
def divergence_landscape(groups: Sequence[RunGroup]) -> Figure:
    """The divergence of test images over an option that models have learnt; stars are at what they have learnt."""
    figure, (row,) = panels(groups, rows=1)
    for axes, group in zip(row, groups):
        images = test_images(group, ENCODED)
        for loss in learners(group):
            option = learnt_option(loss)
            for run in group.of(loss):
                (learnt,) = evaluated([run], LOSSES[loss].learnt_as)
                values = torch.linspace(*(bounds(option) or (0, 2 * learnt)), 101).tolist()
                *divergences, own = divergences_with(run, images, option, [*values, learnt])
                axes.plot(values, divergences, color=look_of(loss).color)
                stars(axes, [learnt], [own], *look_of(loss))
            option_axis(axes, option)
        axes.set_yscale("log")
        plain_ticks(axes.yaxis)
    row[0].set_ylabel("divergence (nats)")
    finish(figure, row)
    return figure


def divergences_with(run: SavedRun, images: Tensor, option: str, values: Sequence[float]) -> list[float]:
    """The divergence of images with the model of a run, by the loss whose option it learns, for values of that."""
    config, model = run.config, model_of(run)
    output = model(images)
    found = []
    for value in values:
        options = {**config.loss_options, option: value}
        loss = build_loss(LOSSES[config.loss].learns, dataset_size=len(images), latent_dim=config.latent_dim, **options)
        found.append(loss.eval().terms(model, images, output).divergence.item())
    return found


def model_of(run: SavedRun) -> VAE:
    """The model that a run has left, in evaluation mode."""
    model, _, _ = vae.load(run.folder.path)
    return model


def test_images(group: RunGroup, count: int) -> Tensor:
    """The first test images, (count, C, H, W) in [0, 1]."""
    return to_unit_interval(group.test.images[:count])
