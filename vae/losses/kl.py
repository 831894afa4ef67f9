"""The Kullback-Leibler objectives: the evidence lower bound, its reverse, their sum, and the beta-VAE."""

from vae.losses.base import Display, Loss, Penalty, register
from vae.models import VAE, VAEOutput
from vae.models.priors import Prior
from vae.options import Option


@register("KL", display=Display("KL(q‖p)", "#0072B2", 1))
class KLLoss(Loss):
    """KL(q(z|x) || p(z)): the negative evidence lower bound (Kingma and Welling 2014)."""

    summary = "the usual VAE: the evidence lower bound"
    formula = "KL(q‖p)"
    batchable = True
    full_covariance = True
    priors = Prior
    remedy = "--loss betaH has a weight: --betaH-B below 1 regularises less, above 1 more"

    def penalty(self, model: VAE, output: VAEOutput) -> Penalty:
        return self.weighted(model.kl_divergence(output).mean())


@register("rKL", aliases=("fwdKL",), display=Display("KL(p‖q)", "#56B4E9", 2))
class ReverseKLLoss(Loss):
    """KL(p(z) || q(z|x)), the divergence the other way round (Deasy et al. 2020, eq. 4)."""

    summary = "the KL divergence the other way round (alias fwdKL, the paper's authors' name)"
    formula = "KL(p‖q)"
    batchable = True
    full_covariance = True

    def penalty(self, model: VAE, output: VAEOutput) -> Penalty:
        return self.weighted(output.divergences.reverse_kl_divergence(*output.parameters).mean())


@register("betaH", display=Display("β-VAE", "#CC79A7", 3))
class BetaVAELoss(KLLoss):
    """beta KL(q(z|x) || p(z)) (Higgins et al. 2017)."""

    summary = "beta-VAE"
    formula = "β KL(q‖p)"
    batchable = True
    swept = "betaH_B"
    options = (
        Option("betaH_B", 4.0, "weight beta of the divergence", minimum=0, symbol="β", named=True, regularises="more"),
    )

    def __init__(self, *, betaH_B: float, **sizes: int):
        super().__init__(**sizes)
        self.weight = betaH_B


@register("Jeffreys", display=Display("Jeffreys", "#0000b4", 9))
class JeffreysLoss(Loss):
    """weight [KL(q(z|x) || p(z)) + KL(p(z) || q(z|x))], in nats; some authors halve the sum (Jeffreys 1946)."""

    summary = "Jeffreys divergence: the sum of both KL divergences"
    formula = "λ [KL(q‖p) + KL(p‖q)]"
    batchable = True
    full_covariance = True
    options = (Option("jeffreys_B", 1.0, "weight of the divergence", minimum=0, symbol="λ", regularises="more"),)

    def __init__(self, *, jeffreys_B: float, **sizes: int):
        super().__init__(**sizes)
        self.weight = jeffreys_B

    def penalty(self, model: VAE, output: VAEOutput) -> Penalty:
        return self.weighted(output.divergences.jeffreys_divergence(*output.parameters).mean())
