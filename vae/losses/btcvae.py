"""The beta-TCVAE: the KL divergence in three parts, each with a weight of its own."""

import torch
from torch import Tensor

from vae.divergences.numerics import gaussian_log_prob
from vae.losses.annealing import REG_ANNEAL, AnnealedLoss
from vae.losses.base import Display, Penalty, register
from vae.models import VAE, VAEOutput, sample_posterior
from vae.options import Option


@register("btcvae", display=Display("btcvae", "#780FD2"))
class TotalCorrelationLoss(AnnealedLoss):
    """A I(x; z) + B KL(q(z)||prod_j q(z_j)) + G sum_j KL(q(z_j)||p(z_j)) (Chen et al. 2018, eq. 4).

    With q(z) the aggregate posterior over the training set. The terms are recorded as `mutual_information`,
    `total_correlation` and `dimension_kl`; their sum, the `divergence`, is the usual one-sample estimate of
    KL(q(z|x)||p(z)). As in the code of Deasy et al. the last grows over the first reg_anneal steps.
    """

    summary = "beta-TCVAE: mutual information, total correlation and KL of dimensions, weighted"
    formula = "A I(x; z) + B TC(z) + G Σⱼ KL(q(zⱼ)‖p(zⱼ))"
    options = (
        Option("btcvae_A", 1.0, "weight of the mutual information", minimum=0, symbol="A", regularises="more"),
        Option("btcvae_B", 6.0, "weight of the total correlation", minimum=0, symbol="B", regularises="more"),
        Option("btcvae_G", 1.0, "weight of the dimensions' KL", minimum=0, symbol="G", regularises="more"),
        REG_ANNEAL,
    )
    batch_statistic = True
    batchable = True

    def __init__(self, *, dataset_size: int, btcvae_A: float, btcvae_B: float, btcvae_G: float, **options: int):
        super().__init__(dataset_size=dataset_size, **options)
        self.dataset_size = dataset_size
        self.weights = (btcvae_A, btcvae_B, btcvae_G)

    def penalty(self, model: VAE, output: VAEOutput) -> Penalty:
        mean, logvar = output.mean, output.logvar
        z = output.z if self.training else sample_posterior(mean, logvar)
        pairs = gaussian_log_prob(z.unsqueeze(1), mean, logvar)  # log q(z_j of image n | image m), (N, N, latent_dim)
        log_share = log_shares(len(z), self.dataset_size, z.device).to(pairs.dtype).unsqueeze(-1)
        given_image = pairs.diagonal().sum(0)
        aggregate = (log_share.squeeze(-1) + pairs.sum(-1)).logsumexp(1)
        marginals = (log_share + pairs).logsumexp(1).sum(-1)
        prior = gaussian_log_prob(z, torch.zeros_like(z), torch.zeros_like(z)).sum(-1)
        information = (given_image - aggregate).mean()
        correlation = (aggregate - marginals).mean()
        dimensions = (marginals - prior).mean()
        a, b, g = self.weights
        return Penalty(
            a * information + b * correlation + g * self.annealed() * dimensions,
            information + correlation + dimensions,
            {"mutual_information": information, "total_correlation": correlation, "dimension_kl": dimensions},
        )


def log_shares(batch_size: int, dataset_size: int, device: torch.device | str = "cpu") -> Tensor:
    """The log-weights (N, N) by which q(z) = sum_m q(z|m) / dataset_size is estimated from a batch, z being image n's.

    The image's own posterior is in q(z) for certain, with 1 / dataset_size; what the others stand for is shared among
    those in the batch. So the weights add up to 1, their estimate of q(z) is unbiased over batches, and exact where the
    batch is the data set. These are the stratified weights of Chen et al. 2018, appendix C.2, averaged over which of
    the others takes the one odd weight: the same expectation, and less variance. A batch of one stands for itself.
    """
    own = 1 / dataset_size if batch_size > 1 else 1.0
    shares = torch.full(
        (batch_size, batch_size), (1 - own) / max(1, batch_size - 1), dtype=torch.float64, device=device
    )
    return shares.fill_diagonal_(own).log()
