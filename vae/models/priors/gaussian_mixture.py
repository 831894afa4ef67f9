"""A mixture of Gaussians that is learnt."""

import torch
from torch import Tensor, nn

from vae.models.priors.base import PRIORS
from vae.models.priors.mixture import Mixture

LOGVAR_LIMIT = 2.0  # of a learnt component


@PRIORS.register("mixture", place=2)
class GaussianMixture(Mixture):
    """p(z) = 1/K sum_k N(mean_k, diag exp logvar_k), learnt: the prior of CSRAE (Tran et al. 2021, arXiv:2101.02149).

    Means and log-variances are what a small network makes of each component's number or, without `network`, parameters
    themselves. The means start at draws of N(0, I), so that no two components are the same, the log-variances near 0.

    A log-variance is 2 tanh(v / 2) with v free: standard deviations stay between 1/e and e. Without a bound a component
    that is not needed may widen without end, for D_CS does not change with the scale of p and so does not see mass that
    is spread thin; but 1/K of the samples come from it.
    """

    counted, usual_count = "components", 10

    @classmethod
    def of_model(
        cls, latent_dim: int, count: int | None, encoder: nn.Module, data_shape: tuple[int, ...]
    ) -> "GaussianMixture":
        """With parameters for means and log-variances."""
        return cls(count or cls.usual_count, latent_dim, network=False)

    def __init__(self, components: int, latent_dim: int, *, network: bool):
        super().__init__(latent_dim)
        start = torch.cat([torch.randn(components, latent_dim), torch.zeros(components, latent_dim)], dim=-1)
        self.moments = nn.Parameter(start) if not network else None
        if network:
            self.network = nn.Sequential(nn.Linear(components, 64), nn.ReLU(), nn.Linear(64, 2 * latent_dim))
            self.register_buffer("numbers", torch.eye(components), persistent=False)  # one-hot
            self.register_buffer("start", start)

    def components(self) -> tuple[Tensor, Tensor]:
        moments = self.start + self.network(self.numbers) if self.moments is None else self.moments
        mean, free = moments.chunk(2, dim=-1)
        return mean, LOGVAR_LIMIT * (free / LOGVAR_LIMIT).tanh()
