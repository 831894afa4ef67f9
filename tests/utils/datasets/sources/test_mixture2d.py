import numpy as np
import pytest
import torch

from utils.datasets import data_kind, load_dataset


@pytest.fixture
def train(tmp_path):
    return load_dataset("mixture2d", "train", tmp_path)


def test_vectors_are_what_is_trained_on(train):
    assert data_kind("mixture2d") == "vectors"
    assert data_kind("mnist") == data_kind("folder:PATH") == "images"
    assert data_kind("npz:PATH") is None  # which its file tells
    assert train.images is None
    assert train.data is train.vectors
    assert train.vectors.dtype == torch.float32
    assert train.vectors.shape == (10_000, 2)
    assert (len(train), train.image_shape) == (10_000, (2,))


def test_components_are_at_their_places_and_the_whole_is_standardised(train):
    """Means and variances within four standard errors of those of the distribution."""
    x, labels = train.vectors.double(), train.labels
    assert x.mean(0).abs().max() < 4 / 100
    assert (x.var(0) - 1).abs().max() < 4 * 2**0.5 / 100
    assert abs(labels.double().mean() - 0.5) < 4 * 0.5 / 100
    original = x * torch.tensor([26**0.5, 1.0])
    for label, centre in ((0, -5.0), (1, 5.0)):
        members = original[labels == label]
        assert (members.mean(0) - torch.tensor([centre, 0.0])).abs().max() < 4 / len(members) ** 0.5
        covariance = torch.from_numpy(np.cov(members.T.numpy()))
        assert (covariance - torch.eye(2)).abs().max() < 4 * (2 / len(members)) ** 0.5


def test_order_is_the_same_for_ever_and_the_splits_are_apart(tmp_path, train):
    test = load_dataset("mixture2d", "test", tmp_path)
    assert len(test) == 2_000
    assert train.sha256 == test.sha256
    assert not (test.vectors[:, None] == train.vectors[None, :200]).all(-1).any()
    part = load_dataset("mixture2d", "train", tmp_path, 7)
    assert torch.equal(part.vectors, train.vectors[:7])
    assert torch.equal(part.labels, train.labels[:7])
    assert part.labels.tolist() == [0, 0, 1, 1, 0, 0, 0]
    assert part.vectors[0].tolist() == pytest.approx([-0.8685356, 0.8109559], rel=1e-6)
