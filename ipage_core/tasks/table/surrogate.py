"""The surrogate of a table: for each property a Gaussian process or an ensemble, with a calibrated spread."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ipage_core.networks.base import Network
from ipage_core.networks.ensemble import Ensemble
from ipage_core.networks.gaussian_process import GaussianProcess
from ipage_core.networks.regime_process import RegimeProcess
from ipage_core.networks.shared_process import SharedProcess
from ipage_core.tasks.table.scales import SCALES

KINDS: dict[str, type[Any]] = {
    "gaussian-process": GaussianProcess,
    "regime-process": RegimeProcess,
    "shared-process": SharedProcess,
    "ensemble": Ensemble,
}
"""Types of a part, by their names in cards."""
NORMAL = 1.6448536269514722
"""Half the width of a 90 % interval, in standard deviations of a normal distribution."""
ALIKE, BY_ALL = 20, 3
"""Number of rows most similar in predictions and inputs that calibrate a spread locally; weight of all, in rows."""
BY_INPUTS = 1.5
"""Weight of all inputs together in this similarity, where that of each property is 1."""
HEAVY, MOSTLY = 0.25, 0.5
"""Errors come from noise if the median of their squares is at least the first share of the mean (normal ones: 0.45;
jumps, which a process takes for noise: below 0.1), and the process's noise is at least the second of the error."""
MOST_TESTED, AT_ONCE = 2000, 2000
"""Maximum number of left-out rows that a model keeps for this; designs compared with them at a time."""


def as_read(x: Tensor, log_x: Sequence[int] = (), levels: Mapping[int, int] | None = None) -> Tensor:
    """Inputs of the models for designs (n, d): logarithms of some coordinates, and categories one-hot.

    A category of two levels stays one number, 0 or 1. ``levels``: how many each category has, by its coordinate.

    >>> as_read(torch.tensor([[2.0, 1.0]]), levels={0: 3}).tolist()
    [[0.0, 0.0, 1.0, 1.0]]
    """
    levels = levels or {}
    if not log_x and not levels:
        return x
    columns = []
    for j, column in enumerate(x.unbind(1)):
        if j in levels:
            place = column.detach().round()
            shown = range(levels[j]) if levels[j] > 2 else (1,)
            columns += [(place == k).to(x) + 0.0 * column for k in shown]  # a step has no slope; autograd needs one
        else:
            columns.append(column.log() if j in log_x else column)
    return torch.stack(columns, dim=1)


def ratio_of_the_alike(at: Tensor, tested: Tensor, ratio: Tensor, itself: bool = False) -> Tensor:
    """Mean error²/spread² of the left-out rows that are most similar to ``at``. (n, q) → (n, m).

    A surrogate may be right in one regime of a table and wrong near a jump. Rows with similar predictions and inputs
    show this.

    Args:
        at: places of designs, see :meth:`TableSurrogate.place`.
        tested: (k, q) places of the left-out rows, with predictions by models trained without them.
        ratio: (k, m) error² over spread² of these rows; below 0, or NaN, if not measured.
        itself: whether ``at`` are these rows themselves; then no row counts for itself.
    """
    ratio = torch.where(ratio < 0, math.nan, ratio)
    overall, count = ratio.nanmean(0), min(ALIKE, len(tested) - itself)
    results = []
    for first, part in zip(range(0, len(at), AT_ONCE), at.split(AT_ONCE), strict=True):
        distance = torch.cdist(part, tested)
        if itself:
            rows = torch.arange(len(part), device=at.device)
            distance[rows, first + rows] = math.inf
        near = ratio[distance.topk(count, largest=False).indices]
        measured = (~near.isnan()).sum(1)
        results.append((near.nansum(1) + BY_ALL * overall) / (measured + BY_ALL))
    return torch.cat(results)


