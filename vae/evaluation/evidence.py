"""The evidence log p(x) of a model, by importance sampling.

log p(x) = log E_r[p(x|z) p(z) / r(z)] for any proposal r; K draws give log 1/K sum_k w_k, which lies below log p(x) in
expectation and nears it as K grows (Burda et al. 2016, "Importance weighted autoencoders", arXiv:1509.00519). How fast
depends on r. Burda's is q(z|x), which only KL trains to be like p(z|x): an autoencoder's is too narrow by far, so that
hundreds of its draws may fall tens of nats short, and models would be ranked by their encoders. Here, half of the draws
are from a Laplace approximation of p(z|x), which is found from the decoder for each image (Kuk 1999, "Laplace
importance sampling for generalized linear mixed models"), and the rest from q(z|x) and, as a defence, from the prior,
weighted as one mixture (Owen and Zhou 2000, "Safe and effective importance sampling").
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, MultivariateNormal

from vae.evaluation.measuring import measuring
from vae.inputs import add_noise, check_examples, to_network
from vae.means import NonFiniteError
from vae.models import VAE
from vae.random import Stream, stream_seed

# Proposals, by the share of the draws that come from each part.
ADAPTED = {"laplace": 0.5, "posterior": 0.4, "prior": 0.1}
POSTERIOR = {"posterior": 1.0}  # the importance weighted bound of Burda et al.; at K = 1 the ELBO

MOST_IMAGES = 10_000  # that the evidence is estimated for, the first
IMAGES_AT_ONCE = 20
ROUND = 100  # draws per image at a time, at most
DECODED = 500  # latents that are decoded at a time; on a CPU fewer and more are slower

NEWTON_STEPS = 5
STEP_LENGTHS = (1.0, 0.5, 0.2, 0.05, 0.0)  # of a Newton step, the best is taken; 0 is to stay
DIFFERENCE = 0.01  # step of the differences that stand for the decoder's derivatives
WIDENING = 1.2  # of the Laplace approximation's standard deviations: tails too light would make weights too large

RESAMPLES = 1000
RESAMPLES_AT_ONCE = 50  # so that those of 10,000 images take 4 MB
LEVEL = 0.95  # of the interval
LOW = 0.01  # the quantile of effective sample sizes that is told too


def estimate_evidence(
    model: VAE,
    data: Tensor,
    samples: int,
    *,
    seed: int,
    noise: float = 0.0,
    sampler: Distribution | None = None,
    advance: Callable[[int], Any] = lambda images: None,
) -> dict[str, Any]:
    """The mean of log p(x) over a split, with its uncertainty, given images as bytes (N, C, H, W) or vectors (N, D).

    Of a split of more than 10,000 examples the first 10,000 are taken. Grey images under a Bernoulli likelihood, of
    which it is no density, are binarised: each pixel is drawn, once, as 1 with its grey value as probability
    (Salakhutdinov and Murray 2008), so that their expected log-likelihood is what the model was trained with. They
    become the same binary images whatever the seed, so that models are compared on the same. `noise` is added to what
    the encoder sees, as in training; log p(x) is that of the images without it.

    mean: of log p(x) in nats, importance-weighted with `samples` draws, of the normalised density p(x|z).
    interval: [low, high], 95 %, of the mean, by bootstrap over the examples. It is about the choice of examples: what
        the estimate lacks of log p(x), and how the model would be from another seed, is not in it.
    effective_sample_size: mean over the examples of (sum w)^2 / sum w^2, from 1 to `samples`.
    effective_sample_size_low: its first percentile, of the examples whose estimates lack most.
    prior_sampling, prior_sampling_interval: plain Monte Carlo of as many draws from the prior, see `prior_sampling`.
        They are shared by 20 images, no more: with the same draws for all, the mean would depend on them by more than
        the interval, which is about images, could tell.
    sampler_sampling, sampler_sampling_interval: likewise with draws from `sampler`, another source of latents, if any.
    importance_samples, images (how many examples), binarised (true or false).

    The seed fixes all other draws; `advance` is told of images as they are done. Raises NonFiniteError if the mean is
    not finite, ValueError for data as the Trainer does.
    """
    check_examples(data, model)
    device = next(model.parameters()).device
    estimates, from_prior, from_sampler, binarised = [], [], [], False
    with measuring(device, seed, Stream.EVIDENCE):
        for images, changed in batches_of(data, binary=model.likelihood.binary):
            images, binarised = images.to(device), binarised or changed
            log_weights = importance_log_weights(model, images, samples, inputs=add_noise(images, noise))
            estimates.append(torch.stack([log_evidence(log_weights), effective_sample_size(log_weights)]))
            from_prior.append(prior_sampling(model, images, decode_prior(model, samples)))
            if sampler:
                with torch.random.fork_rng([device] if device.type == "cuda" else []):  # all else stays as without
                    from_sampler.append(prior_sampling(model, images, decode_draws(model, sampler.sample((samples,)))))
            advance(len(images))
    evidence, effective = torch.cat(estimates, dim=1).cpu()
    if not evidence.mean().isfinite():
        raise NonFiniteError("the evidence is not finite")
    resampling = stream_seed(seed, Stream.EVIDENCE)
    return {
        "mean": evidence.mean().item(),
        "interval": list(bootstrap_interval(evidence, resampling)),
        "effective_sample_size": effective.mean().item(),
        "effective_sample_size_low": effective.quantile(LOW).item(),
        **plain_sampling("prior_sampling", from_prior, resampling),
        **(plain_sampling("sampler_sampling", from_sampler, resampling) if sampler else {}),
        "importance_samples": samples,
        "images": len(evidence),
        "binarised": binarised,
    }


def batches_of(data: Tensor, *, binary: bool) -> Iterator[tuple[Tensor, bool]]:
    """The examples that the evidence is estimated for, some at a time, and whether making them binary changed them."""
    pixels = torch.Generator().manual_seed(stream_seed(0, Stream.BINARISATION))
    for start in range(0, min(len(data), MOST_IMAGES), IMAGES_AT_ONCE):
        images = to_network(data[start : min(start + IMAGES_AT_ONCE, MOST_IMAGES)].cpu())
        if binary:
            drawn = images.bernoulli(generator=pixels)
            yield drawn, not drawn.equal(images)
        else:
            yield images, False


def plain_sampling(name: str, parts: list[Tensor], resampling: int) -> dict[str, Any]:
    """The mean over all examples of estimates by plain Monte Carlo, by that name, and its interval."""
    estimates = torch.cat(parts).cpu()
    return {name: estimates.mean().item(), f"{name}_interval": list(bootstrap_interval(estimates, resampling))}


def log_evidence(log_weights: Tensor) -> Tensor:
    """log 1/K sum_k w_k, the estimate of log p(x) in nats: (..., K) to (...)."""
    return log_weights.logsumexp(-1) - math.log(log_weights.shape[-1])


def effective_sample_size(log_weights: Tensor) -> Tensor:
    """(sum_k w_k)^2 / sum_k w_k^2: K where all weights are equal, 1 where one outweighs all others; (..., K) to (...).

    Far below K the estimate of log p(x) is too low. A first approximation to how much is (1/ESS - 1/K) / 2 nats, which
    takes weights without a heavy tail: of a model of MNIST trained with KL it says 0.05 from K = 100 to 2000, and 0.12
    with a standard error of 0.05 was measured.
    """
    return (2 * log_weights.logsumexp(-1) - (2 * log_weights).logsumexp(-1)).exp()


def bootstrap_interval(values: Tensor, seed: int) -> tuple[float, float]:
    """The 95 % percentile interval of the mean of values (N,), of 1000 resamples. A single value has no width."""
    from scipy.stats import bootstrap  # takes a second

    if len(values) == 1:
        return values.item(), values.item()
    resampled = bootstrap(
        (values.numpy(),),
        np.mean,
        n_resamples=RESAMPLES,
        batch=RESAMPLES_AT_ONCE,
        confidence_level=LEVEL,
        method="percentile",
        rng=seed,
    )
    low, high = map(float, resampled.confidence_interval)
    return low, high


@torch.no_grad()
def importance_log_weights(
    model: VAE, images: Tensor, samples: int, *, proposal: dict[str, float] = ADAPTED, inputs: Tensor | None = None
) -> Tensor:
    """log p(x|z_k) + log p(z_k) - log r(z_k), z_k ~ r, of K = `samples` draws per image: float64, (N, K), in nats.

    images: (N, C, H, W) in [0, 1], binary under a Bernoulli likelihood, or vectors (N, D).
    proposal: which share of the draws each part of r has, of "laplace", "posterior" and "prior". The draws are dealt
        out to the parts in rounds of about the same size, not drawn: the estimate is unbiased for p(x) as it would be,
        and varies less. Too few draws to give each part one are drawn.
    inputs: what the encoder sees in place of the images.
    Draws are of the global random stream.
    """
    inputs = images if inputs is None else inputs
    parts = [PARTS[name](model, images, inputs) for name in proposal]
    rounds = math.ceil(samples / ROUND)
    log_weights = []
    for before, upto in pairwise(samples * number // rounds for number in range(rounds + 1)):
        z, shares = draw(parts, upto - before, list(proposal.values()))
        log_r = torch.stack([math.log(share) + part.log_prob(z) for part, share in zip(parts, shares)]).logsumexp(0)
        log_weights.append((log_joint(model, images, z) - log_r).double())
    return torch.cat(log_weights).mT


def draw(parts: Sequence[Distribution], draws: int, shares: Sequence[float]) -> tuple[Tensor, Sequence[float]]:
    """Draws from the parts of a proposal (draws, N, latent_dim), and the shares with which r is their mixture.

    Each part gets about its share of the draws, and r is the mixture that was dealt. Where some part would get none, r
    would lack it as a defence. Then chance chooses the part, for each draw of each image, and r is the whole mixture.
    """
    counts = [round(upto * draws) - round(before * draws) for before, upto in pairwise(accumulate(shares, initial=0.0))]
    if all(counts):
        z = torch.cat([part.sample((count,)) for part, count in zip(parts, counts)])
        return z, [count / draws for count in counts]
    of_each = torch.stack([part.sample((draws,)) for part in parts])
    fallen = of_each.new_tensor(shares).multinomial(of_each[0, ..., 0].numel(), replacement=True)
    return of_each.gather(0, fallen.view(1, *of_each.shape[1:3], 1).expand(1, *of_each.shape[1:])).squeeze(0), shares


def log_joint(model: VAE, images: Tensor, z: Tensor) -> Tensor:
    """log p(x|z) + log p(z) in nats, of images (N, C, H, W) and K latents for each, (K, N, latent_dim): (K, N)."""
    latents = z.flatten(0, 1)
    image = torch.arange(len(images), device=z.device).repeat(len(z))
    log_likelihood = torch.cat(
        [
            model.likelihood.log_prob(model.decoder(some), images[of])
            for some, of in zip(latents.split(DECODED), image.split(DECODED))
        ]
    )
    return log_likelihood.view(z.shape[:2]) + model.prior.log_prob(z)


def decode_prior(model: VAE, samples: int) -> Tensor:
    """The decoder's outputs for as many draws from the prior, of the global random stream."""
    return decode_draws(model, model.prior.sample(samples))


