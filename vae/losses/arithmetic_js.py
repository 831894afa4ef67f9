"""The Jensen-Shannon objective proper, of the arithmetic mean of q and p."""

import torch

from vae.divergences import arithmetic_js_estimate
from vae.losses.base import Display, Loss, Penalty, register
from vae.models import VAE, VAEOutput
from vae.options import Option


@register("JS", display=Display("JS", "#780f4b", 10))
class ArithmeticJSLoss(Loss):
    """weight JS_alpha(q(z|x), p(z)) = weight [(1 - alpha) KL(q||m) + alpha KL(p||m)], m = (1 - alpha) q + alpha p.

    In nats, at most the entropy of (1 - alpha, alpha), log 2 at alpha = 1/2 (Lin 1991). There is no closed form: it is
    estimated by samples of q and of p, both reparameterised, without bias in value and gradient. The variance of an
    image's estimate is at most 0.14 nats^2 / JS_samples where it was measured, see `arithmetic_js_estimate`.
    A posterior that hardly overlaps with the prior costs the most there is, and its gradient vanishes. Near the prior
    it is alpha (1 - alpha) KL(q||p), to second order.
    """

    summary = "Jensen-Shannon divergence proper, by samples of q and p; at most log 2 at α = ½"
    formula = "λ JS_α(q, p)"
    swept = "JS_A"
    options = (
        Option("JS_A", 0.5, "skew alpha, the weight on p", minimum=0, maximum=1, symbol="α", named=True),
        Option("JS_B", 25.0, "weight of the divergence", minimum=0, symbol="λ", regularises="more"),
        Option("JS_samples", 16, "samples of q and of p for each image", int, minimum=1, maximum=10_000),
    )

    def __init__(self, *, JS_A: float, JS_B: float, JS_samples: int, **sizes: int):
        super().__init__(**sizes)
        self.alpha, self.weight, self.samples = JS_A, JS_B, JS_samples

    def penalty(self, model: VAE, output: VAEOutput) -> Penalty:
        noise = torch.randn_like(output.mean.expand(self.samples, -1, -1))
        return self.weighted(arithmetic_js_estimate(output.mean, output.logvar, self.alpha, noise).mean())
