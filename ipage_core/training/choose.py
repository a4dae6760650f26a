"""Which surrogate a property gets, and how far its word can be trusted: by rows that it has not seen.

A Gaussian process and an ensemble of networks are both cross-validated over all rows. The one with the smaller error
is taken, property by property.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ipage_core.networks.ensemble import part_of
from ipage_core.networks.gaussian_process import FEW, GaussianProcess
from ipage_core.tasks.table.surrogate import NORMAL

FOLDS = 5
"""Parts of the rows, each predicted by a process that has seen the others alone, its hyperparameters included."""
COVERED = 0.9
"""Share of true values that an interval is to hold."""
DECADES = 100.0
"""Of a column of positive numbers, greatest over least, from which its logarithm is tried."""
LEAST_SHARE = 0.1
"""Of the root mean square error: what is added to a spread, in squares, before it is calibrated."""
FINEST = 5e-5
"""Of a property's standard deviation: what float32 and the jitter of a covariance leave uncertain anyway."""


class LeftOut(NamedTuple):
    """What a surrogate makes of rows that it has not seen, in raw units; NaN where nothing was measured."""

    error: Tensor
    """(n, m) y − ŷ."""
    spread: Tensor
    """(n, m) its own standard deviation."""

    @property
    def rmse(self) -> Tensor:
        """(m,) root mean square error."""
        return self.error.square().nanmean(0).sqrt()


def spans_decades(column: Tensor) -> bool:
    """Whether a column of positive numbers runs over two decades or more. (n,)."""
    known = column[column.isfinite()]
    return bool(len(known)) and float(known.min()) > 0 and float(known.max() / known.min()) >= DECADES


def cross_validate(x: Tensor, y: Tensor, bounds: Tensor, whole: GaussianProcess, *, seed: int = 0) -> LeftOut:
    """Every row predicted by a Gaussian process fitted to the other parts of the rows; (n, d), (n, m), (2, d).

    The closed form for one row at a time is optimistic where rows are few, since its hyperparameters have seen that
    row: these here have not. With ``FEW`` rows or more they start from those of ``whole``, the process of all rows.
    Rows of the same design stay together.
    """
    near = whole.hyperparameters if len(x) >= FEW else None
    error, spread = torch.full_like(y, math.nan), torch.full_like(y, math.nan)
    parts = part_of(x, FOLDS)
    for part in parts.unique():
        here = parts == part
        process = GaussianProcess.fitted(x[~here], y[~here], bounds, near=near, seed=seed)
        error[here], spread[here] = y[here] - process(x[here]), process.spread(x[here])
    return LeftOut(error, torch.where(y.isnan(), math.nan, spread))


def in_raw_units(logarithm: LeftOut, y: Tensor) -> LeftOut:
    """Errors and spreads of log y as those of y. (n, m) of y."""
    predicted = torch.exp(y.log() - logarithm.error)
    return LeftOut(y - predicted, predicted * logarithm.spread)


def best(candidates: dict[str, LeftOut]) -> list[str]:
    """For each property, the name of the candidate with the smallest root mean square error over rows left out."""
    names = list(candidates)
    rmse = torch.stack([candidates[name].rmse.nan_to_num(nan=math.inf) for name in names])
    return [names[k] for k in rmse.argmin(0).tolist()]


def calibrate(left_out: LeftOut) -> tuple[Tensor, Tensor]:
    """(m,) factor and (m,) least spread: ŷ ± 1.645·factor·√(spread² + least²) holds 90 % of the rows left out.

    Split conformal prediction with normalized errors (Lei et al. 2018, doi:10.1080/01621459.2017.1307116): for n rows
    the factor is the ⌈(n + 1)·0.9⌉-th smallest ratio of error and spread, so it widens where rows are few.
    """
    least = LEAST_SHARE * left_out.rmse
    ratio = left_out.error.abs() / (left_out.spread.square() + least.square()).sqrt().clamp(min=1e-300)
    factors = []
    for column in ratio.T:
        known = column[column.isfinite()].sort().values
        rank = min(len(known), math.ceil((len(known) + 1) * COVERED))
        factors.append(known[rank - 1] / NORMAL if len(known) else torch.tensor(math.nan, dtype=ratio.dtype))
    return torch.stack(factors), least
