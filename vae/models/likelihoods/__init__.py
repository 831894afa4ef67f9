"""Likelihoods p(x|z) by the names of `--rec-dist`, one file a family."""

from vae.models.likelihoods.bernoulli import Bernoulli
from vae.models.likelihoods.gaussian import Gaussian
from vae.models.likelihoods.laplace import Laplace
from vae.models.likelihoods.normal import DiagonalNormal, Normal

LIKELIHOODS = {
    "bernoulli": Bernoulli,
    "gaussian": Gaussian,
    "laplace": Laplace,
    "normal": Normal,
    "normal-diagonal": DiagonalNormal,
}
