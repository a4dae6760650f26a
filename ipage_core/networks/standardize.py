"""Standardization inside the networks: zero mean and unit variance; bounded coordinates become normal."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

Support = Sequence[Sequence[float] | None]
"""For each coordinate (low, high), or None if unbounded."""
LEAST = 1e-30
"""Smallest argument of a logarithm."""
EDGE = 1e-6
"""Least distance of a bounded coordinate from its ends, as a fraction of the interval."""


class Standardizer(nn.Module):
    """An elementwise invertible map (n, d) ↔ (n, d); its constants are stored with the weights.

    Unbounded coordinates are shifted and scaled. A coordinate uniform on (low, high) becomes v = Φ⁻¹((x − low)/(high −
    low)), standard normal: no sample of a flow over v can leave the interval, and the flow has no edge to learn. For a
    ``logarithmic`` coordinate the logarithm is shifted and scaled.
    """

    mean: Tensor
    sd: Tensor

    def __init__(self, d: int, support: Support = (), logarithmic: Sequence[int] = ()) -> None:
        super().__init__()
        self.logarithmic = list(logarithmic)
        self.bounded = [j for j, interval in enumerate(support) if interval is not None]
        mean, sd = torch.zeros(d), torch.ones(d)
        for j, interval in enumerate(support):
            if interval is not None:
                mean[j], sd[j] = interval[0], interval[1] - interval[0]
        self.register_buffer("mean", mean)
        self.register_buffer("sd", sd)

    def fit(self, values: Tensor) -> None:
        """Take mean and standard deviation of ``values`` (n, d), without NaN; not for bounded coordinates.

        Constants get the scale 1.
        """
        values = self._log(values)
        mean, sd = values.mean(dim=0), values.std(dim=0)
        if (unknown := values.isnan()).any():
            mean = values.nanmean(dim=0)
            sd = ((values - mean).square().nansum(0) / ((~unknown).sum(0) - 1).clamp(min=1)).sqrt()
        sd = torch.where(sd > 0, sd, torch.ones_like(sd))
        free = [j for j in range(values.shape[1]) if j not in self.bounded]
        self.mean[free], self.sd[free] = mean[free].to(self.mean), sd[free].to(self.sd)

    def forward(self, values: Tensor) -> Tensor:
        """(n, d) in raw units → (n, d) standardized."""
        out = (self._log(values) - self.mean) / self.sd
        if self.bounded:
            out = out.clone()
            out[:, self.bounded] = torch.special.ndtri(out[:, self.bounded].clamp(EDGE, 1 - EDGE))
        return out

    def flat(self, values: Tensor) -> Tensor:
        """(n, d) in raw units → (n, d) shifted and scaled to unit variance, bounded coordinates too."""
        out = (self._log(values) - self.mean) / self.sd
        if self.bounded:
            out = out.clone()
            out[:, self.bounded] = math.sqrt(12) * (out[:, self.bounded] - 0.5)
        return out

    def inverse(self, values: Tensor) -> Tensor:
        """(n, d) standardized → (n, d) in raw units."""
        if self.bounded:
            values = values.clone()
            values[:, self.bounded] = torch.special.ndtr(values[:, self.bounded])
        values = values * self.sd + self.mean
        if self.logarithmic:
            values = values.clone()
            values[:, self.logarithmic] = values[:, self.logarithmic].exp()
        return values

    def _log(self, values: Tensor) -> Tensor:
        if self.logarithmic:
            values = values.clone()
            values[:, self.logarithmic] = values[:, self.logarithmic].clamp(min=LEAST).log()
        return values

    def log_det(self, standardized: Tensor) -> Tensor:
        """log|∂v/∂x| at standardized v (n, d) → (n,)."""
        of_probit = 0.5 * (standardized[:, self.bounded].square() + math.log(2 * math.pi)).sum(1)
        logs = self.logarithmic
        of_log = (standardized[:, logs] * self.sd[logs] + self.mean[logs]).sum(1)  # log x: dlog x/dx = 1/x
        return of_probit - self.sd.log().sum() - of_log


def flattened(standardized: Tensor, bounded: list[int]) -> Tensor:
    """From standardized to :meth:`Standardizer.flat`, which a regression network learns best. (n, d) → (n, d)."""
    if not bounded:
        return standardized
    standardized = standardized.clone()
    standardized[:, bounded] = math.sqrt(12) * (torch.special.ndtr(standardized[:, bounded]) - 0.5)
    return standardized
