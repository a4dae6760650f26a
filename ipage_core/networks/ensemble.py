"""Several SiLU networks at once: their mean is the surrogate of data that no Ω can check, their spread its doubt."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn

from ipage_core.networks.standardize import Standardizer


class Ensemble(nn.Module):
    """Surrogate ŷ = f(x) with its spread. (n, d) → (n, m), raw units in and out.

    ``floor`` holds, for each property, a value that many rows sit on because what was measured cannot go below it (a
    band gap of 0), or None. Such a row only says "at most the floor" (Tobin 1958, doi:10.2307/1907382): f may go on
    below it, smoothly, so it has no kink to learn and localization has a gradient everywhere. Where f < floor, the
    property is the floor: see :meth:`predict`.
    """

    weight_sets = ("phi_star",)
    lowest: Tensor

    def __init__(
        self,
        d: int,
        m: int,
        members: int = 4,
        hidden: int = 128,
        layers: int = 3,
        floor: Sequence[float | None] = (),
    ) -> None:
        super().__init__()
        if members < 3:
            raise ValueError(f"Expected at least 3 members, for a spread that means something, got {members}")
        self.x_scale, self.y_scale = Standardizer(d), Standardizer(m)
        values = [-math.inf if value is None else value for value in floor or [None] * m]
        self.register_buffer("lowest", torch.tensor(values, dtype=torch.float32))
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for n_in, n_out in pairwise([d, *[hidden] * layers, m]):
            bound = 1 / math.sqrt(n_in)
            self.weights.append(torch.empty(members, n_in, n_out).uniform_(-bound, bound))
            self.biases.append(torch.empty(members, 1, n_out).uniform_(-bound, bound))

    def fit_scales(self, x: Tensor, y: Tensor) -> None:
        """Standardize by the training pairs x (n, d), y (n, m)."""
        self.x_scale.fit(x)
        self.y_scale.fit(y)

    def _standardized(self, x: Tensor) -> Tensor:
        """(n, d) → (members, n, m) in units of y's standard deviation."""
        h = self.x_scale(x).expand(len(self.weights[0]), -1, -1)
        last = len(self.weights) - 1
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = torch.baddbmm(bias, h, weight)
            h = nn.functional.silu(h) if i < last else h
        return h

    def members(self, x: Tensor) -> Tensor:
        """(n, d) → (members, n, m)."""
        return self.y_scale.inverse(self._standardized(x))

    def forward(self, x: Tensor) -> Tensor:
        """The members' mean, which localization descends; it goes on below the floor. (n, d) → (n, m)."""
        return self.members(x).mean(0)

    def predict(self, x: Tensor) -> Tensor:
        """What would be measured: the members' mean, each no lower than the floor. (n, d) → (n, m)."""
        return torch.maximum(self.members(x), self.lowest).mean(0)

    def spread(self, x: Tensor) -> Tensor:
        """Standard deviation of what the members say would be measured. (n, d) → (n, m)."""
        return torch.maximum(self.members(x), self.lowest).std(0)

    def density_parameters(self) -> list[nn.Parameter]:
        """What the likelihood trains: nothing."""
        return []

    def losses(
        self, x: Tensor, y: Tensor, weights: dict[str, float], generator: Generator
    ) -> Iterator[dict[str, Tensor]]:
        """Yield the ℓ2 loss (paper, Eq. 5) in standardized units, the members' mean; one-sided on the floor."""
        error = self._standardized(x) - self.y_scale(y)
        error = torch.where(y <= self.lowest, error.clamp(min=0), error)
        yield {"y": error.square().sum(2).mean()}

    def validation_loss(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Mean ‖ŷ − y‖² of what would be measured, in units of y's standard deviations; selects φ*."""
        return {"l2": ((self.predict(x) - y) / self.y_scale.sd).square().sum(1).mean()}