@torch.no_grad()
def decode_draws(model: VAE, z: Tensor) -> Tensor:
    """The decoder's outputs for latents (K, latent_dim)."""
    return torch.cat([model.decoder(some) for some in z.split(DECODED)])


@torch.no_grad()
def prior_sampling(model: VAE, images: Tensor, outputs: Tensor) -> Tensor:
    """log 1/K sum_k p(x|z_k), z_k ~ p(z), in nats, given the decoder's outputs for K draws that the images share: (N,).

    The estimate that the geometric Jensen-Shannon paper words (Deasy et al. 2020, at Figure 5). Unbiased for p(x) it
    may be, but at any K within reach its logarithm lies far below log p(x): it says how near the best of K random
    images comes.
    """
    log_likelihood = [model.likelihood.log_prob(outputs, image.expand_as(outputs)) for image in images]
    return log_evidence(torch.stack(log_likelihood).double())


def posterior(model: VAE, images: Tensor, inputs: Tensor) -> Distribution:
    """q(z|inputs), for each of N images."""
    return model.posterior_distribution(inputs)


def prior(model: VAE, images: Tensor, inputs: Tensor) -> Distribution:
    """p(z), for each of N images."""
    return model.prior.distribution().expand(images.shape[:1])


def laplace(model: VAE, images: Tensor, inputs: Tensor) -> MultivariateNormal:
    """The Gaussian at a mode of p(z|x), with the curvature there, widened; for each of N images.

    Gauss-Newton steps from the posterior mean, each of the length in STEP_LENGTHS at which p(x, z) is largest.
    """
    z, _ = model.encode(inputs)
    lengths = z.new_tensor(STEP_LENGTHS)[:, None, None]
    each = torch.arange(len(z), device=z.device)
    for _ in range(NEWTON_STEPS):
        factor, _ = torch.linalg.cholesky_ex(laplace_precision(model, z))
        direction = torch.cholesky_solve(slope(model, images, z).double().unsqueeze(-1), factor).squeeze(-1)
        candidates = z + lengths * direction.to(z.dtype)
        z = candidates[log_joint(model, images, candidates).argmax(0), each]
    factor, _ = torch.linalg.cholesky_ex(laplace_precision(model, z))
    scale, _ = torch.linalg.cholesky_ex(torch.cholesky_inverse(factor))
    return MultivariateNormal(z, scale_tril=WIDENING * scale.to(z.dtype), validate_args=False)


