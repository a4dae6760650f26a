"""Zero mean and unit variance, inside the model and nowhere else."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Standardizer(nn.Module):
    """An affine map (*, d) ↔ (*, d) whose constants travel with the weights."""

    mean: Tensor
    sd: Tensor

    def __init__(self, d: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(d))
        self.register_buffer("sd", torch.ones(d))

    def fit(self, values: Tensor) -> None:
        """Take mean and standard deviation of ``values`` (n, d); a constant column keeps its scale."""
        sd = values.std(dim=0)
        self.mean.copy_(values.mean(dim=0))
        self.sd.copy_(torch.where(sd > 0, sd, torch.ones_like(sd)))

    def forward(self, values: Tensor) -> Tensor:
        """(*, d) in raw units → (*, d) standardized."""
        return (values - self.mean) / self.sd

    def inverse(self, values: Tensor) -> Tensor:
        """(*, d) standardized → (*, d) in raw units."""
        return values * self.sd + self.mean
