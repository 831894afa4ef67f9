"""Variational autoencoders, regularised with the divergence you choose.

`load` gives back what a run has saved; `build_model` and `build_loss` make what `Trainer` trains and `Evaluator`
measures; `LOSSES` has every objective by its name, and `divergences` the functions that they are made of.
"""

from vae import divergences
from vae.evaluation.evaluator import Evaluator
from vae.losses import LOSSES, build_loss
from vae.models import build_model
from vae.saved import load
from vae.training.settings import TrainingSettings
from vae.training.trainer import Trainer

__all__ = ["LOSSES", "Evaluator", "Trainer", "TrainingSettings", "build_loss", "build_model", "divergences", "load"]
