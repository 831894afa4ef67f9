#!/usr/bin/env python3
"""Seconds that pythae (https://github.com/clementchadebec/benchmark_VAE) takes for one epoch of MNIST.

The networks are those of `vae/models/burgess.py` as a user of pythae would write them; the training is pythae's
default: batches of 64, Adam with learning rate 1e-4, squared error. `one_epoch.py` runs this in an environment that
has pythae, and reads the seconds it prints: from before the first batch to after the last.
"""

import logging
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import torch
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.pipelines import TrainingPipeline
from pythae.trainers import BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.datasets import load_dataset

LATENT_DIM = 10


class Encoder(BaseEncoder):
    """Images to the mean and the log-variance of the posterior."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 32, kernel_size=4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 32, kernel_size=4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 32, kernel_size=4, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(512, 256),
            nn.ReLU(),
            nn.Linear(256, 256),
            nn.ReLU(),
        )
        self.mean = nn.Linear(256, LATENT_DIM)
        self.logvar = nn.Linear(256, LATENT_DIM)

    def forward(self, x):
        hidden = self.layers(x)
        return ModelOutput(embedding=self.mean(hidden), log_covariance=self.logvar(hidden))


class Decoder(BaseDecoder):
    """Latents to images in [0, 1]."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(LATENT_DIM, 256),
            nn.ReLU(),
            nn.Linear(256, 256),
            nn.ReLU(),
            nn.Linear(256, 512),
            nn.ReLU(),
            nn.Unflatten(1, (32, 4, 4)),
            nn.ConvTranspose2d(32, 32, kernel_size=4, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(32, 32, kernel_size=4, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(32, 1, kernel_size=4, stride=2, padding=1),
            nn.Sigmoid(),
        )

    def forward(self, z):
        return ModelOutput(reconstruction=self.layers(z))


class Stopwatch(TrainingCallback):
    """The time of the training step, which pythae begins and ends once an epoch."""

    def on_train_step_begin(self, training_config, **kwargs):
        self.start = perf_counter()

    def on_train_step_end(self, training_config, **kwargs):
        self.seconds = perf_counter() - self.start


def epoch_seconds(images: torch.Tensor) -> float:
    """Seconds of one epoch on images (N, 1, 32, 32) in [0, 1], without preparing the data and saving the model."""
    config = VAEConfig(input_dim=(1, 32, 32), latent_dim=LATENT_DIM, reconstruction_loss="mse")
    stopwatch = Stopwatch()
    with tempfile.TemporaryDirectory() as output_dir:
        training = BaseTrainerConfig(
            output_dir=output_dir, num_epochs=1, per_device_train_batch_size=64, learning_rate=1e-4, no_cuda=True
        )
        pipeline = TrainingPipeline(model=VAE(config, encoder=Encoder(), decoder=Decoder()), training_config=training)
        pipeline(train_data=images, callbacks=[stopwatch])
    return stopwatch.seconds


if __name__ == "__main__":
    logging.disable(logging.INFO)
    data = load_dataset("mnist", "train", sys.argv[1])
    print(f"{epoch_seconds(data.images.float().div_(255)):.2f}")
