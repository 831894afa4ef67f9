"""Binary images at one bit a pixel, behind the face of a uint8 tensor."""

import numpy as np
import torch


def _byte_to_pixels() -> torch.Tensor:
    """The eight pixels of every byte, first pixel in the highest bit: 256 int64, each 8 bytes of 0 or 255.

    One int64 for eight pixels makes unpacking a gather of single elements, faster than one of rows of bytes.
    """
    pixels = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1) * np.uint8(255)
    return torch.from_numpy(pixels.view(np.int64).reshape(256))


class PackedImages:
    """N binary images, eight pixels to a byte as `np.packbits` lays them.

    Has the length, shape, dtype, device and indexing of the uint8 tensor of shape (N, C, H, W), values 0 and
    255, that it stands for: an index (slice, tensor of integers or booleans, integer) unpacks what it names.

    Arguments:
        packed: uint8 tensor of shape (N, C·H·W / 8).
        image_shape: (C, H, W), with C·H·W divisible by 8.
    """

    dtype = torch.uint8

    def __init__(self, packed: torch.Tensor, image_shape: tuple[int, int, int]):
        pixels = 8 * packed.shape[-1]
        if packed.ndim != 2 or packed.dtype != torch.uint8 or pixels != np.prod(image_shape):
            raise ValueError(
                f"packed is {packed.dtype} of shape {tuple(packed.shape)}; images of shape "
                f"{tuple(image_shape)} need uint8 of shape (N, {np.prod(image_shape) / 8:g})"
            )
        self.packed = packed
        self.shape = torch.Size((len(packed), *image_shape))
        self._pixels = _byte_to_pixels().to(packed.device)

    def __len__(self) -> int:
        return len(self.packed)

    def __getitem__(self, index) -> torch.Tensor:
        return self._unpack(self.packed[index])

    def index_select(self, dim: int, index: torch.Tensor) -> torch.Tensor:
        """The images of these indices, 0 to N - 1, in their order; dim is 0. Quicker than indexing, for batches."""
        return self._unpack(self.packed.index_select(dim, index))

    def narrow(self, dim: int, start: int, length: int) -> "PackedImages":
        """So many images from a place on, packed as they are; dim is 0."""
        return PackedImages(self.packed.narrow(dim, start, length), tuple(self.shape[1:]))

    def _unpack(self, rows: torch.Tensor) -> torch.Tensor:
        pixels = self._pixels.index_select(0, rows.flatten().int()).view(torch.uint8)  # [...] takes thrice as long
        return pixels.reshape(*rows.shape[:-1], *self.shape[1:])

    @property
    def device(self) -> torch.device:
        """Where the bits lie and where images come out."""
        return self.packed.device

    def to(self, device) -> "PackedImages":
        """The same images with their bits on another device."""
        return PackedImages(self.packed.to(device), tuple(self.shape[1:]))
