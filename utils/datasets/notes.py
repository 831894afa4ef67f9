"""What a run says of the user's own data before it begins: how it was taken, and what is odd about it."""

from collections.abc import Iterable, Sequence

import numpy as np
from torch import Tensor

from utils.machine.console import counted

FEW = 3  # names that are shown of many
CLASSES_SHOWN = 10
QUARTER, HALF = 64, 128  # of the range of a byte
ALIKE = 1.0  # standard deviation of a pixel over the images, of 255, below which they are all the same


def few(names: Sequence[str]) -> str:
    """The first few of some names, and that there are more."""
    return ", ".join(names[:FEW]) + (", …" if len(names) > FEW else "")


def left_out_note(left_out: dict[str, list[str]]) -> str:
    """A clause on what was left out, by its reason; nothing if nothing was."""
    counts = [f"{reason} {len(names):,} ({few(names)})" for reason, names in left_out.items()]
    return f"; left out: {', '.join(counts)}" if counts else ""


def shape_note(shape: Sequence[int]) -> str:
    """The form of one image or vector."""
    if len(shape) == 1:
        return f"{counted(shape[0], 'number')} each"
    colour = {1: "grey", 3: "colour"}.get(shape[0], f"of {shape[0]} channels")
    return f"{shape[1]}x{shape[2]} {colour}"


def class_note(classes: Sequence[str], labels: Iterable[Tensor] = ()) -> str:
    """How many classes there are, what they are called, and how many of all labels stand for none."""
    if not classes:
        return "no labels"
    shown = ", ".join(classes[:CLASSES_SHOWN]) + (", …" if len(classes) > CLASSES_SHOWN else "")
    unlabelled = sum(int((own < 0).sum()) for own in labels)
    number = "1 class" if len(classes) == 1 else f"{len(classes):,} classes"
    return f"{number} ({shown})" + (f", {unlabelled:,} without a label" if unlabelled else "")


def image_notes(images: Tensor, split: str, brighter: str) -> list[str]:
    """The range of uint8 images (N, C, H, W), in a line for train only, and warnings on either split in a line each.

    Arguments:
        brighter: what to do where images are nearly black, with {} for a factor.
    """
    low, high = int(images.min()), int(images.max())
    mean = int(images.numpy().sum(dtype=np.uint64)) / images.numel()  # PyTorch takes seventy times as long
    notes = [f"values {low} to {high} of 255, mean {mean:.3g}"] if split == "train" else []
    if low == high:
        return [*notes, f"warning: every pixel of every {split} image is {low}: there is nothing to learn"]
    flat = images.flatten(1)
    lowest, highest = flat.amin(1).float().median().item(), flat.amax(1).float().median().item()
    if highest - lowest < HALF:
        dark, light = highest < QUARTER, lowest > 255 - QUARTER
        how = "are nearly black" if dark else "are nearly white" if light else "use a part of the range only"
        remedy = brighter.format(f"{255 / max(highest, 1):.3g}") if dark else "stretch their contrast"
        notes.append(
            f"warning: half of the {split} images or more {how}, values from about {lowest:.0f} to {highest:.0f} of "
            f"255: {remedy}"
        )
    elif len(images) > 1 and deviation(images) < ALIKE:
        notes.append(f"warning: the {split} images are all nearly the same: check that they are the ones you mean")
    return notes


def deviation(images: Tensor) -> float:
    """The standard deviation of a pixel over uint8 images (N, C, H, W), the root of its variance's mean over pixels."""
    first, second = np.zeros((2, *images.shape[1:]))
    for part in images.split(1024):  # in integers, which NumPy adds the fastest
        values = part.numpy()
        first += values.sum(0, dtype=np.uint32)
        second += np.square(values, dtype=np.uint16).sum(0, dtype=np.uint32)
    variance = second / len(images) - np.square(first / len(images))
    return float(np.sqrt(variance.clip(min=0).mean()))


def vector_notes(vectors: Tensor, split: str) -> list[str]:
    """The range of float32 vectors (N, D) of train in a line, and warnings in a line each; nothing of another split."""
    if split != "train":
        return []
    notes = [f"values {vectors.min():.3g} to {vectors.max():.3g}"]
    deviations = vectors.double().std(0, correction=0)
    constant = [str(int(dimension)) for dimension in (deviations == 0).nonzero()]
    if constant:
        notes.append(f"warning: dimension {few(constant)} of the vectors never changes: leave it out")
    elif deviations.max() > 10 or deviations.min() < 0.1:
        notes.append(
            f"warning: standard deviations of the dimensions run from {deviations.min():.3g} to "
            f"{deviations.max():.3g}: standardise them, (v - v.mean(0)) / v.std(0)"
        )
    return notes
