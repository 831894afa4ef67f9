"""What objectives share whose weight grows during training."""

import torch
from torch import Tensor

from vae.losses.base import Loss
from vae.options import Option

REG_ANNEAL = Option(
    "reg_anneal",
    10_000,
    "steps over which the regulariser grows; 0: it is whole at once",
    int,
    minimum=0,
    maximum=10**9,
)


class AnnealedLoss(Loss):
    """An objective that counts its steps. Evaluation is by the objective in its final form."""

    def __init__(self, *, reg_anneal: int, **sizes: int):
        super().__init__(**sizes)
        self.reg_anneal = reg_anneal
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def annealed(self) -> Tensor:
        """How much of the regulariser is in force: steps / reg_anneal, 1 at most, and 1 in evaluation."""
        if self.training and self.reg_anneal:
            return (self.steps / self.reg_anneal).clamp(max=1)
        return torch.ones((), device=self.steps.device)

    def after_step(self) -> None:
        self.steps += 1
