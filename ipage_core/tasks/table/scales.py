"""Scales on which a surrogate may learn a property: as it is, by its logarithm, or by its odds."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

DECADES = 100.0
"""Smallest ratio of maximum to minimum for which the logarithm of a positive column is tried."""
HALF = 0.5
"""Smallest maximum of a fraction for which its odds are tried; far below it, odds hardly differ from the fraction."""
EDGE = 1e-6
"""Smallest distance of a fraction from 1, so that its odds stay finite."""


class Scale(NamedTuple):
    """A scale z of a property y."""

    of: Callable[[Tensor], Tensor]
    """y → z."""
    back: Callable[[Tensor], Tensor]
    """z → y."""
    slope: Callable[[Tensor], Tensor]
    """z → dy/dz."""


def _of_odds(z: Tensor) -> Tensor:
    """Odds → fraction; odds below 0 go on along the tangent at 0, so that there is no pole."""
    return torch.where(z < 0, z, z / (1 + z.clamp(min=0)))


SCALES = {
    "logarithm": Scale(torch.log, torch.exp, torch.exp),
    "odds": Scale(lambda y: y / (1 - y).clamp(min=EDGE), _of_odds, lambda z: (1 + z.clamp(min=0)) ** -2),
}
"""The scales, by the name that a card gives them. A reflectance R has odds R / (1 − R) that are far smoother: where a
film between mirrors resonates, they are F sin² of half the phase (Born and Wolf, *Principles of Optics*, 7.6)."""


def spans_decades(column: Tensor) -> bool:
    """Whether a positive column spans two decades or more. (n,)."""
    values = column[column.isfinite()]
    return bool(len(values)) and float(values.min()) > 0 and float(values.max() / values.min()) >= DECADES


def least_of_decades(column: Tensor) -> float | None:
    """Smallest value of a positive column whose middle nine tenths span two decades or more; None: they do not. (n,).

    Uniform values also come near to zero, but few of them do.

    >>> least_of_decades(torch.logspace(0, 3, 50)), least_of_decades(torch.linspace(0.001, 1, 50))
    (1.0, None)
    """
    values = column[column.isfinite()]
    if not spans_decades(values):
        return None
    low, high = values.quantile(values.new_tensor([0.05, 0.95])).tolist()
    return values.min().item() if high >= DECADES * low else None


def is_fraction(column: Tensor) -> bool:
    """Whether a column holds fractions of 1, some of them of half or more. (n,).

    >>> is_fraction(torch.tensor([0.1, 0.8])), is_fraction(torch.tensor([0.1, 0.2]))
    (True, False)
    """
    values = column[column.isfinite()]
    return bool(len(values)) and float(values.min()) >= 0 and HALF <= float(values.max()) <= 1 - EDGE
