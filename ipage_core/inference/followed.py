"""Whether interval arithmetic follows Ω: the same values at points, and each row's values its own.

A proof is only as good as the enclosures, and Ω is somebody's code: it may catch the refusal of an operation, or
compute a row from the others. So Ω itself is run at points of many boxes, and its values must lie in the boxes'
enclosures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ipage_core.inference.intervals import Interval
from ipage_core.inference.paving import Equation
from ipage_core.runtime.lazy import LazyModule

qmc: Any = LazyModule("scipy.stats.qmc")

BOXES, POINTS = 256, 8
"""Number of boxes, and of points in each."""
ROUNDING, DIFFERENCES = 1e-9, 1e-7
"""Largest relative difference that rounding in Ω explains, of a value and of the difference of two."""


def rows_alone(f: Callable[[Tensor], Tensor], bounds: Tensor) -> bool:
    """Whether f (n, d) → (n, m) gives a row the same values in any order, number and repetition of rows."""
    unit = torch.from_numpy(qmc.Sobol(bounds.shape[1], seed=0).random(16))
    x = bounds[0] + (bounds[1] - bounds[0]) * unit.to(bounds)
    y = f(x)
    parts = (f(x.flip(0)).flip(0), torch.cat((f(x[:5]), f(x[5:]))), torch.cat([f(row[None]) for row in x[:4]]))
    slack = DIFFERENCES * float(_size(y).max())
    return all(torch.allclose(part, y[: len(part)], DIFFERENCES, slack, equal_nan=True) for part in parts)


def follows(equation: Equation, f: Callable[[Any], Any]) -> bool:
    """Whether values and slopes of f at points lie in the equation's enclosures, for boxes of many sizes.

    Example:
        >>> line = Equation(lambda x: x[:, :1] * 2, torch.tensor([1.0]), torch.tensor([[0.0], [1.0]]))
        >>> follows(line, lambda x: x * 2), follows(line, lambda x: x * 3)
        (True, False)
    """
    low, high = equation.bounds
    unit = torch.from_numpy(qmc.Sobol(2 * equation.d, seed=0).random(BOXES))
    size = 0.5 ** torch.arange(BOXES, dtype=torch.float64).remainder(16)[:, None]
    middle, half = unit[:, : equation.d], 0.5 * size * unit[:, equation.d :]
    lo, hi = ((low + (high - low) * (middle + sign * half).clamp(0, 1)) for sign in (-1, 1))
    within = torch.rand(POINTS, BOXES, equation.d, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x = lo + (hi - lo) * within
    y = f(x.flatten(0, 1)).detach().double()[:, : equation.m].unflatten(0, (POINTS, BOXES))
    enclosed = equation.misfit(Interval(lo, hi), gradient=True)
    value, slopes = enclosed.value, enclosed.gradient
    size = _size(y.flatten(0, 1))
    slack = ROUNDING * (size + equation.y_star.abs())
    off = y - equation.y_star
    beyond = (off < value.lo - slack) | (off > value.hi + slack)
    if slopes is not None:
        moved = x[1:] - x[:-1]
        ends = torch.stack([slopes.lo * moved[:, :, None], slopes.hi * moved[:, :, None]])
        change, slack = y[1:] - y[:-1], DIFFERENCES * size
        beyond[1:] |= (change < ends.amin(0).sum(-1) - slack) | (change > ends.amax(0).sum(-1) + slack)
    return not beyond.any()


def _size(y: Tensor) -> Tensor:
    """The largest finite size of each property (n, m) → (m,): Ω's unit may be far from 1."""
    return y.detach().double().abs().nan_to_num(0.0, 0.0).amax(0)
