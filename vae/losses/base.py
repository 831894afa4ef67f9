"""What every training objective shares, and the registry of all of them.

An objective is a class in a file of its own: a subclass of `Loss` under `@register("name")` with its options and
its `divergence`. The registry gives it its flags, its help and its tests, one of which asks for its row in the README.
"""

import difflib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor, nn

from vae.models import VAE, VAEOutput, build_model
from vae.options import Option, OptionError

LOSSES: dict[str, type["Loss"]] = {}
ALIASES: dict[str, str] = {}


@dataclass(frozen=True)
class LossTerms:
    """The terms of an objective, each a scalar: the mean over the images of a batch."""

    total: Tensor  # what is minimised: reconstruction + regulariser, which is weight * divergence for most
    reconstruction: Tensor  # the likelihood's term per image
    divergence: Tensor  # unweighted, in nats unless it is a squared MMD or an energy distance
    extras: dict[str, Tensor] = field(default_factory=dict)  # quantities to record, by name

    def named(self) -> dict[str, Tensor]:
        """All terms by the names that the results carry; the total is called `loss`."""
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


class Loss(nn.Module, ABC):
    """reconstruction + weight * divergence, with a divergence of q(z|x) (or of its aggregate) from the prior.

    A module, so that what an objective learns or counts is a parameter or a buffer and is saved with it.
    """

    summary: ClassVar[str]  # one line for the help and the README
    formula: ClassVar[str]  # the divergence with its weight, for the README
    options: ClassVar[tuple[Option, ...]] = ()
    display: ClassVar["Display"]  # how tables and figures show it
    swept: ClassVar[str | None] = None  # the option whose values are compared, and of which the best is chosen
    learns: ClassVar[str | None] = None  # the loss whose swept option this one learns
    learnt_as: ClassVar[str | None] = None  # what it records the learnt value as, one of its extras
    data: ClassVar[tuple[str, ...]] = ("images", "vectors")  # what its model is for
    compilable: ClassVar[bool] = True  # False: shapes depend on numbers, so that torch.compile would gain nothing
    batch_statistic: ClassVar[bool] = False  # True: the divergence is of a batch as a whole, and depends on its size
    # True: runs with this objective may be trained as one, see vae.ensemble. It can be if its model is a VAE, and its
    # terms need nothing but the networks' output, the prior, the likelihood, and parameters, buffers and numbers of its
    # own; draw nothing in training; and do not look at the values of a tensor. Its after_step has to be elementwise.
    batchable: ClassVar[bool] = False

    weight: float = 1.0

    @classmethod
    def fixed_latent_dim(cls, options: dict[str, Any]) -> int | None:
        """The dimensions of z where the objective's options settle them; None where they are free."""
        return None

    @classmethod
    def build_model(cls, image_shape: tuple[int, ...], latent_dim: int, rec_dist: str, options: dict[str, Any]) -> VAE:
        """The model that the objective is for: the VAE with the prior N(0, I), unless overridden."""
        return build_model(image_shape, latent_dim, rec_dist)

    def __init__(self, *, dataset_size: int, latent_dim: int):
        super().__init__()

    def forward(self, model: VAE, images: Tensor, inputs: Tensor | None = None) -> LossTerms:
        """The terms of a batch of images (N, C, H, W) in [0, 1], with z as the model's mode has it.

        `inputs` is what the model sees in place of the images, which it is to reconstruct: noisy ones, say.
        """
        return self.terms(model, images, model(images if inputs is None else inputs))

    def terms(self, model: VAE, images: Tensor, output: VAEOutput) -> LossTerms:
        """The terms of a batch whose pass through the model is known."""
        reconstruction = model.reconstruction_error(output, images).mean()
        divergence, extras = self.divergence(model, output)
        total = reconstruction + self.regulariser(divergence, extras)
        # Detached, because a gradient that nobody asks for is computed all the same where the terms are compiled, and
        # 0 * inf in it would be the parameters' end.
        return LossTerms(total, reconstruction, divergence, {name: extra.detach() for name, extra in extras.items()})

    @abstractmethod
    def divergence(self, model: VAE, output: VAEOutput) -> tuple[Tensor, dict[str, Tensor]]:
        """The unweighted divergence, a scalar, and what else is worth recording, by name."""

    def regulariser(self, divergence: Tensor, extras: dict[str, Tensor]) -> Tensor:
        """What is added to the reconstruction: weight * divergence, unless overridden."""
        return self.weight * divergence

    def trained_parameters(self) -> Iterable[nn.Parameter]:
        """The parameters that are trained with the model's: all, unless some have an optimiser of their own."""
        return self.parameters()

    def after_step(self) -> None:
        """Called after each optimiser step, for constraints on what the objective learns."""


