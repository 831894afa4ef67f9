"""The fits of Figure 2: a Gaussian q to a mixture p of ten, by one divergence or another (Deasy et al. 2020).

Each fit minimises the divergence itself, integrated on a grid. The authors' published script does not: its sample
means for KL integrate squared densities, its JS^G lacks the normaliser of the geometric mean, and its q integrates
to 2. So the fits need not be those printed in the paper.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from vae.divergences.quadrature import grid_arithmetic_js_divergence, grid_geometric_js_divergence, grid_kl_divergence

Divergence = Callable[..., Tensor]  # of log q (..., nodes), log p (nodes,) and `cell`, in nats, (...)

_AXIS = torch.linspace(-12, 12, 161, dtype=torch.float64)
GRID = torch.cartesian_prod(_AXIS, _AXIS)  # (nodes, 2)
CELL = (_AXIS[1] - _AXIS[0]).item() ** 2

DIVERGENCES: dict[str, Divergence] = {
    "KL(p‖q)": lambda log_q, log_p, cell: grid_kl_divergence(log_p, log_q, cell),
    "KL(q‖p)": grid_kl_divergence,
    "JS": partial(grid_arithmetic_js_divergence, alpha=0.5),
    "JS^G": partial(grid_geometric_js_divergence, alpha=0.5),
    "JS*^G": partial(grid_geometric_js_divergence, alpha=0.5, dual=True),
}


def paper_mixture() -> MixtureSameFamily:
    """The target p: ten isotropic Gaussians in the plane, drawn as the paper's authors did, with numpy's seed 22.

    Weights ~ Dirichlet(0.5, ..., 0.5), standard deviations 1 / (1 + u) with u ~ U(0, 1), means ~ 1.5 N(0, I), of which
    100 dimensions are drawn and the first two kept.
    """
    random = np.random.RandomState(22)
    weight = torch.from_numpy(random.dirichlet([0.5] * 10))
    std = torch.from_numpy(1 / (1 + random.uniform(size=(10, 1))))
    mean = torch.from_numpy(1.5 * random.standard_normal((100, 10))[:2].T)
    return MixtureSameFamily(Categorical(weight), Independent(Normal(mean, std), 1))


def gaussian_log_density(mean: Tensor, std: Tensor) -> Tensor:
    """log N(mean, diag std^2) on the grid, (..., 2) -> (..., nodes)."""
    return Independent(Normal(mean.unsqueeze(-2), std.unsqueeze(-2)), 1).log_prob(GRID)


def fit_gaussian(
    divergence: Divergence, p: MixtureSameFamily, *, shape: tuple[int, ...] = (), seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviations, (*shape, 2), of the diagonal Gaussian q for which a divergence of q and p is least.

    `shape` is that of the divergence's alpha: as many Gaussians are fitted at once. All start from the mean and the
    standard deviations of 100 samples of p, drawn with `seed`, and descend by L-BFGS until gradients vanish: to a
    minimum near the start, which for those in `DIVERGENCES` is the lowest of all.
    """
    torch.manual_seed(seed)
    samples, log_p = p.sample((100,)), p.log_prob(GRID)
    mean = samples.mean(0).expand(*shape, 2).clone().requires_grad_()
    log_std = samples.std(0).log().expand(*shape, 2).clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [mean, log_std], max_iter=200, tolerance_grad=1e-7, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def value_and_gradient() -> Tensor:
        optimizer.zero_grad()
        total = divergence(gaussian_log_density(mean, log_std.exp()), log_p, cell=CELL).sum()
        total.backward()
        return total

    optimizer.step(value_and_gradient)
    return mean.detach(), log_std.detach().exp()
