"""What a run says of itself: a few lines, and the JSON object of the command line."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch

from ipage_core.inference.basis import WITH_INTERVAL
from ipage_core.inference.pareto import repeated
from ipage_core.inference.run_result import RunResult
from ipage_core.problem.task import Task


def in_words(run: RunResult) -> str:
    """The run in a few lines: number, target, method, verification, names, remarks."""
    task, by_omega = run.task, run.verification
    errors = by_omega.resim_error[by_omega.resim_error.isfinite()]
    hits = int(by_omega.hit.sum())
    result = f"{by_omega.calls} verified by Ω, {hits} {'hit' if hits == 1 else 'hits'}"
    if len(errors):
        result += f", median error {errors.median().sqrt():.2g}{_unit(task)}"
    if not by_omega.calls:
        done = "not predicted" if run.surrogate is None else "predicted"
        result = f"{done}, not verified by Ω" if task.omega else f"{done}, not verified: the task has no Ω"
    lines = [
        f"{len(run)} {'design' if len(run) == 1 else 'designs'} of {task.name} for {_target(run)}",
        f"  by {run.method}, {run.sampling} latent points, seed {run.seed}; {result}",
        f"  inputs {_some(task.x_labels)}; properties {_some(task.property_labels)}",
    ]
    filled = "" if run.filled is None else run.filled["sentence"]
    remarks = (about_intervals(run), task.remark, run.note, run.not_spread, filled)
    return "\n".join([*lines, *(f"  {sentence}" for sentence in remarks if sentence)])


def summary(run: RunResult) -> dict[str, Any]:
    """The JSON object of the command line: counts, errors by Ω (null if it did not run) and seconds.

    ``distinct`` is there if a property is minimized or maximized: the number of designs that are farther than 0.01 box
    widths from all others that count.
    """
    by_omega, modes = run.verification, run.modes
    errors = by_omega.resim_error[by_omega.resim_error.isfinite()]
    figures: dict[str, Any] = {
        "n": len(run),
        "resim_mse": errors.mean().item() if len(errors) else None,
        "resim_median": errors.median().item() if len(errors) else None,
        "verified": by_omega.calls,
        "hits": int(by_omega.hit.sum()),
        "in_bounds": int(run.task.in_bounds(run.final).sum()),
        "replaced": int(run.replaced.sum()),
        "success_before_replacement": run.success_before_replacement,
        "omega_calls": run.omega_calls,
        "seconds": {name: round(value, 4) for name, value in run.seconds.items()},
    }
    if modes is not None and (modes >= 0).any() and (run.y_star == run.y_star[0]).all():
        figures["modes_found"] = len(set(modes.tolist()) - {-1})
        figures["modes_total"] = run.task.n_modes
    if by_omega.calls > len(errors):
        figures["omega_failed"] = by_omega.calls - len(errors)
    if run.target is not None and run.target.optimizes:
        figures["distinct"] = int((~repeated(run.task, run.final)).sum())
    figures["basis"] = dict(Counter(run.basis))
    if text := about_intervals(run):
        figures["intervals"] = text
    if run.filled is not None:
        figures["filled"] = run.filled
    for name in ("note", "not_spread"):
        if getattr(run, name):
            figures[name] = getattr(run, name)
    return figures


def about_intervals(run: RunResult) -> str:
    """How far predictions may be off, as a sentence; empty if no design rests on a prediction with an interval.

    'Predicted values may be off by ± 0.0016 eV (median of the 90 % intervals, calibrated on 1,260 results …).'
    """
    if run.interval is None:
        return ""
    rows = torch.tensor([one == WITH_INTERVAL for one in run.basis])
    if not bool(rows.any()):
        return ""
    halves = ((run.interval[1] - run.interval[0]) / 2)[rows].median(0).values.tolist()
    named = zip(run.task.targets, halves, strict=True)
    alone = run.task.n_targets == 1
    texts = [f"{'' if alone else one.name + ' '}± {half:.2g} {one.unit}".strip() for one, half in named]
    text = ", ".join(texts[:6]) + (", …" if len(texts) > 6 else "")
    return f"Predictions: {text} (median of the 90 % intervals, calibrated on {run.calibrated_on})"


def _target(run: RunResult) -> str:
    if run.target is not None and not run.target.exact:  # each design has its own aim
        return run.target.in_words(run.task)
    different = run.y_star.unique(dim=0)
    if len(different) > 1:
        return f"{len(different)} targets"
    values = ", ".join(f"{value:g}" for value in different[0].tolist())
    return (f"({values})" if len(different[0]) > 1 else values) + _unit(run.task)


def _unit(task: Task) -> str:
    """' m' if all properties have this unit, else nothing."""
    units = {target.unit for target in task.targets}
    return f" {units.pop()}".rstrip() if len(units) == 1 else ""


def _some(names: tuple[str, ...], most: int = 6) -> str:
    if len(names) > most:
        return f"{names[0]}, …, {names[-1]} ({len(names)})"
    return ("; " if any("," in name for name in names) else ", ").join(names)
