"""Trains the surrogate of a table: Gaussian processes, networks if they are better, and calibrated errors."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ipage_core.networks.ensemble import Ensemble
from ipage_core.tasks.table.own_task import MOST_PROPERTIES, MOST_ROWS, MOST_SHARED
from ipage_core.tasks.table.scales import spans_decades
from ipage_core.tasks.table.surrogate import BY_INPUTS, KINDS, MOST_TESTED, TableSurrogate, as_read
from ipage_core.training.candidates import (
    LOGARITHM,
    ODDS,
    Candidate,
    Columns,
    processes,
    regime_processes,
    regimes,
    shared_processes,
)
from ipage_core.training.choose import FINEST, LeftOut, best, calibrate, of_the_mean
from ipage_core.training.fit import Fit, Settings, fit

ENOUGH = 0.01
"""If the process has a smaller error, in standard deviations of the property, no ensemble is trained."""
ENOUGH_OF_MANY = 0.03
"""The same for the root mean square error over more than ``MOST_PROPERTIES`` properties."""


def fit_table(
    x: Tensor,
    y: Tensor,
    bounds: Tensor,
    arguments: dict[str, Any],
    settings: Settings,
    *,
    log_x: Sequence[int] | None = None,
    levels: Mapping[int, int] | None = None,
    device: torch.device | str = "cpu",
    checkpoint: Path | None = None,
    progress: Callable[[dict[str, float]], None] = lambda row: None,
) -> tuple[TableSurrogate, Fit, dict[str, Any]]:
    """Train the surrogate of rows x (n, d), y (n, m), NaN if not measured, within bounds (2, d).

    Args:
        x: designs.
        y: properties.
        bounds: bounds of the designs.
        arguments: arguments of the ensemble for all m properties.
        settings: training settings of the ensemble.
        log_x: inputs whose logarithm is used; None: those that span two decades.
        levels: number of levels of each category, by its coordinate.
        device: for the ensemble; processes are fitted on the CPU.
        checkpoint: for the ensemble, see :func:`ipage_core.training.fit.fit`.
        progress: called with a row per epoch, or with one row if there is no ensemble.

    Returns the surrogate, its weights with their history, and the figures of the choice: for each property the chosen
    candidate ("by"), and for each candidate its error over left-out rows.

    Raises:
        FloatingPointError, ValueError: see :func:`ipage_core.training.fit.fit`.
    """
    began, m = time.perf_counter(), y.shape[1]
    x, y, bounds = x.double(), y.double(), bounds.double()
    floor: list[float | None] = arguments.get("floor") or [None] * m
    levels = levels or {}
    if log_x is None:
        log_x = [j for j, c in enumerate(torch.cat((x, bounds)).T) if j not in levels and spans_decades(c)]
    read = as_read(x, log_x, levels)
    box = torch.stack(
        [torch.stack((c.min(), c.max())) for c in as_read(torch.cat((x, bounds)), log_x, levels).T], dim=1
    )
    scale = (y - y.nanmean(0)).square().nanmean(0).sqrt().clamp(min=1e-300)

    candidates: dict[str, Candidate] = {}
    is_upper: Tensor | None = None
    if m <= MOST_PROPERTIES and len(x) <= MOST_ROWS:
        candidates |= processes(read, Columns(y, floor, (LOGARITHM, ODDS)), box, settings.seed)
        is_upper = regimes(y, floor)
        if is_upper is not None:
            candidates |= regime_processes(read, y, is_upper, box, settings.seed)
    elif m > MOST_PROPERTIES and len(x) <= MOST_SHARED and not y.isnan().any():
        candidates |= shared_processes(read, Columns(y, floor, (LOGARITHM, ODDS)), box, settings.seed)
    run = Fit({})
    if not candidates or not _suffice(candidates, scale):
        columns = Columns(y, floor, (LOGARITHM,))
        extended = arguments | {"d": read.shape[1], "m": columns.both.shape[1], "leave_out": True}
        extended["floor"] = [*floor, *[None] * (columns.both.shape[1] - m)]
        run = fit(
            Ensemble, extended, read, columns.both, settings, device=device, checkpoint=checkpoint, progress=progress
        )
        ensemble = Ensemble(**extended)
        ensemble.load_state_dict(run.weight_sets["phi_star"])
        ensemble.eval().requires_grad_(False)
        by_members = LeftOut(*ensemble.left_out(read, columns.both))
        mean = of_the_mean(by_members, arguments["members"])
        candidates |= columns.candidates("ensemble", by_members, mean, ensemble)

    chosen = best({name: one.left_out for name, one in candidates.items()}, jumps=is_upper is not None)
    parts: list[dict[str, Any]] = []
    modules: list[Any] = []
    for name in dict.fromkeys(chosen):
        properties = [j for j in range(m) if chosen[j] == name]
        modules.append(candidates[name].part(properties))
        kind = next(kind for kind, build in KINDS.items() if isinstance(modules[-1], build))
        parts.append({"network": kind, "arguments": modules[-1].arguments, "columns": properties})
    logged, as_odds = ([j for j in range(m) if candidates[chosen[j]].scale == one] for one in (LOGARITHM, ODDS))
    left_out = _of_the_chosen(chosen, {name: one.left_out for name, one in candidates.items()})
    kept = _of_the_chosen(chosen, {name: one.kept for name, one in candidates.items()})
    count = min(len(x), MOST_TESTED)
    surrogate = TableSurrogate(x.shape[1], m, parts, log_x, logged, floor, list(levels.items()), count, as_odds)
    for own, module in zip(surrogate.parts, modules, strict=True):
        own.load_state_dict(module.state_dict())
    with torch.no_grad():
        predicted = torch.where(y.isnan(), surrogate(x), y - kept.error)
    predicted[:, logged] = predicted[:, logged].clamp(min=1e-300)
    for scale_of, those in surrogate.scaled:
        predicted[:, those] = scale_of.of(predicted[:, those])
    surrogate.unit = (predicted - predicted.mean(0)).square().mean(0).sqrt().clamp(min=1e-300)
    surrogate.away = (read.std(0) * math.sqrt(read.shape[1]) / BY_INPUTS).clamp(min=1e-300)
    result = calibrate(kept, surrogate.place(x, predicted))
    surrogate.factor, surrogate.least, surrogate.tested, surrogate.ratio = result
    surrogate.finest, surrogate.error = FINEST * scale, left_out.rmse
    surrogate.eval().requires_grad_(False)
    run.weight_sets = {"phi_star": surrogate.state_dict()}
    run.seconds = time.perf_counter() - began
    if not run.history:
        square = float((left_out.rmse / scale).square().log().mean().exp())
        row = {"epoch": 1, "epochs": 1, "loss_y": square, "lambda_y": 1.0, "validation_l2": square}
        run.history.append(row | {"seconds": run.seconds, "eta_seconds": 0.0})
        progress(run.history[0])
    figures = {
        "n": len(x),
        "by": chosen,
        "rmse": {name: _rounded(one.left_out.rmse) for name, one in candidates.items()},
        "r2": _rounded(1 - left_out.rmse.square() / scale.square(), 5),
    }
    return surrogate, run, figures


def _suffice(candidates: Mapping[str, Candidate], scale: Tensor) -> bool:
    """Whether no ensemble is needed beside these candidates. ``scale``: (m,) standard deviations of the properties."""
    least = torch.stack([one.left_out.rmse.nan_to_num(nan=torch.inf) for one in candidates.values()]).amin(0) / scale
    if len(scale) > MOST_PROPERTIES:
        return bool(least.square().mean().sqrt() <= ENOUGH_OF_MANY)
    return bool((least <= ENOUGH).all())


def _of_the_chosen(chosen: Sequence[str], result: Mapping[str, LeftOut]) -> LeftOut:
    """Left-out rows of each property, from its chosen candidate."""
    columns = [torch.stack([result[c][k][:, j] for j, c in enumerate(chosen)], 1) for k in range(2)]
    return LeftOut(*columns)


def _rounded(values: Tensor, digits: int | None = None) -> list[float | None]:
    """Rounded values for a card, None if unknown."""
    return [None if v != v else round(v, digits) if digits is not None else float(f"{v:.4g}") for v in values.tolist()]
