"""What a data set is: images as bytes in memory, with what is known about each."""

from dataclasses import dataclass

import torch

from .packed import PackedImages

__all__ = ["Dataset", "DatasetError"]


class DatasetError(Exception):
    """A problem that the user can mend, told in one line: what is wrong, what was expected, what to do."""

    def __init__(self, message: str):
        super().__init__(" ".join(message.split()))


@dataclass(frozen=True)
class Dataset:
    """One split of a data set, in its fixed order.

    Arguments:
        name: the name under which it was loaded.
        split: "train" or "test".
        images: values 0..255, shape (N, C, H, W): a uint8 tensor, or packed bits that index like one.
        source: in a few words, where the images come from; never a path.
        sha256: hex digest that identifies the data.
        labels: class of each image, int64, shape (N,).
        factors: class index of each generative factor, int64, shape (N, factors).
    """

    name: str
    split: str
    images: torch.Tensor | PackedImages
    source: str
    sha256: str
    labels: torch.Tensor | None = None
    factors: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        return tuple(self.images.shape[1:])
