"""Priors p(z), one file a family: that of the loss, see `Objective.build_prior`, or one that `--prior` chooses."""

from vae.models.priors.base import PRIORS, Prior
from vae.models.priors.gaussian_mixture import GaussianMixture
from vae.models.priors.mixture import Mixture
from vae.models.priors.standard_normal import StandardNormal
from vae.models.priors.subspace_mixture import SubspaceMixture
from vae.models.priors.vamp import VampPrior
from vae.registry import import_files

import_files(__name__)

__all__ = ["PRIORS", "GaussianMixture", "Mixture", "Prior", "StandardNormal", "SubspaceMixture", "VampPrior"]
