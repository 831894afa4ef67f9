"""Bounds of the evidence from both sides, on data of which the model itself is the source.

Annealed importance sampling (Neal 2001) goes from the prior to p(z|x) through p(z) p(x|z)^beta, beta from 0 to 1: its
weights w have the mean p(x), so that log mean w is a lower bound of log p(x) in expectation. Run the other way round,
from an exact draw of p(z|x), its weights 1/w have the mean 1/p(x), and -log mean 1/w is an upper bound. There is such a
draw where x was made by the model: the z that it was made from. Between them lies the truth, for simulated data, and an
estimate by importance sampling can be held against it (Grosse et al. 2015, "Sandwiching the marginal likelihood using
bidirectional Monte Carlo", arXiv:1511.02543; Wu et al. 2017, arXiv:1611.04273, for decoders).

Transitions are Hamiltonian Monte Carlo. Their step sizes, one for each beta, are tuned on a pilot run and then stay:
only so do both directions use the same transitions, and the bounds hold.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from vae.evaluation.evidence import log_evidence
from vae.models import VAE

LEAPFROG_STEPS = 10
ACCEPTED = 0.65  # the share of proposals that the step sizes are tuned to
FIRST_STEP = 0.1
GROWTH = 1.05  # of the step size from one beta to the next, in the pilot run
SHARPNESS = 4.0  # of the schedule, a sigmoid from -4 to 4: small steps at both ends


@dataclass(frozen=True)
class Schedule:
    """The way from the prior to the posterior: betas (T + 1,) from 0 to 1, and the step size of each (T + 1,)."""

    betas: Tensor
    step_sizes: Tensor


@dataclass(frozen=True)
class Sandwich:
    """Bounds of log p(x) in nats, in expectation, each (N,)."""

    lower: Tensor
    upper: Tensor


def simulate(model: VAE, count: int) -> tuple[Tensor, Tensor]:
    """Latents z ~ p(z), (N, latent_dim), and data x ~ p(x|z) for each, from the global random stream."""
    with torch.no_grad():
        z = model.prior.sample(count)
        return z, model.likelihood.sample(model.decoder(z))


def tune(model: VAE, data: Tensor, steps: int) -> Schedule:
    """A schedule of so many steps, whose step sizes are tuned to such data by a pilot run from the prior."""
    ends = torch.tensor([-SHARPNESS, SHARPNESS], dtype=torch.float64).sigmoid()
    sigmoid = torch.linspace(-SHARPNESS, SHARPNESS, steps + 1, dtype=torch.float64).sigmoid()
    betas = ((sigmoid - ends[0]) / (ends[1] - ends[0])).to(data)
    energy, z, size, sizes = Energy(model, data), model.prior.sample(len(data)), FIRST_STEP, []
    for beta in betas:
        z, accepted = transition(energy, z, beta, size)
        size *= GROWTH if accepted.float().mean() > ACCEPTED else 1 / GROWTH
        sizes.append(size)
    return Schedule(betas, data.new_tensor(sizes))


def sandwich(model: VAE, z: Tensor, data: Tensor, schedule: Schedule, *, chains: int = 1) -> Sandwich:
    """Bounds of log p(x) of each of N examples of `simulate`, by so many chains in each direction.

    The model is to be in evaluation mode; draws are of the global random stream.
    """
    repeated = data.repeat(chains, *[1] * (data.ndim - 1))
    energy = Energy(model, repeated)
    forward = anneal(energy, model.prior.sample(len(repeated)), schedule)
    backward = anneal(energy, z.repeat(chains, 1), Schedule(schedule.betas.flip(0), schedule.step_sizes.flip(0)))
    by_chain = (-1, len(data))
    return Sandwich(log_evidence(forward.view(by_chain).mT), -log_evidence(backward.view(by_chain).mT))


def anneal(energy: "Energy", z: Tensor, schedule: Schedule) -> Tensor:
    """The logarithms of the weights of chains that start at z, (N, latent_dim), and follow the schedule: float64, (N,).

    Between two betas the weight changes, and z moves by a transition that leaves p(z) p(x|z)^beta as it is.
    """
    log_weights = torch.zeros(len(z), dtype=torch.float64, device=z.device)
    for index in range(1, len(schedule.betas)):
        before, beta = schedule.betas[index - 1], schedule.betas[index]
        log_weights += (beta - before).double() * energy.log_likelihood(z).double()
        if index + 1 < len(schedule.betas):
            z, _ = transition(energy, z, beta, schedule.step_sizes[index])
    return log_weights


class Energy:
    """-log p(z) - beta log p(x|z) of latents (N, latent_dim), one for each of N examples."""

    def __init__(self, model: VAE, data: Tensor):
        self.model, self.data = model, data

    @torch.no_grad()
    def log_likelihood(self, z: Tensor) -> Tensor:
        return self.model.likelihood.log_prob(self.model.decoder(z), self.data)

    @torch.enable_grad()
    def with_gradient(self, z: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
        """The energy (N,), and its gradient in z (N, latent_dim)."""
        z = z.detach().requires_grad_()
        log_likelihood = self.model.likelihood.log_prob(self.model.decoder(z), self.data)
        energy = -self.model.prior.log_prob(z) - beta * log_likelihood
        (gradient,) = torch.autograd.grad(energy.sum(), z)
        return energy.detach(), gradient


def transition(energy: Energy, z: Tensor, beta: Tensor, step_size: Tensor | float) -> tuple[Tensor, Tensor]:
    """One step of Hamiltonian Monte Carlo from z, (N, latent_dim): where it leads, and which were accepted, (N,)."""
    momentum = torch.randn_like(z)
    before, gradient = energy.with_gradient(z, beta)
    before = before + momentum.square().sum(-1) / 2
    proposal = z
    for _ in range(LEAPFROG_STEPS):
        momentum = momentum - step_size / 2 * gradient
        proposal = proposal + step_size * momentum
        after, gradient = energy.with_gradient(proposal, beta)
        momentum = momentum - step_size / 2 * gradient
    after = after + momentum.square().sum(-1) / 2
    accepted = torch.rand_like(before).log() < before - after  # nan is not
    return torch.where(accepted.unsqueeze(-1), proposal, z), accepted
