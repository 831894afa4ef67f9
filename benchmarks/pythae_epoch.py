#!/usr/bin/env python3
"""Seconds that pythae (https://github.com/clementchadebec/benchmark_VAE) takes for an epoch of MNIST.

The networks are those of `vae/models/networks/burgess.py`, with the same initialisation, as a user of pythae would
write them; the training is pythae's default: batches of 64, Adam with learning rate 1e-4. Its reconstruction is half
the squared error; with the divergence halved too, its objective is half that of `--loss KL --rec-dist gaussian`, and
Adam knows no scale.

`one_epoch.py` and `epoch.py` run this in an environment that has pythae, with the data directory, the number of images,
of epochs after a first one that warms up, and a seed. It prints as JSON the medians over epochs (of the only one, if
there are none after the first) of the seconds from before the first batch to after the last and of the CPU time of all
threads together, and the squared error on the test images.
"""

import json
import logging
import statistics
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time

import torch
from pythae.models import BetaVAE, BetaVAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.pipelines import TrainingPipeline
from pythae.trainers import BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from training import squared_error

from utils.datasets import load_dataset
from vae.models.networks.base import kaiming_uniform

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
    """The times of each epoch's training, whose beginning pythae tells once, and whose end after every batch."""

    def __init__(self):
        self.seconds, self.cpu_seconds = [], []

    def on_train_step_begin(self, training_config, **kwargs):
        self.start, self.cpu_start = perf_counter(), process_time()
        self.seconds.append(0.0)
        self.cpu_seconds.append(0.0)

    def on_train_step_end(self, training_config, **kwargs):
        self.seconds[-1] = perf_counter() - self.start
        self.cpu_seconds[-1] = process_time() - self.cpu_start


def measure(data_dir: str, images: int, epochs: int, seed: int) -> dict[str, float]:
    """Train for `epochs` epochs and one more, which comes first. Preparing data and saving do not count."""
    data = load_dataset("mnist", "train", data_dir, images).images.float().div_(255)
    torch.manual_seed(seed)
    config = BetaVAEConfig(input_dim=(1, 32, 32), latent_dim=LATENT_DIM, reconstruction_loss="mse", beta=0.5)
    model = BetaVAE(config, encoder=Encoder(), decoder=Decoder()).apply(kaiming_uniform)
    stopwatch = Stopwatch()
    with tempfile.TemporaryDirectory() as output_dir:
        training = BaseTrainerConfig(
            output_dir=output_dir,
            num_epochs=1 + epochs,
            per_device_train_batch_size=64,
            learning_rate=1e-4,
            seed=seed,
            no_cuda=True,
        )
        TrainingPipeline(model=model, training_config=training)(train_data=data, callbacks=[stopwatch])
    model.eval()

    def reconstruct(some: torch.Tensor) -> torch.Tensor:
        return model.decoder(model.encoder(some).embedding).reconstruction

    return {
        "seconds": statistics.median(stopwatch.seconds[1:] or stopwatch.seconds),
        "cpu_seconds": statistics.median(stopwatch.cpu_seconds[1:] or stopwatch.cpu_seconds),
        "squared_error": squared_error(reconstruct, data_dir),
    }


if __name__ == "__main__":
    logging.disable(logging.INFO)
    print(json.dumps(measure(sys.argv[1], *map(int, sys.argv[2:]))))
