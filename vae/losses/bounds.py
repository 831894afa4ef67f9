"""Bounds of log p(x) by several samples: the importance weighted bound, and the variational Renyi bound."""

import torch
from torch import Tensor

from vae.distributed import gather, share
from vae.divergences.numerics import gaussian_log_prob
from vae.losses.base import Display, LossTerms, Objective, register
from vae.models import VAE, VAEOutput, reparameterise
from vae.models.priors import Prior
from vae.options import Option

SAMPLES = Option("bound_samples", 5, "samples K of z for each image", int, minimum=1, maximum=10_000)


class SampledBound(Objective):
    """minus a bound of log p(x), a generalised mean over K samples z_k of q(z|x):

        w_k = p(x|z_k) p(z_k) / q(z_k|x),    L_alpha = log(1/K sum_k w_k^(1-alpha)) / (1 - alpha)

    L_0 is that of importance weighted autoencoders, L_1 = 1/K sum_k log w_k the evidence lower bound. The samples are
    reparameterised and decoded as one batch. `reconstruction` is the mean of -log p(x|z_k) over the samples, without
    the likelihood's constants as everywhere, `divergence` what is left of the negative bound; a bound is no sum of
    two parts of its own. In evaluation `reconstruction` is at the posterior mean, as that of every objective is, and
    `divergence` is again what is left.
    """

    priors = Prior
    order: float = 0.0  # alpha

    def __init__(self, *, bound_samples: int, **sizes: int):
        super().__init__(**sizes)
        self.samples = bound_samples

    def forward(self, model: VAE, images: Tensor, inputs: Tensor | None = None) -> LossTerms:
        inputs = images if inputs is None else inputs
        if self.training:
            return self.terms_of(model, images, *model.encode(inputs))
        return self.terms(model, images, model(inputs))

    def terms(self, model: VAE, images: Tensor, output: VAEOutput) -> LossTerms:
        terms = self.terms_of(model, images, output.mean, output.logvar)
        if self.training:
            return terms
        reconstruction = model.reconstruction_error(output, images).mean()
        return LossTerms(terms.total, reconstruction, terms.total - reconstruction)

    def terms_of(self, model: VAE, images: Tensor, mean: Tensor, logvar: Tensor) -> LossTerms:
        """The terms of a batch whose posteriors are known, by fresh samples."""
        noise = torch.randn_like(mean.expand(self.samples, -1, -1))
        z = reparameterise(mean, logvar, noise)
        errors = self.errors(model, images, z)
        log_posterior = gaussian_log_prob(noise, torch.zeros_like(mean), torch.zeros_like(mean)) - 0.5 * logvar
        log_weights = model.prior.log_prob(z) - errors - log_posterior.sum(-1)
        bound, reconstruction = -log_mean_power(log_weights, 1 - self.order).mean(), errors.mean()
        divergence = bound - reconstruction
        total = reconstruction + self.grown(self.warmup) * divergence if self.warmup else bound
        return LossTerms(total, reconstruction, divergence)

    def errors(self, model: VAE, images: Tensor, z: Tensor) -> Tensor:
        """-log p(x|z) of K latents for each image, (K, N, latent_dim), in one batch: (K, N)."""
        latents, repeated = z.flatten(0, 1), images.repeat(len(z), *[1] * (images.ndim - 1))
        own = model.likelihood.reconstruction_error(model.run(model.decoder, share(latents)), share(repeated))
        return gather(own, len(latents)).view(z.shape[:2])


@register("IWAE", display=Display("IWAE", "#0f002d", 21))
class ImportanceWeightedLoss(SampledBound):
    """-log 1/K sum_k w_k: the bound of importance weighted autoencoders (Burda et al. 2016, arXiv:1509.00519).

    Below log p(x) in expectation, and the nearer the more samples; with K = 1 it is that of KL, whose divergence is by
    one sample then.
    """

    summary = "importance weighted bound of K samples; the evidence lower bound at K = 1"
    formula = "the whole is −log(Σₖ wₖ / K)"
    options = (SAMPLES,)


@register("VR", display=Display("VR", "#0f002d", 22))
class VariationalRenyiLoss(SampledBound):
    """-L_alpha: the variational Renyi bound of K samples, from IWAE's at alpha = 0 to KL's at alpha = 1.

    Li and Turner 2016 (arXiv:1602.02311), estimated with reparameterised samples: VR-IWAE of Daudel et al. 2022
    (arXiv:2210.06226). alpha is the order of the bound's Renyi divergence, to the posterior of the model; `Renyi` has a
    divergence from the prior. It is below log p(x) in expectation, for any alpha in [0, 1].
    """

    summary = "variational Rényi bound (VR-IWAE) of K samples, from IWAE at α = 0 to KL at α = 1"
    formula = "the whole is −log(Σₖ wₖ^(1−α) / K) / (1−α)"
    swept = "VR_A"
    options = (
        Option("VR_A", 0.5, "order alpha; IWAE at 0, KL at 1", minimum=0, maximum=1, symbol="α", named=True),
        SAMPLES,
    )

    def __init__(self, *, VR_A: float, **options: int):
        super().__init__(**options)
        self.order = VR_A


def log_mean_power(log_weights: Tensor, power: float) -> Tensor:
    """log(1/K sum_k w_k^power) / power, (K, ...) to (...), and its limit, the mean of log w_k, at power 0.

    Between mean and maximum of the log-weights, and exact also where the power is tiny.
    """
    if power == 0:
        return log_weights.mean(0)
    largest = log_weights.detach().amax(0)
    return largest + torch.log1p(torch.expm1(power * (log_weights - largest)).mean(0)) / power
