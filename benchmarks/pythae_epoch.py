#!/usr/bin/env python3
"""Seconds that pythae (https://github.com/clementchadebec/benchmark_VAE) takes for one epoch of MNIST.

The networks are those of `vae/models/burgess.py` as a user of pythae would write them; the training is pythae's
default: batches of 64, Adam with learning rate 1e-4, squared error. `one_epoch.py` and `epoch.py` run this in an
environment that has pythae, with the data directory and the number of images, and read the JSON it prints: the seconds
from before the first batch to after the last, and the CPU time of all threads together.
"""

import json
import logging
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time

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
        self.start, self.cpu_start = perf_counter(), process_time()

    def on_train_step_end(self, training_config, **kwargs):
        self.times = {"seconds": perf_counter() - self.start, "cpu_seconds": process_time() - self.cpu_start}


def epoch_times(images: torch.Tensor) -> dict[str, float]:
    """The times of one epoch on images (N, 1, 32, 32) in [0, 1], without preparing the data and saving the model."""
    config = VAEConfig(input_dim=(1, 32, 32), latent_dim=LATENT_DIM, reconstruction_loss="mse")
    stopwatch = Stopwatch()
    with tempfile.TemporaryDirectory() as output_dir:
        training = BaseTrainerConfig(
            output_dir=output_dir, num_epochs=1, per_device_train_batch_size=64, learning_rate=1e-4, no_cuda=True
        )
        pipeline = TrainingPipeline(model=VAE(config, encoder=Encoder(), decoder=Decoder()), training_config=training)
        pipeline(train_data=images, callbacks=[stopwatch])
    return stopwatch.times


if __name__ == "__main__":
    logging.disable(logging.INFO)
    data = load_dataset("mnist", "train", sys.argv[1], int(sys.argv[2]))
    print(json.dumps(epoch_times(data.images.float().div_(255))))
