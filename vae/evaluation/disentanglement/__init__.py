"""How well single latent dimensions stand for single factors: a registry of metrics, one file each.

To add one, put a file beside these with a function under `@METRICS.register("name")`: every file here is imported.
"""

from vae.evaluation.disentanglement.base import METRICS, Metric, disentanglement_scores
from vae.registry import import_files

import_files(__name__)

__all__ = ["METRICS", "Metric", "disentanglement_scores"]
