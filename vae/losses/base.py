"""What every training objective shares, and the registry of all of them.

An objective is a class in a file of its own, under `@register("name")`: a `Loss` with its options and its `penalty`,
or an `Objective` with `terms` of its own where it is no reconstruction and a penalty. The registry gives it its flags,
its help, its colour in the figures and its tests. Tables and figures also use its `display`, `swept` and `learns`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from vae.models import VAE, VAEOutput, build_model
from vae.models.priors import Prior, StandardNormal
from vae.options import Option
from vae.registry import Registry

LOSSES: Registry[type["Objective"]] = Registry(
    "loss",
    refused={"VAE": "is ambiguous: AE has no regulariser (the paper's authors call it VAE), KL is the usual VAE"},
)

# What the results hold beside an objective's extras.
RESERVED = frozenset(
    "loss reconstruction divergence epoch step split seconds images_per_second squared_error elbo active_units "
    "class_marginal_entropy used_classes clustering_accuracy normalised_mutual_information evidence "
    "aggregate_distance".split()
)


@dataclass(frozen=True)
class Penalty:
    """What an objective adds to the reconstruction, each a scalar: the mean over the images of a batch."""

    value: Tensor  # what is added, weight * divergence for most
    divergence: Tensor  # unweighted, in nats unless the objective says another unit
    extras: dict[str, Tensor] = field(default_factory=dict)  # quantities to record, by name


@dataclass(frozen=True)
class LossTerms:
    """The terms of an objective, each a scalar: the mean over the images of a batch."""

    total: Tensor  # what is minimised: the reconstruction and the penalty's value
    reconstruction: Tensor  # the likelihood's term per image
    divergence: Tensor  # the penalty's, or what the total has beyond the reconstruction
    extras: dict[str, Tensor] = field(default_factory=dict)  # the penalty's

    def named(self) -> dict[str, Tensor]:
        """All terms by the names that the results carry; the total is called `loss`.

        Raises ValueError for an extra with the name of something else in the results.
        """
        for name in RESERVED.intersection(self.extras):
            raise ValueError(f"the results have another {name}: give this extra of the objective another name")
        return {
            "loss": self.total,
            "reconstruction": self.reconstruction,
            "divergence": self.divergence,
            **self.extras,
        }


@dataclass(frozen=True)
class Display:
    """How tables and figures show an objective."""

    label: str  # as the papers write it, in matplotlib's mathematics
    color: str | None = None  # None: one that no other objective has chosen
    place: int = 100  # in tables and legends, ascending; of the same place by name


class Objective(nn.Module, ABC):
    """What is minimised in training: the `terms` that it makes of a batch.

    A module, so that what an objective learns or counts is a parameter or a buffer and is saved with it.
    """

    summary: ClassVar[str]  # one line for the help and the docs
    formula: ClassVar[str]  # the divergence with its weight, for the docs
    options: ClassVar[tuple[Option, ...]] = ()
    display: ClassVar[Display]  # how tables and figures show it
    extras_called: ClassVar[dict[str, str]] = {}  # in figures, where that is not the name of an extra with spaces
    swept: ClassVar[str | None] = None  # the option whose values are compared, and of which the best is chosen
    learns: ClassVar[str | None] = None  # the loss whose swept option this one learns
    learnt_as: ClassVar[str | None] = None  # what it records the learnt value as, one of its extras
    # A sentence on what regularises less or more; needed only where no option says so by `regularises`.
    remedy: ClassVar[str] = "no option of this objective is known to regularise less or more"
    data: ClassVar[tuple[str, ...]] = ("images", "vectors")  # what its model is for
    compilable: ClassVar[bool] = True  # False: shapes depend on numbers, so that torch.compile would gain nothing
    # What a prior has to be for --prior to choose it: a Prior, where that is all it needs; None: it has one of its own.
    priors: ClassVar[type[Prior] | None] = StandardNormal
    # True: it works with full-covariance posteriors too. Then all that it uses of a posterior is the model's
    # `kl_divergence`, and the output's `divergences`, `parameters` and `draw`.
    full_covariance: ClassVar[bool] = False
    batch_statistic: ClassVar[bool] = False  # True: the divergence is of a batch as a whole, and depends on its size
    prior_options: ClassVar[tuple[str, ...]] = ()  # its options that are of its own prior, see build_prior
    # True: runs with this objective may be trained as one, see vae.training.ensemble. It can be if its model is a VAE,
    # and its terms need nothing but the networks' output, the prior, the likelihood, and parameters, buffers and
    # numbers of its own; draw nothing in training, nor does its prior; and do not look at the values of a tensor. Its
    # after_step has to be elementwise. Its numbers are floats that __init__ sets: where runs differ in one, a tensor.
    # A subclass does not inherit it: what it adds may not be so.
    batchable: ClassVar[bool] = False

    @classmethod
    def fixed_latent_dim(cls, options: dict[str, Any]) -> int | None:
        """The dimensions of z where the objective's options settle them; None where they are free."""
        return None

    @classmethod
    def to_regularise(cls, way: Literal["more", "less"]) -> str:
        """What makes it regularise more, or less, such as "a smaller --betaH-B regularises less"."""
        changes = [
            f"a {'larger' if option.regularises == way else 'smaller'} {option.flag}"
            for option in cls.options
            if option.regularises
        ]
        return f"{' or '.join(changes)} regularises {way}" if changes else cls.remedy

    @classmethod
    def build_model(
        cls, image_shape: tuple[int, ...], latent_dim: int, rec_dist: str, options: dict[str, Any], **parts: Any
    ) -> VAE:
        """The model that the objective is for: the VAE with the objective's prior, unless overridden.

        `parts` are what is chosen besides, as `vae.models.build_model` takes it: the network and its options, the
        posterior, and another prior than the objective's.
        """
        own = {"prior": lambda latent_dim, encoder: cls.build_prior(latent_dim, options)}
        return build_model(image_shape, latent_dim, rec_dist, **{**own, **parts})

    @classmethod
    def build_prior(cls, latent_dim: int, options: dict[str, Any]) -> Prior:
        """The prior of the objective's model: N(0, I), unless overridden."""
        return StandardNormal(latent_dim)

    def __init__(self, *, dataset_size: int, latent_dim: int):
        super().__init__()
        self.warmup = 0  # steps over which all but the reconstruction grows, see grown
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64), persistent=False)  # that were taken

    def check_model(self, model: VAE) -> None:
        """Raise ValueError for a model whose posterior or prior the objective is not for."""
        name = type(self).__name__
        if not (model.diagonal or self.full_covariance):
            raise ValueError(f"{name} is for diagonal posteriors: build the model with posterior='diagonal'")
        if self.priors and not isinstance(model.prior, self.priors):
            given, known = type(model.prior).__name__, self.priors.__name__
            raise ValueError(f"{name} cannot be computed with a {given}: expected a {known} as the prior")

    def forward(self, model: VAE, images: Tensor, inputs: Tensor | None = None) -> LossTerms:
        """The terms of a batch of images (N, C, H, W) in [0, 1], with z as the model's mode has it.

        `inputs` is what the model sees in place of the images, which it is to reconstruct: noisy ones, say.
        """
        return self.terms(model, images, model(images if inputs is None else inputs))

    @abstractmethod
    def terms(self, model: VAE, images: Tensor, output: VAEOutput) -> LossTerms:
        """The terms of a batch whose pass through the model is known."""

    def grown(self, length: int) -> Tensor:
        """How much is in force of what grows over so many steps: steps / length, 1 at most, and 1 in evaluation."""
        if self.training and length:
            return (self.steps / length).clamp(max=1)
        return torch.ones((), device=self.steps.device)

    def trained_parameters(self) -> Iterable[nn.Parameter]:
        """The parameters that are trained with the model's: all, unless some have an optimiser of their own."""
        return self.parameters()

    def step_taken(self) -> None:
        """Called by the trainer after each optimiser step."""
        self.after_step()
        self.steps += 1

    def after_step(self) -> None:
        """What is to be done after each optimiser step, such as to keep within bounds what the objective learns."""


