"""Chooses the surrogate of each property of a table, and calibrates its uncertainty, on left-out rows.

A Gaussian process and an ensemble of networks are cross-validated over all rows. Each property gets the one with the
smaller error.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ipage_core.networks.ensemble import part_of
from ipage_core.networks.gaussian_process import GaussianProcess
from ipage_core.networks.hyperparameters import FEW
from ipage_core.networks.shared_process import SharedProcess
from ipage_core.tasks.table.scales import Scale
from ipage_core.tasks.table.surrogate import MOST_TESTED, NORMAL, ratio_of_the_alike

FOLDS = 5
"""Number of folds of the cross-validation; hyperparameters are fitted without the fold, too."""
COVERED = 0.9
"""Share of the true values that an interval holds."""
LEAST_SHARE = 0.1
"""Share of the root mean square error that is added in quadrature to a spread before calibration."""
FINEST = 1e-6
"""Smallest spread, as a share of a property's standard deviation: the precision of float32."""
SHRUNK = 0.5
"""Least ratio of the error of an ensemble's mean to the error of the members that have not seen the row."""


class LeftOut(NamedTuple):
    """Predictions for left-out rows, in raw units; NaN if not measured."""

    error: Tensor
    """(n, m) y − ŷ."""
    spread: Tensor
    """(n, m) standard deviation given by the surrogate."""

    @property
    def rmse(self) -> Tensor:
        """(m,) root mean square error."""
        return self.error.square().nanmean(0).sqrt()

    @property
    def mae(self) -> Tensor:
        """(m,) mean absolute error."""
        return self.error.abs().nanmean(0)


def cross_validate(
    x: Tensor,
    y: Tensor,
    bounds: Tensor,
    whole: GaussianProcess | SharedProcess,
    *,
    like: Any = None,
    seed: int = 0,
) -> LeftOut:
    """Predict every row by a process like ``whole``, fitted to the other parts; (n, d), (n, m), (2, d).

    The closed form for leaving one row out is optimistic for few rows, because its hyperparameters come from all rows.
    Here they do not, unless they are given by ``like``. With ``FEW`` rows or more they start from those of ``whole``,
    the process for all rows. Rows of the same design stay together.
    """
    near: Any = whole.hyperparameters if len(x) >= FEW else None
    return by_folds(x, y, lambda rows: type(whole).fitted(x[rows], y[rows], bounds, like=like, near=near, seed=seed))


def by_folds(x: Tensor, y: Tensor, fitted: Callable[[Tensor], Any]) -> LeftOut:
    """Predict every row of x (n, d), y (n, m) by the process ``fitted`` to the rows (n,) bool of the other parts."""
    error, spread = torch.full_like(y, math.nan), torch.full_like(y, math.nan)
    parts = part_of(x, FOLDS)
    for part in parts.unique():
        here = parts == part
        process = fitted(~here)
        error[here], spread[here] = y[here] - process(x[here]), process.spread(x[here])
    return LeftOut(error, torch.where(y.isnan(), math.nan, spread))


def between(one: LeftOut, fold: LeftOut) -> LeftOut:
    """Errors of leaving ``one`` row out, enlarged to the geometric mean of both root mean square errors.

    Leaving one row out is optimistic, because the hyperparameters come from all rows. Leaving a ``fold`` out is
    pessimistic, because a fifth of the rows is missing. Both (n, m); no error becomes smaller.
    """
    return LeftOut(one.error * (fold.rmse / one.rmse.clamp(min=1e-300)).clamp(min=1).sqrt(), one.spread)


def in_raw_units(scaled: LeftOut, y: Tensor, scale: Scale) -> LeftOut:
    """Errors and spreads on a scale of y as those of y. (n, m) of y."""
    z = scale.of(y) - scaled.error
    return LeftOut(y - scale.back(z), scale.slope(z) * scaled.spread)


def best(candidates: dict[str, LeftOut], jumps: bool = False) -> list[str]:
    """For each property, the candidate with the smallest root mean square error over left-out rows.

    If the property ``jumps``, with the smallest mean absolute error: the few rows on the wrong side of the jump would
    make most of the mean square, and hide how exact a candidate is elsewhere.
    """
    names = list(candidates)
    errors = [one.mae if jumps else one.rmse for one in candidates.values()]
    return [names[k] for k in torch.stack(errors).nan_to_num(nan=math.inf).argmin(0).tolist()]


class Calibration(NamedTuple):
    """Turns a surrogate's own spreads into calibrated ones: see :meth:`TableSurrogate.spread`."""

    factor: Tensor
    """(m,)."""
    least: Tensor
    """(m,) added to a spread in quadrature."""
    tested: Tensor
    """(k, q) places of left-out rows."""
    ratio: Tensor
    """(k, m) their error² over spread²; −1 if not measured, because the files hold no NaN."""


def calibrate(left_out: LeftOut, places: Tensor) -> Calibration:
    """Calibrate so that ŷ ± 1.645·factor·√(ratio·(spread² + least²)) holds 90 % of the left-out rows.

    Split conformal prediction with locally weighted errors (Lei et al. 2018, doi:10.1080/01621459.2017.1307116): the
    ratio is that of the rows with the nearest ``places`` (n, q). For n rows the factor is the ⌈(n + 1)·0.9⌉-th
    smallest of error over spread, so it widens where rows are few. Rows without any error do not count: their
    prediction and measurement are on a floor, where the interval's width plays no part.
    """
    least = LEAST_SHARE * left_out.rmse
    square = left_out.error.square() / (left_out.spread.square() + least.square()).clamp(min=1e-300)
    some = torch.randperm(len(square), generator=torch.Generator().manual_seed(0))[:MOST_TESTED]
    places, square = places[some], square[some]
    local = ratio_of_the_alike(places, places, square, itself=True)
    factors = []
    for column in (square / local.clamp(min=1e-300)).sqrt().T:
        known = column[column.isfinite()]
        erring = (known[known > 0] if (known > 0).any() else known).sort().values
        rank = min(len(erring), math.ceil((len(erring) + 1) * COVERED))
        factors.append(erring[rank - 1] / NORMAL if len(erring) else torch.tensor(math.nan, dtype=square.dtype))
    return Calibration(torch.stack(factors), least, places, square.nan_to_num(nan=-1.0))


def of_the_mean(members: LeftOut, count: int) -> LeftOut:
    """Errors of the mean of ``count`` members, from those of the members that have not seen a row.

    The mean has the members' common error. Their individual errors, estimated by the spread, add variance / count.
    """
    own = (1 - 1 / count) * members.spread.square().nanmean(0)
    kept = (1 - own / members.error.square().nanmean(0).clamp(min=1e-300)).clamp(min=SHRUNK**2).sqrt()
    return LeftOut(kept * members.error, members.spread)
