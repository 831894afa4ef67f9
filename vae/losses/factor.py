"""The FactorVAE: the total correlation by a discriminator, which is trained beside the model."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from vae.losses.annealing import REG_ANNEAL, AnnealedLoss
from vae.losses.base import Display, LossTerms, Penalty, register
from vae.models import VAE, VAEOutput, sample_posterior
from vae.models.priors import Prior
from vae.options import Option
from vae.states import load_averages

HIDDEN_LAYERS = 6
HIDDEN_UNITS = 1000


@register("factor", display=Display("factor", "#5A3C1E"))
class FactorLoss(AnnealedLoss):
    """KL(q(z|x)||p(z)) + gamma KL(q(z)||prod_j q(z_j)) (Kim and Mnih 2018, eq. 2).

    The second term, the total correlation, is the mean over z ~ q(z) of the discriminator's logit for "z is from q(z)"
    against "each z_j is from an image of its own". It is recorded as `total_correlation`; the `divergence` is KL. Its
    weight grows over the first reg_anneal steps.

    A training batch is cut in two: the first half trains the model; then it and the second half, whose coordinates are
    permuted over its images, train the discriminator, by an Adam of its own. So an epoch trains the model on half as
    many images as the other objectives'. In evaluation the whole batch is what is measured, and nothing is trained.
    """

    summary = "FactorVAE: KL, and the total correlation by a discriminator"
    formula = "KL(q‖p) + γ TC(z)"
    options = (
        Option("factor_G", 6.0, "weight gamma of the total correlation", minimum=0, symbol="γ", regularises="more"),
        Option("lr_disc", 5e-5, "learning rate of the discriminator's Adam", above=0),
        REG_ANNEAL,
    )
    batch_statistic = True
    priors = Prior

    def __init__(self, *, latent_dim: int, factor_G: float, lr_disc: float, **options: int):
        super().__init__(latent_dim=latent_dim, **options)
        self.gamma = factor_G
        layers: list[nn.Module] = [nn.Linear(latent_dim, HIDDEN_UNITS), nn.LeakyReLU(0.2)]
        for _ in range(HIDDEN_LAYERS - 1):
            layers += [nn.Linear(HIDDEN_UNITS, HIDDEN_UNITS), nn.LeakyReLU(0.2)]
        self.discriminator = nn.Sequential(*layers, nn.Linear(HIDDEN_UNITS, 1))
        # Kim and Mnih's betas.
        self.optimizer = torch.optim.Adam(self.discriminator.parameters(), lr=lr_disc, betas=(0.5, 0.9), fused=True)
        self.latents: tuple[Tensor, Tensor] | None = None  # of q(z) and permuted, for the discriminator's next step

    def forward(self, model: VAE, images: Tensor, inputs: Tensor | None = None) -> LossTerms:
        inputs = images if inputs is None else inputs
        half = len(images) // 2
        if not self.training or not half:
            return super().forward(model, images, inputs)
        output = model(inputs[:half])
        with torch.no_grad():
            other = permute_coordinates(sample_posterior(*model.encode(inputs[half:])))
        self.latents = (output.z.detach(), other)
        return self.terms(model, images[:half], output)

    def penalty(self, model: VAE, output: VAEOutput) -> Penalty:
        z = output.z if self.training else sample_posterior(output.mean, output.logvar)
        kl, total_correlation = model.kl_divergence(output).mean(), self.discriminator(z).mean()
        value = kl + self.gamma * self.annealed() * total_correlation
        return Penalty(value, kl, {"total_correlation": total_correlation})

    def trained_parameters(self) -> Iterable[nn.Parameter]:
        return ()

    def after_step(self) -> None:
        if self.latents is not None:
            self.optimizer.zero_grad()
            self.discriminator_error(*self.latents).backward()
            self.optimizer.step()
            self.latents = None

    def discriminator_error(self, z: Tensor, permuted: Tensor) -> Tensor:
        """The discriminator's mean cross-entropy in nats, both kinds of z alike; log 2 if it knows nothing."""
        # softplus(-logit) = -log sigmoid(logit)
        return 0.5 * (
            functional.softplus(-self.discriminator(z)).mean()
            + functional.softplus(self.discriminator(permuted)).mean()
        )

    def get_extra_state(self) -> dict[str, Any]:
        return self.optimizer.state_dict()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        load_averages(self.optimizer, state)


def permute_coordinates(z: Tensor) -> Tensor:
    """Each coordinate of z (N, latent_dim) in an order of its own: draws from prod_j q(z_j)."""
    return z.gather(0, torch.rand_like(z).argsort(0))