class Loss(Objective):
    """The usual objective: reconstruction + weight * divergence of q(z|x), or of its aggregate, from the prior."""

    def __init__(self, **sizes: int):
        super().__init__(**sizes)
        vars(self).setdefault("weight", 1.0)  # unless a subclass has set it before

    def terms(self, model: VAE, images: Tensor, output: VAEOutput) -> LossTerms:
        """The terms of a batch whose pass through the model is known."""
        reconstruction = model.reconstruction_error(output, images).mean()
        penalty = self.penalty(model, output)
        self.check_penalty(penalty)
        value = self.grown(self.warmup) * penalty.value if self.warmup else penalty.value
        # Detached, because a gradient that nobody asks for is computed all the same where the terms are compiled, and
        # 0 * inf in it would be the parameters' end.
        extras = {name: extra.detach() for name, extra in penalty.extras.items()}
        return LossTerms(reconstruction + value, reconstruction, penalty.divergence, extras)

    def check_penalty(self, penalty: Any) -> None:
        """Raise TypeError unless it is a Penalty of scalars."""
        name = type(self).__name__
        if not isinstance(penalty, Penalty):
            given = type(penalty).__name__
            raise TypeError(f"{name}.penalty returned a {given}: expected self.weighted(...), or a Penalty")
        for part, value in {"value": penalty.value, "divergence": penalty.divergence, **penalty.extras}.items():
            if not isinstance(value, Tensor) or value.ndim:
                given = f"has the shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"is {value!r}"
                raise TypeError(f"{name}.penalty: its {part} {given}: expected a scalar tensor, a mean over the batch")

    @abstractmethod
    def penalty(self, model: VAE, output: VAEOutput) -> Penalty:
        """What is added to the reconstruction for what the model makes of a batch; most return `self.weighted(...)`."""

    def weighted(self, divergence: Tensor, **extras: Tensor) -> Penalty:
        """The usual penalty: weight * divergence, a scalar, and what else is worth recording, by name."""
        return Penalty(self.weight * divergence, divergence, extras)


def register(
    name: str, *, aliases: tuple[str, ...] = (), display: Display | None = None
) -> Callable[[type[Objective]], type[Objective]]:
    """Class decorator: make an objective available as `--loss name`, shown by that name unless a display is given.

    Raises TypeError if the objective does not say what it is, and for names and options that are taken, see Registry.
    """

    def add(loss: type[Objective]) -> type[Objective]:
        for text in ("summary", "formula"):
            if not hasattr(loss, text):
                raise TypeError(f"{loss.__name__}: its {text} is missing, a line for the help and the docs")
        shown = display or Display(name)
        LOSSES.register(name, aliases=aliases, place=shown.place)(loss)
        loss.display, loss.batchable = shown, vars(loss).get("batchable", False)
        return loss

    return add


def build_loss(name: str, *, dataset_size: int, latent_dim: int, **options: float | int | bool | str) -> Objective:
    """Build an objective by its name, with options such as GJS_A=0.3 (the flag --GJS-A).

    Raises OptionError, in one line, for an unknown name or option and for a value out of bounds.
    """
    resolved = LOSSES.resolve_options(name, options)
    return LOSSES.find(name)(dataset_size=dataset_size, latent_dim=latent_dim, **resolved)
