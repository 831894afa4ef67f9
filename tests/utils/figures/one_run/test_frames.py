import numpy as np
import pytest
import torch

from small_runs import config
from utils.datasets import Dataset
from utils.figures.one_run import draw_frame, frames
from vae.models import build_model


def splits(count, **data):
    return {"test": Dataset("noise", "test", "here", "", labels=torch.arange(count) % 3, **data)}


@pytest.mark.parametrize("count, latent_dim, shape", [(30, 4, (4, 10)), (30, 10, (6, 10)), (7, 1, (2, 7))])
def test_a_frame_has_test_images_above_what_becomes_of_them_beside_traversals(count, latent_dim, shape, monkeypatch):
    found = []
    monkeypatch.setattr(frames, "image_panels", lambda panels, **texts: found.append((panels, texts)))
    images = torch.randint(256, (count, 1, 32, 32), dtype=torch.uint8)
    model = build_model((1, 32, 32), latent_dim=latent_dim).eval()
    draw_frame(model, splits(count, images=images), config(), 3)
    (((images_panel, traversed), texts),) = found
    assert texts["title"] == "Epoch 3"
    assert images_panel.images.shape[:2] == shape
    assert traversed.images.shape[:2] == (latent_dim, 10)
    pairs = images_panel.images.reshape(-1, 2, shape[1], 1, 32, 32)
    shown = images[: shape[0] // 2 * shape[1]]
    assert np.array_equal(pairs[:, 0].reshape(-1, 1, 32, 32), shown.numpy() / np.float32(255))
    seen = torch.from_numpy(pairs[:, 1].reshape(-1, 1, 32, 32))
    torch.testing.assert_close(seen, model.reconstruct(shown))


def test_a_frame_of_vectors_has_samples(monkeypatch):
    model = build_model((2,), latent_dim=1, rec_dist="normal").eval()
    figure = draw_frame(model, splits(20, vectors=torch.randn(20, 2)), config(dataset="mixture2d", rec_dist=None), 3)
    texts = " ".join(text.get_text() for text in figure.findobj(match=lambda artist: hasattr(artist, "get_text")))
    assert "Epoch 3" in texts
