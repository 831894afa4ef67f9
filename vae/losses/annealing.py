"""What objectives share of which a part grows during training by itself, whatever the --warmup of the whole."""

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
    """An objective of which a part grows over reg_anneal steps. Evaluation is by the objective in its final form."""

    def __init__(self, *, reg_anneal: int, **sizes: int):
        super().__init__(**sizes)
        self.reg_anneal = reg_anneal
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))  # saved with the objective

    def annealed(self) -> Tensor:
        """How much of that part is in force."""
        return self.grown(self.reg_anneal)
