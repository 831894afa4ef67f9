"""Training objectives: a registry, and one file per family.

To add one, put a file beside these with a class under `@register("name")`: every file here is imported.
"""

from vae.losses.base import LOSSES, Display, Loss, LossTerms, Objective, Penalty, build_loss, register
from vae.registry import import_files

import_files(__name__)

__all__ = ["LOSSES", "Display", "Loss", "LossTerms", "Objective", "Penalty", "build_loss", "register"]
