"""Scores of how well single latent dimensions stand for single factors: FactorVAE's, SAP and DCI, and MIG with them.

The three take the posterior means of N images, (N, latent_dim), and the class indices of their K factors, int64,
(N, K); factors of one value are left out, and ValueError is raised if none is left. What is drawn is drawn from the
global random stream.
"""

from torch import Tensor

from vae.evaluation.disentanglement.dci import dci
from vae.evaluation.disentanglement.factor_vae import factor_vae_score
from vae.evaluation.disentanglement.mig import mutual_information_gaps
from vae.evaluation.disentanglement.sap import separated_attribute_predictability


def disentanglement_scores(mean: Tensor, logvar: Tensor, factors: Tensor) -> dict[str, float | list[float]]:
    """Every score of posteriors N(mean, diag exp logvar), both (N, latent_dim), and factors (N, K).

    mig_sample, mig_mean: the mutual information gap in both forms, and the gap of each factor in *_of_factors.
    factor_vae_score, sap, dci_disentanglement, dci_completeness, dci_informativeness: by the posterior mean.
    """
    information_gaps = mutual_information_gaps(mean, logvar, factors)
    return {
        "mig_sample": information_gaps.sample.mean().item(),
        "mig_mean": information_gaps.mean.mean().item(),
        "mig_sample_of_factors": information_gaps.sample.tolist(),
        "mig_mean_of_factors": information_gaps.mean.tolist(),
        "factor_vae_score": factor_vae_score(mean, factors),
        "sap": separated_attribute_predictability(mean, factors),
        **{f"dci_{name}": value for name, value in dci(mean, factors).items()},
    }
