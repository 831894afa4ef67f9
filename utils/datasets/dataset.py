"""What a data set is: images as bytes in memory, or vectors, with what is known about each."""

from dataclasses import dataclass, replace

import torch

from utils.datasets.packed import PackedImages
from utils.machine.console import escaped


class DatasetError(Exception):
    """A problem that the user can mend, told in one line: what is wrong, what was expected, what to do."""

    def __init__(self, message: str):
        super().__init__(printable(message))


def printable(text: str) -> str:
    """A text that quotes strangers' names, as one line that any console shows and no terminal obeys."""
    return escaped(" ".join(text.split()))


@dataclass(frozen=True)
class Dataset:
    """One split of a data set, in its fixed order.

    Arguments:
        name: the name under which it was loaded.
        split: "train" or "test".
        source: in a few words, where the data come from; never a path.
        sha256: hex digest that identifies the data.
        images: values 0..255, shape (N, C, H, W): a uint8 tensor, or packed bits that index like one.
        vectors: instead of images, float32, shape (N, D).
        labels: class of each example, from 0, or -1 where it has none: int64, shape (N,).
        factors: class index of each generative factor, int64, shape (N, factors).
        factor_names: what the factors are called, in the order of the columns.
        notes: of the user's own data, what was taken and what is odd about it: lines to be shown before a run begins.
    """

    name: str
    split: str
    source: str
    sha256: str
    images: torch.Tensor | PackedImages | None = None
    vectors: torch.Tensor | None = None
    labels: torch.Tensor | None = None
    factors: torch.Tensor | None = None
    factor_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self):
        """Raise DatasetError for data of another type or shape, and where not every example has a label or factors."""
        if self.data is None:
            return
        what, expected, shape = ("images", torch.uint8, "(N, C, H, W)")
        if self.vectors is not None:
            what, expected, shape = ("vectors", torch.float32, "(N, D)")
        if self.data.dtype != expected:
            raise DatasetError(f"{self.name}: the {what} are {self.data.dtype}; expected {expected}")
        if len(self.data.shape) != shape.count(",") + 1:
            raise DatasetError(f"{self.name}: the {what} have the shape {tuple(self.data.shape)}; expected {shape}")
        for name in ("labels", "factors"):
            of_each = getattr(self, name)
            if of_each is not None and len(of_each) != len(self):
                raise DatasetError(f"{self.name}: {len(of_each)} {name} of {len(self)} {what}; expected as many")

    def __len__(self) -> int:
        return len(self.data)

    @property
    def data(self) -> torch.Tensor | PackedImages:
        """What models are trained on: the images or the vectors, whichever there are."""
        return self.images if self.vectors is None else self.vectors

    def to(self, device: torch.device) -> "Dataset":
        """The same split with its images or vectors on a device."""
        return replace(self, **{"images" if self.vectors is None else "vectors": self.data.to(device)})

    def padded(self, side: int) -> "Dataset":
        """The same split with a margin of zeros around its images, to that side; a note says so."""
        before, after = (side - self.images.shape[-1]) // 2, -((self.images.shape[-1] - side) // 2)
        images = torch.nn.functional.pad(self.images, (before, after, before, after))
        note = f"{self.name}: padded with zeros to {side}x{side}, a size that the network takes"
        return replace(self, images=images, notes=(*self.notes, note))

    def first(self, count: int) -> "Dataset":
        """The split with so many of its examples, or with all."""
        return self._part(0, min(count, len(self)), self.split)

    def held_out(self, count: int, name: str) -> tuple["Dataset", "Dataset"]:
        """The split without its last examples, and these as a split of that name."""
        kept, held = (0, len(self) - count), (len(self) - count, count)
        return self._part(*kept, self.split), self._part(*held, name)

    def _part(self, start: int, length: int, split: str) -> "Dataset":
        held = {name: getattr(self, name) for name in ("images", "vectors", "labels", "factors")}
        parts = {name: own.narrow(0, start, length) for name, own in held.items() if own is not None}
        return replace(self, split=split, **parts)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(C, H, W) of one image; (D,) of one vector."""
        return tuple(self.data.shape[1:])
