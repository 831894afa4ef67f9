"""The categorical VAE's objective and its extension by mutual information (Pineau and Lelarge 2018, InfoCatVAE)."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from vae.losses.base import Display, Loss, Penalty, register
from vae.models import VAE
from vae.models.categorical import CategoricalOutput, CategoricalVAE, build_categorical_model
from vae.models.priors import SubspaceMixture
from vae.options import Option


@register("CatVAE", display=Display("CatVAE", "#5A004B"))
class CategoricalLoss(Loss):
    """KL(q(c,z|x) || p(c,z)), with a class c and a Gaussian per class: the negative evidence lower bound.

    Records its two parts: `class_kl` = log K - H(q(c|x)), and `latent_kl`, the mean over q(c|x) of
    KL(q(z|x,c) || p(z|c)).
    """

    data = ("images",)
    priors = None
    compilable = False  # how many latents are decoded is left to chance
    summary = "a class beside z, with a Gaussian for each class in prior and posterior"
    formula = "KL(q(c,z)‖p(c,z))"
    extras_called = {"class_kl": "KL of the class", "latent_kl": "KL of z"}
    options = (
        Option("classes", 10, "classes K; z has K times --subspace-dim dimensions", kind=int, minimum=1, maximum=100),
        Option("subspace_dim", 2, "dimensions of z that belong to each class", kind=int, minimum=1, maximum=100),
        Option("prior_scale", 2.0, "what a class's mean is in its own dimensions, in those of others 0", minimum=0),
        Option(
            "single_decode",
            False,
            "decode once per image, from the average of the classes, not once per class: quicker, not the bound",
            kind=bool,
        ),
    )

    def __init__(self, *, classes: int, subspace_dim: int, prior_scale: float, single_decode: bool, **sizes: int):
        super().__init__(**sizes)  # the options are all of the model, see build_model

    @classmethod
    def fixed_latent_dim(cls, options: dict[str, Any]) -> int:
        return options["classes"] * options["subspace_dim"]

    @classmethod
    def build_model(
        cls, image_shape: tuple[int, ...], latent_dim: int, rec_dist: str, options: dict[str, Any], **network: Any
    ) -> VAE:
        prior = cls.build_prior(latent_dim, options)
        return build_categorical_model(image_shape, prior, rec_dist, single_decode=options["single_decode"], **network)

    @classmethod
    def build_prior(cls, latent_dim: int, options: dict[str, Any]) -> SubspaceMixture:
        return SubspaceMixture(options["classes"], options["subspace_dim"], options["prior_scale"])

    def check_model(self, model: VAE) -> None:
        if not isinstance(model, CategoricalVAE):
            name, given = type(self).__name__, type(model).__name__
            raise ValueError(f"{name} is for a CategoricalVAE, not a {given}: take the loss's own build_model")

    def penalty(self, model: CategoricalVAE, output: CategoricalOutput) -> Penalty:
        parts = model.prior.kl_divergences(output.logits, output.class_mean, output.class_logvar)
        of_class, of_latent = (part.mean() for part in parts)
        return self.weighted(of_class + of_latent, class_kl=of_class, latent_kl=of_latent)


@register("InfoCatVAE", display=Display("InfoCatVAE", "#8778F0"))
class InfoCategoricalLoss(CategoricalLoss):
    """CatVAE + weight E_{c ~ p(c), z ~ p(z|c)}[-log q(c|x)] at x = the mean image of z.

    log K less that cross-entropy is a lower bound of the mutual information I(c; x) of a class and what is made of it
    (Chen et al. 2016, InfoGAN). Records it as `cross_entropy`: log K where the classes of samples cannot be told
    apart, 0 where they always can.
    """

    summary = "CatVAE and the cross-entropy CE of the classes of decoded samples"
    formula = "KL(q(c,z)‖p(c,z)) + w CE"
    options = (
        *CategoricalLoss.options,
        Option("mi_weight", 1.0, "weight of the samples' cross-entropy", minimum=0, symbol="w"),
    )

    def __init__(self, *, mi_weight: float, **options: Any):
        super().__init__(**options)
        self.mi_weight = mi_weight

    def penalty(self, model: CategoricalVAE, output: CategoricalOutput) -> Penalty:
        bound = super().penalty(model, output)
        cross_entropy = self.cross_entropy(model, len(output.logits))
        value = bound.value + self.mi_weight * cross_entropy
        return Penalty(value, bound.divergence, {**bound.extras, "cross_entropy": cross_entropy})

    def cross_entropy(self, model: CategoricalVAE, images: int) -> Tensor:
        """That of about as many samples as images, all classes equally often: a scalar."""
        classes = model.prior.classes
        per_class = -(-images // classes)
        samples = model.decode(model.prior.sample_each(per_class).flatten(0, 1))
        labels = torch.arange(classes, device=samples.device).repeat_interleave(per_class)
        return functional.cross_entropy(model.posterior_components(samples)[0], labels)
