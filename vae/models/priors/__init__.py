"""Priors p(z), one file a family; the loss says which one its model has, see `Loss.build_prior`."""

from vae.models.priors.base import Prior
from vae.models.priors.gaussian_mixture import GaussianMixture
from vae.models.priors.mixture import Mixture
from vae.models.priors.standard_normal import StandardNormal
from vae.models.priors.subspace_mixture import SubspaceMixture

__all__ = ["GaussianMixture", "Mixture", "Prior", "StandardNormal", "SubspaceMixture"]
