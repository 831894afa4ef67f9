import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from utils.datasets.packed import PackedImages


def pack(pixels: np.ndarray) -> PackedImages:
    bits = np.packbits(pixels.reshape(len(pixels), -1), axis=1)
    return PackedImages(torch.from_numpy(bits), pixels.shape[1:])


@given(arrays(np.bool_, st.tuples(st.integers(1, 5), st.integers(1, 2), st.integers(1, 4), st.just(8))))
def test_packing_and_unpacking_gives_back_the_images(pixels):
    images = pack(pixels)
    assert images[:].dtype == images.dtype == torch.uint8
    assert np.array_equal(images[:].numpy(), pixels * np.uint8(255))


@pytest.mark.parametrize(
    "index",
    [
        3,
        -1,
        slice(2, 7),
        slice(None, None, 3),
        torch.tensor([4, 0, 4]),
        torch.arange(10) % 2 == 0,
        torch.arange(0),
    ],
    ids=str,
)
def test_indexing_equals_that_of_the_tensor_it_stands_for(index):
    pixels = np.random.default_rng(0).random((10, 1, 4, 16)) < 0.5
    tensor = torch.from_numpy(pixels * np.uint8(255))
    images = pack(pixels)
    assert torch.equal(images[index], tensor[index])
    assert images[index].is_contiguous()


@pytest.mark.parametrize("index", [[4, 0, 4], [9], []], ids=str)
def test_selecting_equals_that_of_the_tensor_it_stands_for(index):
    pixels = np.random.default_rng(0).random((10, 1, 4, 16)) < 0.5
    index = torch.tensor(index, dtype=torch.int64)
    assert torch.equal(pack(pixels).index_select(0, index), torch.from_numpy(pixels * np.uint8(255))[index])


def test_length_shape_and_device_are_those_of_the_images():
    images = pack(np.zeros((10, 1, 64, 64), dtype=bool))
    assert len(images) == 10
    assert images.shape == torch.Size([10, 1, 64, 64])
    assert images.device == torch.device("cpu")
    assert images.packed.nbytes == 10 * 512


def test_moving_keeps_the_images():
    pixels = np.random.default_rng(0).random((3, 1, 4, 16)) < 0.5
    moved = pack(pixels).to("cpu")
    assert torch.equal(moved[:], pack(pixels)[:])
    assert pack(pixels).to("meta")[torch.tensor([0])].device == torch.device("meta")


def test_bits_that_do_not_fit_the_shape_are_refused():
    with pytest.raises(ValueError, match=r"need uint8 of shape \(N, 512\)"):
        PackedImages(torch.zeros(3, 511, dtype=torch.uint8), (1, 64, 64))