@torch.enable_grad()
def slope(model: VAE, images: Tensor, z: Tensor) -> Tensor:
    """The gradient of log p(x|z) + log p(z) in z, of images (N, C, H, W): (N, latent_dim) to (N, latent_dim)."""
    z = z.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(log_joint(model, images, z.unsqueeze(0)).sum(), z)
    return gradient


def laplace_precision(model: VAE, z: Tensor) -> Tensor:
    """Of the Gaussian that p(z|x) is like near z: (N, latent_dim) to (N, latent_dim, latent_dim), positive definite.

    J' F J, with the decoder's derivatives J, by differences, and the likelihood's Fisher information F of its
    outputs, plus the precision of the prior. In float64, because dimensions that an image says all and nothing about
    may stand side by side.
    """
    shifts = torch.cat([torch.zeros_like(z[:1]), DIFFERENCE * torch.eye(z.shape[-1], device=z.device)])
    of_likelihood = []
    for some in z.split(max(1, DECODED // len(shifts))):
        outputs = model.decoder((some.unsqueeze(1) + shifts).flatten(0, 1)).unflatten(0, (-1, len(shifts)))
        here, ahead = outputs[:, 0], outputs[:, 1:].flatten(2)
        jacobian = (ahead - here.flatten(1).unsqueeze(1)).double() / DIFFERENCE  # transposed, (N, latent_dim, D)
        information = model.likelihood.information(here).flatten(1).unsqueeze(1)
        of_likelihood.append(jacobian * information @ jacobian.mT)
    return torch.cat(of_likelihood) + torch.diag_embed(model.prior.precision(z).double())


PARTS = {"laplace": laplace, "posterior": posterior, "prior": prior}
