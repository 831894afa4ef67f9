"""The settings of the training loop."""

from dataclasses import dataclass

from vae.options import Settings, setting
from vae.training.schedules import COURSES


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(Settings):
    """How a model is trained. A new setting is one line here, and its use in the loop.

    The seed, with an epoch's number, fixes the order of the images and every sample of z, so that an epoch depends on
    the state before it and on nothing else. The noise is new in every epoch; what the model is to make are the clean
    images. The precision is that of the networks' arithmetic in training, see VAE.run. Compiled are the terms of full
    batches, with the same samples as without; where that fails, a warning says so, and training goes on without.

    The epochs are those of the whole run, over which a schedule of the learning rate has its course.
    """

    epochs: int = setting(30, "passes over the training images", minimum=1)
    batch_size: int = setting(64, "images per step", minimum=1, maximum=1_000_000)
    lr: float = setting(1e-4, "learning rate of Adam", above=0)
    lr_schedule: str = setting(
        "constant",
        "course of the learning rate: cosine falls to 0, step to a tenth at half of the run and at three quarters",
        choices=tuple(COURSES),
    )
    lr_warmup: int = setting(0, "steps in which the learning rate grows to --lr", minimum=0)
    warmup: int = setting(0, "steps in which the regulariser's weight grows from 0", minimum=0)
    weight_decay: float = setting(0.0, "decoupled decay of all that is trained, a learnt alpha too (AdamW)", minimum=0)
    clip_gradient: float | None = setting(None, "scale a larger gradient down to this norm", above=0)
    seed: int = setting(1234, "fixes weights, order of images and samples", minimum=0)
    noise: float = setting(
        0.0, "standard deviation of noise on what the model sees, to make the clean images", minimum=0
    )
    precision: str = setting(
        "float32",
        "arithmetic of the networks in training; bf16 is slow on CPUs that lack it",
        choices=("float32", "bf16"),
    )
    compile: bool | None = setting(None, "train by torch.compile (default: where it pays for itself)")

    def free_to_differ(self) -> set[str]:
        """The settings in which runs that are trained as one may differ: all others are of the steps they share."""
        return {"seed"} | ({"epochs"} if self.lr_schedule == "constant" else set())