def register(
    name: str, *, aliases: tuple[str, ...] = (), display: Display | None = None
) -> Callable[[type[Loss]], type[Loss]]:
    """Class decorator: make an objective available as `--loss name`, shown by that name unless a display is given.

    Raises TypeError if a name is taken, if another objective has an option of the same name that is not the same, or if
    the objective does not say what it is.
    """

    def add(loss: type[Loss]) -> type[Loss]:
        for text in ("summary", "formula"):
            if not hasattr(loss, text):
                raise TypeError(f"{loss.__name__}: its {text} is missing, a line for the help and the README")
        for taken in {name, *aliases} & {*LOSSES, *ALIASES}:
            raise TypeError(f"{loss.__name__}: the name {taken} is taken")
        known = {option.name: option for other in LOSSES.values() for option in other.options}
        for option in loss.options:
            if known.get(option.name, option) != option:
                raise TypeError(f"{loss.__name__}: {option.flag} differs from that of another loss: share the Option")
        loss.display = display or Display(name)
        LOSSES[name] = loss
        ALIASES.update(dict.fromkeys(aliases, name))
        return loss

    return add


def loss_name(name: str) -> str:
    """The registered name that a name or an alias stands for. Raises OptionError, in one line, if there is none."""
    name = ALIASES.get(name, name)
    if name in LOSSES:
        return name
    if name == "VAE":
        raise OptionError(
            "--loss VAE is ambiguous: AE has no regulariser (the paper's authors call it VAE), KL is the usual VAE"
        )
    names = {known.casefold(): known for known in LOSSES}
    near = difflib.get_close_matches(name.casefold(), names, n=1)
    hint = f"did you mean {names[near[0]]}? " if near else ""
    raise OptionError(f"--loss {name}: no such loss; {hint}choose from {', '.join(LOSSES)}")


def resolve_options(name: str, given: dict[str, float | int | bool | str]) -> dict[str, float | int | bool | str]:
    """Every option of a loss, with its default where none is given.

    Raises OptionError, in one line, for an option that the loss does not have and for a value out of bounds.
    """
    options = {option.name: option for option in LOSSES[loss_name(name)].options}
    for unknown in given.keys() - options.keys():
        flag = "--" + unknown.replace("_", "-")
        users = [other for other, loss in LOSSES.items() if any(o.name == unknown for o in loss.options)]
        used = f"it belongs to {', '.join(users)}" if users else "no loss has it"
        raise OptionError(f"{flag} is not an option of --loss {name}: {used}")
    return {key: option.check(given.get(key, option.default)) for key, option in options.items()}


def build_loss(name: str, *, dataset_size: int, latent_dim: int, **options: float | int | bool | str) -> Loss:
    """Build an objective by its name, with options such as GJS_A=0.3 (the flag --GJS-A).

    Raises OptionError, in one line, for an unknown name or option and for a value out of bounds.
    """
    resolved = resolve_options(name, options)
    return LOSSES[loss_name(name)](dataset_size=dataset_size, latent_dim=latent_dim, **resolved)
