"""Pictures of several models beside each other: what each makes of the same images, and of its latents."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from matplotlib.figure import Figure
from torch import Tensor

import vae
from utils.figures.images import image_panels
from utils.figures.one_run import to_numpy, traversed
from utils.figures.panels import columns, finish, plain_ticks, stars
from utils.figures.style import LEARNT, STYLES
from utils.grids.protocols import Protocol, evaluated
from utils.grids.saved import SavedRun
from vae.divergences import geometric_js_divergence
from vae.inputs import add_noise, to_unit_interval
from vae.models import VAE
from vae.random import Stream, seed_everything

ENCODED = 500  # test images over which means and variances are taken

Runs = dict[str, SavedRun]  # by what they are to be called


def compared(protocol: Protocol, losses: Sequence[str]) -> Runs:
    """A run of each loss, where there is one: of several its first seed, and of several alphas the least."""
    runs = {}
    for loss in losses:
        for run in protocol.of(loss, over="GJS_A")[:1]:
            alpha = f", α = {run.config.loss_options['GJS_A']:g}" if loss in LEARNT else ""
            runs[STYLES[loss].label + alpha] = run
    return runs


def by_weight(protocol: Protocol) -> dict[str, Runs]:
    """A run of GJS of each alpha, for each weight lambda."""
    return {
        f"λ = {weight:g}": {
            f"α = {alpha:g}": runs[0] for alpha, runs in protocol.over("GJS_A", "GJS", GJS_B=weight).items()
        }
        for weight in protocol.values("GJS_B", "GJS")
    }


def by_noise(protocol: Protocol) -> dict[str, Runs]:
    """A run of each loss, for each standard deviation of the noise."""
    panels: dict[float, Runs] = {}
    for loss, style in STYLES.items():
        for sd, runs in protocol.over("noise", loss).items():
            panels.setdefault(sd, {})[style.label] = runs[0]
    return {f"noise {sd:g}": panels[sd] for sd in sorted(panels)}


@torch.inference_mode()
def traversals_side_by_side(protocol: Protocol, runs: Runs, *, count: int = 5) -> Figure:
    """Figure 4: for each model the traversals of some dimensions, one a row, from -1.96 to 1.96; the others stay at 0.

    Its dimensions are those whose posterior means vary most over test images, in that order.
    """
    panels = {}
    for name, run in runs.items():
        model = model_of(run)
        variance = model.encode(test_images(protocol, ENCODED))[0].var(0)
        dimensions = variance.argsort(descending=True)[:count].tolist()
        labels = [f"$z_{{{dimension + 1}}}$" for dimension in dimensions]
        panels[name] = to_numpy(traversed(model, dimensions)), labels
    return image_panels(panels, title=replace(protocol, runs=list(runs.values())).title)


@torch.inference_mode()
def reconstructions_side_by_side(protocol: Protocol, panels: dict[str, Runs], *, count: int = 10) -> Figure:
    """In each panel, by title, test images above what its models make of them at z = posterior mean.

    With each model is its squared error on the whole test split. Where the models of a panel were trained with noise,
    what they see is between the images and their reconstructions.
    """
    images = test_images(protocol, count)
    grids = {}
    for title, runs in panels.items():
        (noise,) = {run.config.noise for run in runs.values()}
        seed_everything(0, Stream.PICTURES)
        inputs = add_noise(images, noise)
        rows = {"image": images, "input": inputs} if noise else {"image": images}
        for name, run in runs.items():
            model, (error,) = model_of(run), evaluated([run], "squared_error")
            rows[f"{name}: {error:.1f}"] = model.decode(model.encode(inputs)[0])
        grids[title] = to_numpy(torch.stack(list(rows.values()))), list(rows)
    shown = [run for runs in panels.values() for run in runs.values()]
    return image_panels(grids, title=replace(protocol, runs=shown).title)


@torch.inference_mode()
def divergence_landscape(protocols: Sequence[Protocol]) -> Figure:
    """The divergence of test images as it would be with another alpha, for models whose alpha was learnt: the stars."""
    figure, (row,) = columns(protocols, rows=1)
    alpha = torch.linspace(0, 1, 101)
    for axes, protocol in zip(row, protocols):
        for loss in LEARNT.values():
            for run in protocol.of(loss, over="GJS_A"):
                posterior = model_of(run).encode(test_images(protocol, ENCODED))
                (learnt,) = evaluated([run], "alpha")
                every = torch.cat([alpha, torch.tensor([learnt])])
                skew = "paper" if run.config.loss_options["GJS_invA"] else "nielsen"
                values = geometric_js_divergence(*posterior, every.view(-1, 1), dual=loss == "tdGJS", skew=skew).mean(1)
                axes.plot(alpha, values[:-1], color=STYLES[loss].color)
                stars(axes, [learnt], values[-1:].tolist(), *STYLES[loss])
        axes.set(xlim=(0, 1), xlabel="α", yscale="log")
        plain_ticks(axes.yaxis)
    row[0].set_ylabel("divergence (nats)")
    finish(figure, row)
    return figure


def model_of(run: SavedRun) -> VAE:
    """The model that a run has left, in evaluation mode."""
    model, _, _ = vae.load(run.folder.path)
    return model


def test_images(protocol: Protocol, count: int) -> Tensor:
    """The first test images, (count, C, H, W) in [0, 1]."""
    return to_unit_interval(protocol.test.images[:count])
