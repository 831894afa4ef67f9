"""Objectives of the Renyi family, which are made of int q^a p^(1-a) dz (van Erven and Harremoes 2014)."""

from vae.divergences import (
    bhattacharyya_divergence,
    chi_squared_divergence,
    renyi_divergence,
    squared_hellinger_distance,
)
from vae.losses.base import Display, Loss, Penalty, register
from vae.models import VAE, VAEOutput
from vae.options import Option


@register("Renyi", display=Display("Rényi", "#b42d00", 12))
class RenyiLoss(Loss):
    """weight D_rho(q(z|x) || p(z)), D_rho = log(int q^rho p^(1-rho) dz) / (rho - 1), in nats: KL(q||p) at rho = 1.

    Above order 1 the integral is finite only where the posterior's variance is below rho / (rho - 1) times the prior's;
    before that edge the divergence goes on along its tangent, see `vae.divergences.diagonal.renyi`: value and gradient
    are finite everywhere. The order is that of the divergence, not that of a bound, which is `VR`.
    """

    summary = "Rényi divergence of order ρ, which is KL(q‖p) at 1"
    formula = "λ D_ρ(q‖p)"
    batchable = True
    swept = "renyi_order"
    options = (
        Option("renyi_order", 0.5, "order rho; KL(q‖p) at 1", above=0, symbol="ρ", named=True),
        Option("renyi_B", 1.0, "weight of the divergence", minimum=0, symbol="λ", regularises="more"),
    )

    def __init__(self, *, renyi_order: float, renyi_B: float, **sizes: int):
        super().__init__(**sizes)
        self.order, self.weight = renyi_order, renyi_B

    def penalty(self, model: VAE, output: VAEOutput) -> Penalty:
        return self.weighted(renyi_divergence(output.mean, output.logvar, self.order, continued=True).mean())


@register("Bhattacharyya", display=Display("Bhattacharyya", "#b42d00", 13))
class BhattacharyyaLoss(Loss):
    """weight J(alpha), J(alpha) = -log int q^(1-alpha) p^alpha dz, in nats (Nielsen and Boltz 2011).

    alpha is the weight on p. J vanishes at both ends; J(alpha) / alpha goes to KL(q||p) as alpha goes to 0, and
    J(alpha) / (1 - alpha) to KL(p||q) as alpha goes to 1. It is dGJS with Nielsen's skew, and alpha times the Renyi
    divergence of order 1 - alpha.
    """

    summary = "skew Bhattacharyya divergence, at α = ½ the Bhattacharyya distance"
    formula = "λ J_α(q, p)"
    batchable = True
    swept = "bhattacharyya_A"
    options = (
        Option("bhattacharyya_A", 0.5, "skew alpha, the weight on p", minimum=0, maximum=1, symbol="α", named=True),
        Option("bhattacharyya_B", 1.0, "weight of the divergence", minimum=0, symbol="λ", regularises="more"),
    )

    def __init__(self, *, bhattacharyya_A: float, bhattacharyya_B: float, **sizes: int):
        super().__init__(**sizes)
        self.alpha, self.weight = bhattacharyya_A, bhattacharyya_B

    def penalty(self, model: VAE, output: VAEOutput) -> Penalty:
        return self.weighted(bhattacharyya_divergence(output.mean, output.logvar, self.alpha).mean())


@register("Hellinger", display=Display("H$^2$", "#9600ff", 14))
class HellingerLoss(Loss):
    """weight H^2(q(z|x), p(z)), H^2 = 1 - int sqrt(q p) dz, a pure number in [0, 1]; some authors have twice this.

    A posterior that hardly overlaps with the prior costs the weight, and its gradient vanishes. Near the prior it is
    KL(q||p) / 4, to second order.
    """

    summary = "squared Hellinger distance, at most 1 for each image"
    formula = "λ H²(q, p)"
    batchable = True
    options = (Option("hellinger_B", 25.0, "weight of the distance", minimum=0, symbol="λ", regularises="more"),)

    def __init__(self, *, hellinger_B: float, **sizes: int):
        super().__init__(**sizes)
        self.weight = hellinger_B

    def penalty(self, model: VAE, output: VAEOutput) -> Penalty:
        return self.weighted(squared_hellinger_distance(output.mean, output.logvar).mean())


@register("chi2", display=Display("χ$^2$", "#3c0f2d", 15))
class ChiSquaredLoss(Loss):
    """weight chi^2(q(z|x) || p(z)), chi^2 = int (q - p)^2 / p dz = exp(D_2) - 1, a pure number.

    Pearson's, with the prior below. It is finite only for variances below twice the prior's: D_2 goes on as it does in
    `Renyi`, and the exponential along its tangent from D_2 = 16 nats on. An exponential of nats weighs heavily: at the
    default weight a run on MNIST is finite, and after two epochs an image has 1.0 nat of KL(q||p).
    """

    summary = "χ² divergence, with p below: an exponential of D₂"
    formula = "λ χ²(q‖p)"
    batchable = True
    options = (Option("chi2_B", 1.0, "weight of the divergence", minimum=0, symbol="λ", regularises="more"),)

    def __init__(self, *, chi2_B: float, **sizes: int):
        super().__init__(**sizes)
        self.weight = chi2_B

    def penalty(self, model: VAE, output: VAEOutput) -> Penalty:
        return self.weighted(chi_squared_divergence(output.mean, output.logvar, continued=True).mean())
