"""Intervals of predictions that hold 90 % of the results of Ω, calibrated on rows that the surrogate has not learned.

Split conformal prediction in groups of equal prediction (Mondrian; V. Vovk et al. 2005, doi:10.1007/b106715; errors
over spreads as in Lei et al. 2018, doi:10.1080/01621459.2017.1307116). Designs are chosen by their prediction, which is
about y*. So each interval is calibrated on those rows alone that have about the same prediction: the choice then does
not spoil it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

LEVEL = 0.9
"""Share of results of Ω that an interval holds."""
IN_A_GROUP, MOST_GROUPS = 50, 10
"""Least number of rows in a group of equal prediction, and largest number of groups."""
FEWEST = math.ceil(LEVEL / (1 - LEVEL) - 1e-9)
"""Fewest rows that can bound 90 % of new results: with n rows the largest error bounds n / (n + 1) of them."""
TENTHS = 10
"""Number of parts of the rows; each tests intervals that are calibrated without it."""
LEAST_SHARE = 0.1
"""Share of the root mean square error that is added in quadrature to a spread, so that no spread is zero."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """Half widths of intervals: factor · √(spread² + least²), with the factor of the group of the prediction."""

    rows: str
    """The rows behind it, such as '1,250 rows of data/silicon that the surrogate has not learned'."""
    covered: tuple[float, ...]
    """For each property the share of rows inside intervals that were calibrated without their tenth of the rows."""
    least: Tensor
    """(m,)."""
    groups: tuple[tuple[Tensor, Tensor], ...]
    """For each property: g + 1 rising predictions, the ends of its g groups; their g factors."""

    @classmethod
    def fitted(cls, predicted: Tensor, spread: Tensor | None, y: Tensor, rows: str) -> Calibration | None:
        """Calibrate on rows that the surrogate has not learned; None with fewer than ``FEWEST`` of them.

        Args:
            predicted: (k, m) predictions of the rows.
            spread: (k, m) their spreads; None for a surrogate without any.
            y: (k, m) results of Ω.
            rows: what the rows are, in words.

        Example:
            >>> y = torch.linspace(-1, 1, 1000)[:, None]
            >>> one = Calibration.fitted(torch.zeros_like(y), None, y, "1,000 rows")
            >>> [round(v, 2) for v in one.interval(torch.zeros(1, 1), None)[:, 0, 0].tolist()], one.covered
            ([-0.9, 0.9], (0.9,))
        """
        fine = (y.isfinite() & predicted.isfinite()).all(1)
        predicted, y = predicted[fine].double(), y[fine].double()
        if len(y) < FEWEST:
            return None
        spread = None if spread is None else spread[fine].double()
        whole = cls._of(predicted, spread, y, rows, ())
        return cls(rows, _held(predicted, spread, y), whole.least, whole.groups)

    @classmethod
    def _of(
        cls, predicted: Tensor, spread: Tensor | None, y: Tensor, rows: str, covered: tuple[float, ...]
    ) -> Calibration:
        error = (y - predicted).abs()
        least = LEAST_SHARE * error.square().mean(0).sqrt()
        score = error / _scale(spread, least).expand_as(error)
        groups = tuple(_grouped(*columns) for columns in zip(predicted.T, score.T, strict=True))
        return cls(rows, covered, least, groups)

    @classmethod
    def read(cls, said: Any, m: int) -> Calibration:
        """Read what :meth:`card` wrote, for m properties.

        Raises:
            ValueError: it is damaged.
        """
        try:
            pairs = ((one["ends"], one["factors"]) for one in said["groups"])
            groups = tuple((torch.tensor(a).double(), torch.tensor(b).double()) for a, b in pairs)
            least, rows = torch.tensor(said["least"]).double(), str(said["rows"])
            covered = tuple(float(share) for share in said["covered"])
            numbers = torch.cat([least, *(part for group in groups for part in group)])
            whole = len(groups) == len(least) == len(covered) == m and bool(numbers.isfinite().all())
            if not whole or any(len(ends) != len(factors) + 1 or not len(factors) for ends, factors in groups):
                raise ValueError("its parts do not fit together")
            return cls(rows, covered, least, groups)
        except (KeyError, TypeError, RuntimeError, OverflowError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from None

    def card(self) -> dict[str, Any]:
        """The calibration for a model's card."""
        return {
            "level": LEVEL,
            "rows": self.rows,
            "covered": [float(f"{share:.4f}") for share in self.covered],
            "least": _rounded(self.least),
            "groups": [{"ends": _rounded(ends), "factors": _rounded(factors)} for ends, factors in self.groups],
        }

    def interval(self, predicted: Tensor, spread: Tensor | None) -> Tensor:
        """The intervals of predictions (n, m) with spreads (n, m). → (2, n, m) low and high ends.

        NaN if an interval lies wholly beyond the predictions of all rows: nothing is known of errors there.
        """
        predicted = predicted.double()
        scale = _scale(None if spread is None else spread.double(), self.least).expand_as(predicted)
        factor = torch.stack(
            [factors[torch.bucketize(column.contiguous(), ends[1:-1])] for column, (ends, factors)
             in zip(predicted.T, self.groups, strict=True)], dim=1,
        )  # fmt: skip
        low, high = predicted - factor * scale, predicted + factor * scale
        first, last = (torch.stack([ends[k] for ends, _ in self.groups]) for k in (0, -1))
        known = (low <= last) & (high >= first)
        return torch.where(known, torch.stack((low, high)), math.nan)


