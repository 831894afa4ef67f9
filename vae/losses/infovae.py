"""InfoVAE and its members, which compare the aggregate posterior with the prior (Zhao et al. 2019, arXiv:1706.02262).

The aggregate posterior q(z) = E_x q(z|x) is known by one z per example of a batch, always a sample. The terms of the
prior N(0, I) are exact, in closed form or by quadrature, which spares the estimate the variance of a sampled prior; any
other is known by as many draws. The estimate is the unbiased one, so that its mean over batches of any size is the
discrepancy itself; it may be a little below zero.
"""

from torch import Tensor

from vae.divergences import energy_distance, imq_mmd, maximum_mean_discrepancy
from vae.losses.base import Display, Loss, Penalty, register
from vae.models import VAE, VAEOutput
from vae.models.priors import Prior, StandardNormal
from vae.options import Option

DISCREPANCIES = {"mmd": maximum_mean_discrepancy, "energy": energy_distance, "imq": imq_mmd}


class AggregateLoss(Loss):
    """weight D(q(z), p(z)), with a discrepancy D of samples: one of DISCREPANCIES, or what `discrepancy_of` says."""

    batch_statistic = True
    full_covariance = True
    priors = Prior
    discrepancy: str  # its name in DISCREPANCIES

    def penalty(self, model: VAE, output: VAEOutput) -> Penalty:
        return self.weighted(self.estimate(model, output))

    def estimate(self, model: VAE, output: VAEOutput) -> Tensor:
        """The discrepancy of a batch, a scalar."""
        z = output.z if self.training else output.draw()
        closed = isinstance(model.prior, StandardNormal)
        return self.discrepancy_of(z, None if closed else model.prior.sample(len(z)))

    def discrepancy_of(self, z: Tensor, prior_samples: Tensor | None) -> Tensor:
        """That of draws of q(z), (N, latent_dim), and as many of p(z), or None of N(0, I)."""
        # A last batch of one example holds no pair to average over: there the biased estimate has to do.
        return DISCREPANCIES[self.discrepancy](z, prior_samples, unbiased=len(z) > 1)


@register("MMD", display=Display("MMD", "#009E73", 4))
class MMDLoss(AggregateLoss):
    """weight MMD^2(q(z), p(z)), with the Gaussian kernel exp(-||z - z'||^2 / latent_dim)."""

    summary = "maximum mean discrepancy of the aggregate posterior (InfoVAE with α = 1)"
    formula = "λ MMD²(q(z), p(z))"
    batchable = True
    options = (
        Option("MMD_B", 500.0, "weight of the discrepancy", minimum=0, symbol="λ", named=True, regularises="more"),
    )
    discrepancy = "mmd"

    def __init__(self, *, MMD_B: float, **sizes: int):
        super().__init__(**sizes)
        self.weight = MMD_B


@register("energy", display=Display("energy", "#87B478"))
class EnergyLoss(AggregateLoss):
    """weight (2 E||z - p|| - E||z - z'|| - E||p - p'||), z and z' from q(z), p and p' from p(z).

    Not square-rooted, as in Bellemare et al. 2017 (arXiv:1705.10743).
    """

    summary = "energy distance of the aggregate posterior (InfoVAE with α = 1)"
    formula = "λ D_E(q(z), p(z))"
    batchable = True
    options = (Option("energy_B", 500.0, "weight of the distance", minimum=0, symbol="λ", regularises="more"),)
    discrepancy = "energy"

    def __init__(self, *, energy_B: float, **sizes: int):
        super().__init__(**sizes)
        self.weight = energy_B


@register("WAE", display=Display("WAE", "#b4e196", 18))
class WassersteinAutoencoderLoss(AggregateLoss):
    """weight MMD^2(q(z), p(z)), with the inverse multiquadric kernel summed over seven scales, see `imq_mmd`.

    The Wasserstein autoencoder with that penalty (Tolstikhin et al. 2018, arXiv:1711.01558). Their encoder is a
    function; here z is sampled. The prior's terms are exact, where they sample it. Their weight for MNIST is
    10, beside a squared error that their code multiplies by 0.05: that ratio, 200, is the default here. It is meant for
    `--rec-dist gaussian`, whose term is the squared error, and was chosen for 8 latent dimensions and batches of 100.
    """

    summary = "Wasserstein autoencoder: MMD² with the inverse multiquadric kernel"
    formula = "λ MMD²_IMQ(q(z), p(z))"
    batchable = True
    options = (Option("WAE_B", 200.0, "weight of the discrepancy", minimum=0, symbol="λ", regularises="more"),)
    discrepancy = "imq"

    def __init__(self, *, WAE_B: float, **sizes: int):
        super().__init__(**sizes)
        self.weight = WAE_B


@register("InfoVAE", display=Display("InfoVAE", "#E1C32D"))
class InfoVAELoss(AggregateLoss):
    """(1 - alpha) KL(q(z|x) || p(z)) + (alpha + lambda - 1) D(q(z), p(z)) (Zhao et al. 2019).

    The recorded divergence is D, and `kl` is KL(q(z|x) || p(z)). Special cases: alpha = 0, lambda = 1 is the evidence
    lower bound, alpha + lambda = 1 the beta-VAE with beta = lambda, alpha = 1 the discrepancy alone with weight lambda.
    """

    summary = "the whole InfoVAE objective; D is MMD², that of WAE or the energy distance"
    formula = "(1−α) KL(q‖p) + (α+λ−1) D(q(z), p(z))"
    batchable = True
    options = (
        Option("info_alpha", 0.0, "alpha: 1 - alpha is the weight of the KL divergence", maximum=1, symbol="α"),
        Option(
            "info_lambda",
            500.0,
            "lambda: alpha + lambda - 1 is the weight of the discrepancy",
            above=0,
            symbol="λ",
            regularises="more",
        ),
        Option("info_divergence", "mmd", "discrepancy D", str, choices=tuple(DISCREPANCIES)),
    )

    def __init__(self, *, info_alpha: float, info_lambda: float, info_divergence: str, **sizes: int):
        super().__init__(**sizes)
        self.kl_weight = 1 - info_alpha
        self.weight = info_alpha + info_lambda - 1
        self.discrepancy = info_divergence

    def penalty(self, model: VAE, output: VAEOutput) -> Penalty:
        discrepancy, kl = self.estimate(model, output), model.kl_divergence(output).mean()
        return Penalty(self.kl_weight * kl + self.weight * discrepancy, discrepancy, {"kl": kl})