class TableSurrogate(Network):
    """Surrogate ŷ = f(x) of d inputs and m properties, with a calibrated spread. (n, d) → (n, m), raw units.

    Args:
        d, m: numbers of inputs and properties.
        parts: each {"network": of ``KINDS``, "arguments": of its constructor, "columns": the properties it predicts, in
            the order of its outputs}.
        log_x: inputs that the parts read as logarithms.
        log_y: properties that the parts predict as logarithms.
        odds_y: properties that the parts predict as odds.
        floor: for each property the lower limit of all measurements, or None.
        levels: categorical inputs with their number of levels: [(coordinate, levels), …].
        tested: number of left-out rows kept for the local calibration of the spread.
    """

    reads = torch.float64
    factor: Tensor
    least: Tensor
    finest: Tensor
    error: Tensor
    lowest: Tensor
    unit: Tensor
    away: Tensor
    tested: Tensor
    ratio: Tensor

    def __init__(
        self,
        d: int,
        m: int,
        parts: Sequence[Mapping[str, Any]],
        log_x: Sequence[int] = (),
        log_y: Sequence[int] = (),
        floor: Sequence[float | None] = (),
        levels: Sequence[Sequence[int]] = (),
        tested: int = 0,
        odds_y: Sequence[int] = (),
    ) -> None:
        super().__init__()
        columns = [j for part in parts for j in part["columns"]]
        if sorted(columns) != list(range(m)):
            raise ValueError(f"Expected parts that predict each of {m} properties once, got columns {columns}")
        if unknown := [part["network"] for part in parts if part["network"] not in KINDS]:
            raise ValueError(f"Expected parts of {', '.join(KINDS)}, got {unknown[0]}")
        self.arguments = {"d": d, "m": m, "parts": [dict(part) for part in parts]}
        self.arguments |= {"log_x": list(log_x), "log_y": list(log_y), "floor": list(floor)}
        if odds_y:
            self.arguments["odds_y"] = list(odds_y)
        if levels:
            self.arguments["levels"] = [list(one) for one in levels]
        if tested:
            self.arguments["tested"] = tested
            self.register_buffer("unit", torch.ones(m, dtype=torch.float64))
            self.register_buffer("ratio", torch.ones(tested, m, dtype=torch.float64))
        self.levels = {int(j): int(count) for j, count in levels}
        if tested:
            read = as_read(torch.ones(1, d), log_x, self.levels).shape[1]
            self.register_buffer("away", torch.ones(read, dtype=torch.float64))
            self.register_buffer("tested", torch.ones(tested, m + read, dtype=torch.float64))
        self.parts = nn.ModuleList(KINDS[part["network"]](**part["arguments"]) for part in parts)
        self.columns_of_parts = [list(part["columns"]) for part in parts]
        self.order = torch.tensor(columns).argsort().tolist()
        self.columns, self.log_x = columns, list(log_x)
        self.log_y, self.odds_y = list(log_y), list(odds_y)
        on_scale = {"logarithm": self.log_y, "odds": self.odds_y}
        self.scaled = [(SCALES[name], those) for name, those in on_scale.items() if those]
        for name in ("factor", "least", "finest", "error"):
            self.register_buffer(name, torch.ones(m, dtype=torch.float64))
        values = [-math.inf if value is None else value for value in floor or [None] * m]
        self.register_buffer("lowest", torch.tensor(values, dtype=torch.float64))

    def _read(self, x: Tensor) -> Tensor:
        """Inputs of the parts, (n, d) in float64."""
        return as_read(x.double(), self.log_x, self.levels)

    def _joined(self, parts: Sequence[Tensor]) -> Tensor:
        """The parts' columns in the order of the properties. → (n, m)."""
        return torch.cat([part.double() for part in parts], dim=1)[:, self.order]

    def _means(self, x: Tensor) -> Tensor:
        """(n, m), logarithms or odds for properties that the parts predict so."""
        return self._joined([part(u) for part, u in self._each(x)])

    def _each(self, x: Tensor) -> list[tuple[Any, Tensor]]:
        """Every part with its input; networks are float32."""
        u = self._read(x)
        return [(part, u.float() if isinstance(part, Ensemble) else u) for part in self.parts]

    def _raw(self, mean: Tensor) -> Tensor:
        for scale, columns in self.scaled:
            at = torch.tensor(columns, device=mean.device)
            mean = mean.index_copy(1, at, scale.back(mean[:, columns]))
        return mean

    def forward(self, x: Tensor) -> Tensor:
        """The mean, for descent in localization; it continues below the floor. (n, d) → (n, m), in the type of x."""
        return self._raw(self._means(x)).to(x.dtype)

    def predict(self, x: Tensor) -> Tensor:
        """Predicted measurement: no lower than the floor. (n, d) → (n, m)."""
        return torch.maximum(self._raw(self._means(x)), self.lowest).to(x.dtype)

    def own_spread(self, x: Tensor) -> Tensor:
        """Standard deviation of the parts, before calibration. (n, d) → (n, m), float64."""
        spread = self._joined([part.spread(u) for part, u in self._each(x)])
        if self.scaled:
            means = self._means(x)
        for scale, columns in self.scaled:
            spread[:, columns] = spread[:, columns] * scale.slope(means[:, columns])
        return spread

    def spread(self, x: Tensor) -> Tensor:
        """Standard deviation of a measurement at x, calibrated on left-out rows. (n, d) → (n, m)."""
        scaled = self.factor.square() * (self.own_spread(x).square() + self.least.square())
        if "tested" in self.arguments:
            scaled = scaled * ratio_of_the_alike(self.place(x, self._means(x)), self.tested, self.ratio)
        return (scaled + self.finest.square()).sqrt().to(x.dtype)

    @property
    def noise(self) -> Tensor:
        """(m,) standard deviation of the noise of a measurement; 0 where it is not known, or errors are none."""
        result = torch.zeros_like(self.error)
        if "tested" not in self.arguments:
            return result
        for part, columns in zip(self.parts, self.columns_of_parts, strict=True):
            if isinstance(part, GaussianProcess):
                result[columns] = part.noise.sqrt() * part.sd
        result[[*self.log_y, *self.odds_y]] = 0.0
        ratio = torch.where(self.ratio < 0, math.nan, self.ratio)
        normal = ratio.nanmedian(0).values >= HEAVY * ratio.nanmean(0)
        return torch.where(normal & (result >= MOSTLY * self.error), result, 0.0)

    def place(self, x: Tensor, means: Tensor) -> Tensor:
        """Predictions (n, m), as those of the parts, beside inputs (n, d), in units that make distances comparable."""
        return torch.cat((means / self.unit, self._read(x) / self.away), dim=1)

    def half_width(self, x: Tensor) -> Tensor:
        """ŷ ± this holds 90 % of measurements, each property by itself. (n, d) → (n, m)."""
        return NORMAL * self.spread(x)

    @property
    def bottom(self) -> Tensor:
        """(m,) lower limit of measurements: the floor, and 0 for what is predicted as a logarithm or odds; else −∞."""
        bottom = self.lowest.clone()
        bottom[[*self.log_y, *self.odds_y]] = bottom[[*self.log_y, *self.odds_y]].clamp(min=0)
        return bottom

    def interval(self, x: Tensor) -> Tensor:
        """ŷ ± half width, no lower than a measurement can be. (n, d) → (2, n, m) low and high ends."""
        predicted, half = self.predict(x), self.half_width(x)
        return torch.stack((torch.maximum(predicted - half, self.bottom.to(x.dtype)), predicted + half))
