"""Small trainers of any objective, and what is compared of them."""

import torch

from vae.losses import LOSSES, build_loss
from vae.models import build_model
from vae.random import seed_everything
from vae.training.settings import TrainingSettings
from vae.training.trainer import Reporter, Trainer


class Remembering(Reporter):
    """Remembers what it was told."""

    def __init__(self):
        self.seen, self.ended = [], 0

    def start_epoch(self, epoch, images):
        self.seen.append([])

    def advance(self, images):
        self.seen[-1].append(images)

    def end_epoch(self):
        self.ended += 1


def make_trainer(loss="KL", images=None, batch_size=8, noise=0.0, **options):
    if images is None:
        images = torch.randint(0, 256, (20, 1, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    seed_everything(1, 0)
    if isinstance(loss, str):
        options = LOSSES.resolve_options(loss, options)
        latent_dim = LOSSES[loss].fixed_latent_dim(options) or 3
        model = LOSSES[loss].build_model((1, 32, 32), latent_dim, "bernoulli", options)
        loss = build_loss(loss, dataset_size=len(images), latent_dim=latent_dim, **options)
    else:
        model = build_model((1, 32, 32), latent_dim=3)
    settings = TrainingSettings(batch_size=batch_size, lr=1e-3, seed=1, noise=noise)
    return Trainer(model, loss, images, settings, reporter=Remembering())


def weights(trainer):
    return {**trainer.model.state_dict(), **dict(trainer.loss.named_parameters()), **dict(trainer.loss.named_buffers())}
