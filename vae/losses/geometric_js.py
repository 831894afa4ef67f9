"""The skew-geometric Jensen-Shannon objectives of Deasy et al. 2020, with a fixed or a learnt skew."""

from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import nn

from vae.losses.base import Display, Loss, Penalty, register
from vae.models import VAE, VAEOutput
from vae.options import Option


@register("GJS", display=Display("JS$^G$", "#E69F00", 5))
class GeometricJSLoss(Loss):
    """lambda JS^G_alpha(q(z|x) || p(z)) (eqs. 16-19): KL(q||p) at alpha = 0 and KL(p||q) at alpha = 1.

    Records the two terms whose mean, weighted by 1 - alpha and alpha, is the divergence (Figure 3, lower panels):
    `kl_to_posterior`, between q(z|x) and the intermediate Gaussian, and `kl_to_prior`, between p(z) and it.
    """

    summary = "skew-geometric Jensen-Shannon: (1−α) KL(q‖N) + α KL(p‖N), N ∝ q^α p^(1−α)"
    formula = "λ JS^G_α(q‖p)"
    options = (
        Option(
            "GJS_A",
            0.5,
            "skew alpha, or its start; GJS is KL(q‖p) at 0, dGJS at 1",
            minimum=0,
            maximum=1,
            symbol="α",
            named=True,
        ),
        Option("GJS_B", 1.0, "weight lambda of the divergence", minimum=0, symbol="λ", regularises="more"),
        Option(
            "GJS_invA",
            True,
            "the paper's skew N_(1-alpha), with the two KL divergences as limits; --no-GJS-invA: Nielsen's N_alpha",
            kind=bool,
        ),
    )
    batchable = True
    full_covariance = True
    swept = "GJS_A"
    extras_called = {
        "kl_to_posterior": "KL of q and N, weight 1 − α",
        "kl_to_prior": "KL of p and N, weight α",
    }
    dual: ClassVar[bool] = False

    def __init__(self, *, GJS_A: float, GJS_B: float, GJS_invA: bool, **sizes: int):
        super().__init__(**sizes)
        self.alpha: float | nn.Parameter = GJS_A
        self.weight = GJS_B
        self.skew = "paper" if GJS_invA else "nielsen"

    def penalty(self, model: VAE, output: VAEOutput) -> Penalty:
        to_posterior, to_prior = output.divergences.geometric_js_terms(
            *output.parameters, self.alpha, dual=self.dual, skew=self.skew
        )
        to_posterior, to_prior = to_posterior.mean(), to_prior.mean()
        divergence = (1 - self.alpha) * to_posterior + self.alpha * to_prior
        return self.weighted(divergence, kl_to_posterior=to_posterior, kl_to_prior=to_prior)


@register("dGJS", display=Display("JS$_*^G$", "#D55E00", 7))
class DualGeometricJSLoss(GeometricJSLoss):
    """lambda JS*^G_alpha(q(z|x) || p(z)) (eq. 19): KL(p||q) at alpha = 0 and KL(q||p) at alpha = 1."""

    summary = "dual skew-geometric Jensen-Shannon: (1−α) KL(N‖q) + α KL(N‖p), N ∝ q^α p^(1−α)"
    formula = "λ JS*^G_α(q‖p)"
    batchable = True
    dual = True


@register("tGJS", display=Display("JS$^G$, α learnt", "#E69F00", 6))
class LearntGeometricJSLoss(GeometricJSLoss):
    """GJS with a learnt skew (Deasy et al. 2021, "alpha-VAEs").

    alpha is a parameter, trained with the networks on the same objective and kept in [0, 1]; it is recorded.
    """

    summary = "GJS with a learnt skew α, started at --GJS-A"
    batchable = True
    swept = None
    learns = "GJS"
    learnt_as = "alpha"
    extras_called = {"alpha": "α", **GeometricJSLoss.extras_called}

    def __init__(self, **options: Any):
        super().__init__(**options)
        self.alpha = nn.Parameter(torch.tensor(self.alpha))

    def penalty(self, model: VAE, output: VAEOutput) -> Penalty:
        penalty = super().penalty(model, output)
        return replace(penalty, extras={"alpha": self.alpha, **penalty.extras})

    @torch.no_grad()
    def after_step(self) -> None:
        self.alpha.clamp_(0, 1)


@register("tdGJS", display=Display("JS$_*^G$, α learnt", "#D55E00", 8))
class LearntDualGeometricJSLoss(LearntGeometricJSLoss):
    """dGJS with a learnt skew (Deasy et al. 2021, "alpha-VAEs")."""

    summary = "dGJS with a learnt skew α, started at --GJS-A"
    formula = DualGeometricJSLoss.formula
    batchable = True
    learns = "dGJS"
    dual = True


@register("eGJS", display=Display("eJS$^G$", "#d296c3", 11))
class ExtendedGeometricJSLoss(GeometricJSLoss):
    """lambda eJS^G_alpha(q(z|x) || p(z)), in nats, of the geometric mixture as it is, not normalised (Nielsen 2025).

    It is JS^G + e^-J - 1 + J, with J the skew Bhattacharyya divergence of the mixture's weight: KL(q||p) at alpha = 0
    and KL(p||q) at 1 as in GJS, at alpha = 1/2 a quarter of Jeffreys less the squared Hellinger distance. How it is
    derived stands in `vae.divergences.diagonal.geometric_js`. Source: arXiv:2508.05066.
    """

    summary = "extended JS^G, of the geometric mixture that is not normalised"
    formula = "λ eJS^G_α(q‖p)"
    batchable = True

    def penalty(self, model: VAE, output: VAEOutput) -> Penalty:
        extended = output.divergences.extended_geometric_js_divergence
        return self.weighted(extended(*output.parameters, self.alpha, skew=self.skew).mean())