def _scale(spread: Tensor | None, least: Tensor) -> Tensor:
    """Unit of errors: (n, m), or (m,) without a spread; 1 where all errors are 0."""
    if spread is None:
        return torch.ones_like(least)
    scale = (spread.square() + least.square()).sqrt()
    return torch.where(scale > 0, scale, 1.0)


def _grouped(predicted: Tensor, score: Tensor) -> tuple[Tensor, Tensor]:
    """Groups of about equal size by prediction (k,): their g + 1 ends, and for each the score (k,) that bounds 90 %.

    Equal predictions stay in one group.
    """
    values = predicted.sort().values
    count = min(MOST_GROUPS, len(values) // IN_A_GROUP)
    ends = [values[0]]
    for part in values.tensor_split(count)[:-1] if count else ():
        above = values[values > part[-1]]
        since = int((values > ends[-1]).sum()) - len(above)
        if len(above) >= IN_A_GROUP and since >= IN_A_GROUP // 2:
            ends.append((part[-1] + above[0]) / 2)
    group = torch.bucketize(predicted.contiguous(), torch.stack(ends[1:])) if ends[1:] else predicted.long() * 0
    factors = [_bound(score[group == k]) for k in range(len(ends))]
    return torch.stack([*ends, values[-1]]), torch.stack(factors)


def _bound(score: Tensor) -> Tensor:
    """The ⌈(k + 1)·0.9⌉-th smallest of scores (k,): it bounds 90 % of new ones."""
    rank = min(len(score), math.ceil((len(score) + 1) * LEVEL - 1e-9))
    return score.sort().values[rank - 1]


def _held(predicted: Tensor, spread: Tensor | None, y: Tensor) -> tuple[float, ...]:
    """Share of rows inside intervals that are calibrated without their tenth of the rows, for each property."""
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
    inside = torch.empty(y.shape, dtype=torch.bool)
    for part in range(TENTHS):
        rows = order[part::TENTHS]
        others = order[torch.arange(len(order)) % TENTHS != part]
        without = Calibration._of(predicted[others], None if spread is None else spread[others], y[others], "", ())
        low, high = without.interval(predicted[rows], None if spread is None else spread[rows])
        inside[rows] = (y[rows] >= low) & (y[rows] <= high)
    return tuple(inside.double().mean(0).tolist())


def _rounded(values: Tensor) -> list[float]:
    return [float(f"{value:.6g}") for value in values.tolist()]


def of_card(card: Mapping[str, Any], m: int) -> Calibration | None:
    """The calibration on a model's card; None if it has none.

    Raises:
        ValueError: it is damaged.
    """
    return Calibration.read(card["calibration"], m) if "calibration" in card else None
