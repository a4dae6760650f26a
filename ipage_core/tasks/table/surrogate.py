"""The surrogate of a table: for each property a Gaussian process or an ensemble, and a spread that holds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ipage_core.networks.base import Network
from ipage_core.networks.ensemble import Ensemble
from ipage_core.networks.gaussian_process import GaussianProcess

PROCESS, ENSEMBLE = "gaussian-process", "ensemble"
KINDS: dict[str, type[Any]] = {PROCESS: GaussianProcess, ENSEMBLE: Ensemble}
"""What a part can be, by the name that a card gives it."""
NORMAL = 1.6448536269514722
"""Half the width of a 90 % interval, in standard deviations of a normal distribution."""


class TableSurrogate(Network):
    """Surrogate ŷ = f(x) of d inputs and m properties, with a calibrated spread. (n, d) → (n, m), raw units.

    Args:
        d, m: numbers of inputs and properties.
        parts: each {"network": of ``KINDS``, "arguments": what builds it, "columns": the properties it predicts, in
            the order of its outputs}.
        log_x: inputs that the parts read as logarithms.
        log_y: properties that the parts predict as logarithms.
        floor: for each property the value that nothing measured goes below, or None.
    """

    reads = torch.float64
    factor: Tensor
    least: Tensor
    finest: Tensor
    error: Tensor
    lowest: Tensor

    def __init__(
        self,
        d: int,
        m: int,
        parts: Sequence[Mapping[str, Any]],
        log_x: Sequence[int] = (),
        log_y: Sequence[int] = (),
        floor: Sequence[float | None] = (),
    ) -> None:
        super().__init__()
        columns = [j for part in parts for j in part["columns"]]
        if sorted(columns) != list(range(m)):
            raise ValueError(f"Expected parts that predict each of {m} properties once, got columns {columns}")
        if unknown := [part["network"] for part in parts if part["network"] not in KINDS]:
            raise ValueError(f"Expected parts of {', '.join(KINDS)}, got {unknown[0]}")
        self.arguments = {"d": d, "m": m, "parts": [dict(part) for part in parts]}
        self.arguments |= {"log_x": list(log_x), "log_y": list(log_y), "floor": list(floor)}
        self.parts = nn.ModuleList(KINDS[part["network"]](**part["arguments"]) for part in parts)
        self.order = torch.tensor(columns).argsort().tolist()
        self.columns, self.log_x, self.log_y = columns, list(log_x), list(log_y)
        for name in ("factor", "least", "finest", "error"):
            self.register_buffer(name, torch.ones(m, dtype=torch.float64))
        values = [-math.inf if value is None else value for value in floor or [None] * m]
        self.register_buffer("lowest", torch.tensor(values, dtype=torch.float64))

    def _read(self, x: Tensor) -> Tensor:
        """(n, d) as the parts read it, float64."""
        x = x.double()
        if not self.log_x:
            return x
        return torch.stack([c.log() if j in self.log_x else c for j, c in enumerate(x.unbind(1))], dim=1)

    def _joined(self, parts: Sequence[Tensor]) -> Tensor:
        """The parts' columns in the order of the properties. → (n, m)."""
        return torch.cat([part.double() for part in parts], dim=1)[:, self.order]

    def _means(self, x: Tensor) -> Tensor:
        """(n, m), the logarithm where that is what the parts predict."""
        return self._joined([part(u) for part, u in self._each(x)])

    def _each(self, x: Tensor) -> list[tuple[Any, Tensor]]:
        """Every part with what it reads; networks are float32."""
        u = self._read(x)
        return [(part, u if isinstance(part, GaussianProcess) else u.float()) for part in self.parts]

    def _raw(self, mean: Tensor) -> Tensor:
        if not self.log_y:
            return mean
        return torch.stack([c.exp() if j in self.log_y else c for j, c in enumerate(mean.unbind(1))], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """The mean, which localization descends; it goes on below the floor. (n, d) → (n, m), in the type of x."""
        return self._raw(self._means(x)).to(x.dtype)

    def predict(self, x: Tensor) -> Tensor:
        """What would be measured: no lower than the floor. (n, d) → (n, m)."""
        return torch.maximum(self._raw(self._means(x)), self.lowest).to(x.dtype)

    def own_spread(self, x: Tensor) -> Tensor:
        """Standard deviation as the parts say, before calibration. (n, d) → (n, m), float64."""
        spread = self._joined([part.spread(u) for part, u in self._each(x)])
        for j in self.log_y:
            spread[:, j] = spread[:, j] * self._means(x)[:, j].exp()
        return spread

    def spread(self, x: Tensor) -> Tensor:
        """Standard deviation of a measurement at x, calibrated on rows that were left out. (n, d) → (n, m)."""
        scaled = self.factor.square() * (self.own_spread(x).square() + self.least.square())
        return (scaled + self.finest.square()).sqrt().to(x.dtype)

    def half_width(self, x: Tensor) -> Tensor:
        """ŷ ± this holds what would be measured in 90 % of cases, each property by itself. (n, d) → (n, m)."""
        return NORMAL * self.spread(x)
