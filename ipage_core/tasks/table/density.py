"""Spikes, grids and bounds of a table's columns, which decide how the networks treat them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ipage_core.tasks.table import reader as tables
from ipage_core.tasks.table.columns import sentinel

SMEAR = 0.002
"""Half-width, in widths of the column, over which a spike of x is smeared for the likelihood."""
SMEAR_OF_PARTS = 0.02
"""The same for a part of a mixture that follows from the others."""
UNIFORM = 0.03
"""Kolmogorov–Smirnov distance from uniform, beyond chance, up to which a column counts as uniform."""


def floor_of(column: Tensor) -> float | None:
    """The least value, if it is a spike."""
    column = column[~column.isnan()]
    lowest = column.min()
    if sentinel(*np.unique(column.numpy(), return_counts=True)) == float(lowest):
        return None  # a marker of missing values
    return float(lowest) if float((column == lowest).double().mean()) >= tables.SPIKE else None


def smears_of(card: Mapping[str, Any], x: Tensor) -> tuple[float, ...]:
    """Smear width of each input; includes the last part of a mixture, because a density over a plane has no bound."""
    result = [0.5 if c.get("kind") == "category" else _smear(column) for c, column in zip(card["x"], x.T, strict=True)]
    for sums in card.get("sums", []):
        j = sums["x"][-1]
        result[j] = max(result[j], SMEAR_OF_PARTS * float(x[:, j].max() - x[:, j].min()))
    return tuple(result)


def _smear(column: Tensor) -> float:
    """Half the spacing of a grid, or a small width for a column with spikes; else 0."""
    distinct, counts = column.unique(return_counts=True)
    if len(distinct) <= tables.GRID and (spacing := tables.spacing(distinct.numpy())) is not None:
        return 0.5 * spacing
    spiked = float(counts.max() / len(column)) >= tables.SPIKE
    return SMEAR * float(distinct[-1] - distinct[0]) if spiked else 0.0


def support_of(column: Tensor, low: float, high: float) -> tuple[float, float] | None:
    """The bounds, if the data fill them evenly; the coordinate is then mapped so that no sample leaves them."""
    if _smear(column) or column.min() < low or column.max() > high:
        return None
    position = (column.sort().values - low) / (high - low)
    steps = torch.arange(1, len(column) + 1, dtype=column.dtype) / len(column)
    by_chance = 1.36 / math.sqrt(len(column))  # 95 % quantile
    return (low, high) if float((position - steps).abs().max()) < UNIFORM + by_chance else None
