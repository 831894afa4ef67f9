"""The disentangled inferred prior: the covariance of the aggregate posterior is drawn to the prior's."""

from vae.divergences import dip_penalties
from vae.losses.base import Display, Loss, Penalty, register
from vae.models import VAE, VAEOutput
from vae.options import Option


@register("DIP", display=Display("DIP", "#1e1e00", 20))
class DisentangledInferredPriorLoss(Loss):
    """KL(q(z|x)||p(z)) + lambda_od sum_{i != j} C_ij^2 + lambda_d sum_i (C_ii - 1)^2 (Kumar et al. 2018, eq. 6 and 7).

    C is a covariance over the batch: of the posterior means in DIP-VAE-I, of the aggregate posterior, which has the
    mean of the posteriors' variances besides, in DIP-VAE-II. The authors take lambda_d = 10 lambda_od for I, and both
    alike for II. The two sums are recorded as `covariance` and `variance_gap`; the `divergence` is KL.
    """

    summary = "DIP-VAE: KL, and the covariance C of the aggregate posterior drawn to 1"
    formula = "KL(q‖p) + λ_od Σ C_ij² + λ_d Σ (C_ii − 1)²"
    batch_statistic = True
    batchable = True
    options = (
        Option(
            "DIP_kind", "II", "I: C of the posterior means; II: of the aggregate posterior", str, choices=("I", "II")
        ),
        Option("DIP_od", 10.0, "weight of the covariances", minimum=0, symbol="λ_od", regularises="more"),
        Option("DIP_d", 10.0, "weight of the variances' distances from 1", minimum=0, symbol="λ_d", regularises="more"),
    )

    def __init__(self, *, DIP_kind: str, DIP_od: float, DIP_d: float, **sizes: int):
        super().__init__(**sizes)
        self.kind, self.off_diagonal, self.diagonal = DIP_kind, DIP_od, DIP_d

    def penalty(self, model: VAE, output: VAEOutput) -> Penalty:
        kl = model.kl_divergence(output).mean()
        covariance, gap = dip_penalties(output.mean, output.logvar if self.kind == "II" else None)
        value = kl + self.off_diagonal * covariance + self.diagonal * gap
        return Penalty(value, kl, {"covariance": covariance, "variance_gap": gap})
