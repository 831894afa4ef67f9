"""Likelihoods p(x|z), by the names of `--rec-dist`: a registry, and one file per family.

To add one, put a file beside these with a class under `@LIKELIHOODS.register("name")`: every file here is imported.
"""

from vae.models.likelihoods.base import LIKELIHOODS, Likelihood, build_likelihood, check_kind
from vae.registry import import_files

import_files(__name__)

__all__ = ["LIKELIHOODS", "Likelihood", "build_likelihood", "check_kind"]
