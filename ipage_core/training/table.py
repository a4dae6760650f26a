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
from ipage_core.networks.gaussian_process import GaussianProcess
from ipage_core.networks.hyperparameters import FEW
from ipage_core.tasks.table.own_task import MOST_PROPERTIES, MOST_ROWS
from ipage_core.tasks.table.surrogate import BY_INPUTS, ENSEMBLE, MOST_TESTED, PROCESS, TableSurrogate, as_read
from ipage_core.training.choose import (
    FINEST,
    LeftOut,
    best,
    between,
    calibrate,
    cross_validate,
    in_raw_units,
    of_the_mean,
    spans_decades,
)
from ipage_core.training.fit import Fit, Settings, fit

ENOUGH = 0.01
"""If the process has a smaller error, in standard deviations of the property, no ensemble is trained."""


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
    log_y = [j for j in range(m) if floor[j] is None and spans_decades(y[:, j])]
    both = torch.cat((y, y[:, log_y].log()), dim=1)  # each property, and the logarithm of some
    scale = (y - y.nanmean(0)).square().nanmean(0).sqrt().clamp(min=1e-300)

    scores: dict[str, LeftOut] = {}
    final: dict[str, LeftOut] = {}  # the same of the models that are kept
    process = None
    if len(x) <= MOST_ROWS and m <= MOST_PROPERTIES:
        process = GaussianProcess.fitted(read, both, box, seed=settings.seed)
        folds = cross_validate(read, both, box, process, seed=settings.seed)
        scores |= _candidates("process", folds, y, log_y, floor)
        # Each fold trains on 20 % fewer rows. With many rows, one row hardly affects the closed form's hyperparameters.
        if len(x) >= FEW:
            final |= _candidates("process", between(LeftOut(*process.left_out()), folds), y, log_y, floor)
    ensemble, run = None, Fit({})
    least = torch.stack([one.rmse.nan_to_num(nan=torch.inf) for one in scores.values()]).amin(0) if scores else scale
    if not scores or bool((least > ENOUGH * scale).any()):
        extended = arguments | {"d": read.shape[1], "m": both.shape[1], "leave_out": True}
        extended["floor"] = [*floor, *[None] * len(log_y)]
        run = fit(Ensemble, extended, read, both, settings, device=device, checkpoint=checkpoint, progress=progress)
        ensemble = Ensemble(**extended)
        ensemble.load_state_dict(run.weight_sets["phi_star"])
        ensemble.eval().requires_grad_(False)
        by_members = LeftOut(*ensemble.left_out(read, both))
        scores |= _candidates("ensemble", by_members, y, log_y, floor)
        final |= _candidates("ensemble", of_the_mean(by_members, arguments["members"]), y, log_y, floor)

    chosen = best(scores)
    parts: list[dict[str, Any]] = []
    modules: list[Any] = []
    for name in dict.fromkeys(chosen):
        columns = [j for j in range(m) if chosen[j] == name]
        at = [m + log_y.index(j) if name.endswith(" of the logarithm") else j for j in columns]
        if name.startswith("process"):
            assert process is not None
            modules.append(process.of(at))
        else:
            assert ensemble is not None
            modules.append(ensemble.of(at))
        kind = PROCESS if name.startswith("process") else ENSEMBLE
        parts.append({"network": kind, "arguments": modules[-1].arguments, "columns": columns})
    logged = [j for j in range(m) if chosen[j].endswith(" of the logarithm")]
    left_out, kept = (_of_the_chosen(chosen, candidates) for candidates in (scores, scores | final))
    count = min(len(x), MOST_TESTED)
    surrogate = TableSurrogate(x.shape[1], m, parts, log_x, logged, floor, list(levels.items()), count)
    for own, module in zip(surrogate.parts, modules, strict=True):
        own.load_state_dict(module.state_dict())
    with torch.no_grad():
        predicted = torch.where(y.isnan(), surrogate(x), y - kept.error)
    predicted[:, logged] = predicted[:, logged].clamp(min=1e-300).log()
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
        "rmse": {name: _rounded(one.rmse) for name, one in scores.items()},
        "r2": _rounded(1 - left_out.rmse.square() / scale.square(), 5),
    }
    return surrogate, run, figures


def _of_the_chosen(chosen: Sequence[str], result: Mapping[str, LeftOut]) -> LeftOut:
    """Left-out rows of each property, from its chosen candidate."""
    columns = [torch.stack([result[c][k][:, j] for j, c in enumerate(chosen)], 1) for k in range(2)]
    return LeftOut(*columns)


def _candidates(
    name: str, left_out: LeftOut, y: Tensor, log_y: Sequence[int], floor: Sequence[float | None]
) -> dict[str, LeftOut]:
    """Split the first m columns from those of logarithms, which are converted to raw units."""
    m = y.shape[1]
    lowest = torch.tensor([-torch.inf if value is None else value for value in floor], dtype=torch.float64)
    error = y - torch.maximum(y - left_out.error[:, :m], lowest)
    candidates = {name: LeftOut(error, left_out.spread[:, :m])}
    if log_y:
        logarithm = LeftOut(*(values[:, m:] for values in left_out))
        raw = in_raw_units(logarithm, y[:, log_y])
        both = [torch.full_like(y, torch.nan) for _ in range(2)]
        for values, those in zip(both, raw, strict=True):
            values[:, log_y] = those
        candidates[f"{name} of the logarithm"] = LeftOut(*both)
    return candidates


def _rounded(values: Tensor, digits: int | None = None) -> list[float | None]:
    """Rounded values for a card, None if unknown."""
    return [None if v != v else round(v, digits) if digits is not None else float(f"{v:.4g}") for v in values.tolist()]
