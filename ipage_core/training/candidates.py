"""Candidates for the surrogate of a table's properties: processes and ensembles, on several scales."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from scipy.spatial import cKDTree
from torch import Tensor

from ipage_core.networks.gaussian_process import GaussianProcess
from ipage_core.networks.hyperparameters import FEW, Hyperparameters
from ipage_core.networks.regime_process import RegimeProcess
from ipage_core.networks.shared_process import SharedProcess
from ipage_core.tasks.table.scales import SCALES, is_fraction, spans_decades
from ipage_core.training.choose import LeftOut, best, between, by_folds, cross_validate, in_raw_units

LOGARITHM, ODDS = "logarithm", "odds"
GROUP = 64
"""Largest number of properties that share a kernel."""
GAP, LEAST = 0.25, 20
"""Share of a property's range without any row that separates two regimes, and least number of rows in each."""


class Candidate(NamedTuple):
    """A kind of model on one scale, for all m properties."""

    left_out: LeftOut
    """(n, m) in raw units; NaN for a property that it does not predict."""
    kept: LeftOut
    """The same of the model that is kept, which was trained on all rows."""
    part: Callable[[Sequence[int]], Any]
    """Properties → the model for them."""
    scale: str = ""
    """Of ``SCALES``; empty: as it is."""


class Columns:
    """The m properties of a table on all scales that are tried: the raw ones first. (n, m) → ``both`` (n, q)."""

    def __init__(self, y: Tensor, floor: Sequence[float | None], scales: Sequence[str]) -> None:
        self.y, self.m = y, y.shape[1]
        self.lowest = torch.tensor([-torch.inf if value is None else value for value in floor], dtype=torch.float64)
        tests = {LOGARITHM: spans_decades, ODDS: is_fraction}
        free = [j for j in range(self.m) if floor[j] is None]
        tried = {name: [j for j in free if tests[name](y[:, j])] for name in scales}
        self.scaled = {name: those for name, those in tried.items() if those}
        self.both = torch.cat([y, *(SCALES[name].of(y[:, those]) for name, those in self.scaled.items())], dim=1)

    def at(self, scale: str) -> dict[int, int]:
        """Column of ``both`` for each property on a scale."""
        if not scale:
            return {j: j for j in range(self.m)}
        first = self.m
        for name, those in self.scaled.items():
            if name == scale:
                return {j: first + k for k, j in enumerate(those)}
            first += len(those)
        return {}

    def in_raw_units(self, of_both: LeftOut, scale: str) -> LeftOut:
        """Left-out rows (n, q) of ``both``, those of one scale, as rows (n, m) of the properties."""
        at = self.at(scale)
        those, columns = list(at), list(at.values())
        part = LeftOut(*(values[:, columns] for values in of_both))
        if scale:
            part = in_raw_units(part, self.y[:, those], SCALES[scale])
        y = self.y[:, those]
        part = LeftOut(y - torch.maximum(y - part.error, self.lowest[those]), part.spread)
        full = [torch.full_like(self.y, torch.nan) for _ in range(2)]
        for values, own in zip(full, part, strict=True):
            values[:, those] = own
        return LeftOut(*full)

    def candidates(self, name: str, left_out: LeftOut, kept: LeftOut, model: Any) -> dict[str, Candidate]:
        """The candidates of a model for all columns of ``both``, one for each scale."""

        def on(scale: str) -> Candidate:
            at = self.at(scale)
            one, all_rows = (self.in_raw_units(of_both, scale) for of_both in (left_out, kept))
            return Candidate(one, all_rows, lambda properties: model.of([at[j] for j in properties]), scale)

        return {f"{name} of the {scale}" if scale else name: on(scale) for scale in ("", *self.scaled)}


def processes(x: Tensor, columns: Columns, bounds: Tensor, seed: int) -> dict[str, Candidate]:
    """A process for each property, with its own kernel. (n, d), (2, d).

    Each fold trains on 20 % fewer rows. With many rows, one row hardly affects the closed form's hyperparameters.
    """
    process = GaussianProcess.fitted(x, columns.both, bounds, seed=seed)
    folds = cross_validate(x, columns.both, bounds, process, seed=seed)
    kept = between(LeftOut(*process.left_out()), folds) if len(x) >= FEW else folds
    return columns.candidates("process", folds, kept, process)


