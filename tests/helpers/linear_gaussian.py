"""Linear Gaussian models, x = W z + b + sigma e, whose evidence and posterior are known."""

import math

import torch
from torch import nn
from torch.distributions import MultivariateNormal

from vae.models import VAE
from vae.models.likelihoods.normal import Normal
from vae.models.priors import StandardNormal


def small_decoder() -> nn.Linear:
    """W z with three values of two latent variables, correlated and of different sizes."""
    decoder = nn.Linear(2, 3, bias=False)
    with torch.no_grad():
        decoder.weight.copy_(torch.tensor([[1.0, 0.5], [-0.3, 0.8], [0.2, -0.6]]))
    return decoder


def linear_model(decoder: nn.Linear, sigma: float, encoder: nn.Module | None = None) -> VAE:
    """The model with that decoder, and without an encoder where none is needed."""
    likelihood = Normal()
    nn.init.constant_(likelihood.log_sigma, math.log(sigma))
    return VAE(encoder or nn.Module(), decoder, StandardNormal(decoder.in_features), likelihood)


def evidence_of(decoder: nn.Linear, sigma: float) -> MultivariateNormal:
    """p(x), in float64."""
    weight = decoder.weight.detach()
    bias = torch.zeros(len(weight)) if decoder.bias is None else decoder.bias.detach()
    covariance = weight @ weight.mT + sigma**2 * torch.eye(len(weight))
    return MultivariateNormal(bias.double(), covariance.double())


def precision_and_gain(decoder: nn.Linear, sigma: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Of p(z|x): its precision, and the matrix by which its mean is (x - b) @ gain."""
    weight = decoder.weight.detach()
    precision = torch.eye(decoder.in_features) + weight.mT @ weight / sigma**2
    return precision, torch.linalg.solve(precision, weight.mT).mT / sigma**2