def regimes(y: Tensor, floor: Sequence[float | None]) -> Tensor | None:
    """(n,) bool: the rows above the widest gap in the values of any property (n, m); None: no gap is wide.

    A property with a floor, or with missing values, separates no regimes.
    """
    widest, is_upper = GAP, None
    for column, lowest in zip(y.T, floor, strict=True):
        if lowest is not None or column.isnan().any() or len(column) < 2 * LEAST:
            continue
        values = column.sort().values
        steps = values.diff()[LEAST - 1 : len(values) - LEAST]
        share = float(steps.max() / (values[-1] - values[0]).clamp(min=1e-300))
        if share > widest:
            widest, is_upper = share, column > values[LEAST - 1 + int(steps.argmax())]
    if is_upper is None or min(int((~y[side].isnan()).sum(0).min()) for side in (is_upper, ~is_upper)) < LEAST:
        return None
    return is_upper


def regime_processes(x: Tensor, y: Tensor, is_upper: Tensor, bounds: Tensor, seed: int) -> dict[str, Candidate]:
    """Processes for each property in each of two regimes. (n, d), (n, m), (n,), (2, d)."""
    process = RegimeProcess.fitted(x, y, is_upper, bounds, seed=seed)
    near = process if len(x) >= FEW else None
    folds = by_folds(
        x, y, lambda rows: RegimeProcess.fitted(x[rows], y[rows], is_upper[rows], bounds, near=near, seed=seed)
    )
    kept = between(LeftOut(*process.left_out(x, y, is_upper)), folds) if len(x) >= FEW else folds
    return {"process of two regimes": Candidate(folds, kept, process.of)}


def shared_processes(x: Tensor, columns: Columns, bounds: Tensor, seed: int) -> dict[str, Candidate]:
    """Processes for many properties; up to ``GROUP`` properties on one scale share a kernel. (n, d), (2, d).

    The closed form for leaving one row out chooses the scale of each property. Properties that are about equally rough
    then get a kernel of their own. Only these processes are cross-validated.
    """
    fitted = {
        scale: SharedProcess.fitted(x, columns.both[:, list(columns.at(scale).values())], bounds, seed=seed)
        for scale in ("", *columns.scaled)
    }
    tried = {scale: _spread_out(one.left_out(), columns, scale) for scale, one in fitted.items()}
    chosen = best({scale: columns.in_raw_units(rows, scale) for scale, rows in tried.items()})
    results: dict[str, Candidate] = {}
    for scale in dict.fromkeys(chosen):
        properties = torch.tensor([j for j in range(columns.m) if chosen[j] == scale])
        by_roughness = properties[roughness(x, columns.y[:, properties], bounds).argsort(stable=True)]
        for group in by_roughness.tensor_split(math.ceil(len(properties) / GROUP)):
            name = f"shared process {len(results) + 1}{f' of the {scale}' if scale else ''}"
            results[name] = _shared(x, columns, bounds, scale, group.tolist(), fitted[scale].hyperparameters, seed)
    return results


def _shared(
    x: Tensor, columns: Columns, bounds: Tensor, scale: str, group: list[int], near: Hyperparameters, seed: int
) -> Candidate:
    """A process for some properties on one scale, with hyperparameters that start from those of many.

    The folds keep the hyperparameters: few of the rows determine them, and a fold hardly changes them.
    """
    y = columns.both[:, [columns.at(scale)[j] for j in group]]
    process = SharedProcess.fitted(x, y, bounds, near=near, seed=seed)
    folds = _spread_out(cross_validate(x, y, bounds, process, like=process.hyperparameters), columns, scale, group)
    kept = between(_spread_out(process.left_out(), columns, scale, group), folds)
    left_out, kept = (columns.in_raw_units(rows, scale) for rows in (folds, kept))
    return Candidate(left_out, kept, lambda those: process.of([group.index(j) for j in those]), scale)


def _spread_out(
    rows: tuple[Tensor, Tensor], columns: Columns, scale: str, properties: Sequence[int] | None = None
) -> LeftOut:
    """Left-out rows of some properties on a scale, default all, in the columns of ``both``; NaN elsewhere."""
    at = columns.at(scale)
    of_both = [torch.full_like(columns.both, torch.nan) for _ in range(2)]
    for values, own in zip(of_both, rows, strict=True):
        values[:, [at[j] for j in (at if properties is None else properties)]] = own
    return LeftOut(*of_both)


def roughness(x: Tensor, y: Tensor, bounds: Tensor) -> Tensor:
    """Mean square difference of each property between neighbours, over its variance. (n, d), (n, m), (2, d) → (m,)."""
    low, high = bounds
    points = ((x - low) / torch.where(high > low, high - low, 1.0)).numpy()
    _, index = cKDTree(points).query(points, k=[2])
    nearest = torch.from_numpy(index)[:, 0]
    return (y - y[nearest]).square().mean(0) / y.var(0).clamp(min=1e-300)
