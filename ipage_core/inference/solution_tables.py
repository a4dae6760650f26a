"""The tables of a run: ``run.csv`` with numbered columns, and a table with names and units."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from ipage_core.inference.basis import basis
from ipage_core.inference.neighbours import beside_failure
from ipage_core.inference.run_result import RunResult
from ipage_core.inference.verification import Verification, verify
from ipage_core.problem.task import Task


def words_of_categories(task: Task, x: Tensor) -> dict[str, list[float | str]]:
    """Further columns of ``run.csv`` for designs (n, d): each category's words, under its name."""
    chosen = [(j, v) for j, v in enumerate(task.variables) if v.kind == "category"]
    return {v.name: [v.show(value) for value in x[:, j].tolist()] for j, v in chosen}


def numbered_table(run: RunResult) -> pd.DataFrame:
    """One row per sample and stage, with the columns of ``run.csv``; unknown values are NaN.

    ``hit`` is empty where Ω did not run. Where Ω is fast and has verified all designs, it judges their starts too, for
    the table only: these evaluations are not counted.

    ``low1..M`` to ``high1..M``, the intervals of the predictions, are there unless Ω has verified all designs.
    """
    task, by_omega, replaced = run.task, run.verification, run.replaced
    stages: list[tuple[str, Tensor, Tensor | None, Tensor | None, Verification, Tensor]]
    if run.localized is None:
        stages = [("posterior", run.posterior, None, None, by_omega, replaced)]
    else:
        as_drawn = torch.zeros_like(replaced)
        stages = [
            ("posterior", run.posterior, run.surrogate_posterior, run.interval_posterior, _of_starts(run), as_drawn),
            ("localized", run.localized, run.surrogate, run.interval, by_omega, replaced),
        ]
    m = task.n_targets
    blocks = []
    for stage, x, surrogate, interval, verification, fresh in stages:
        columns: dict[str, Any] = {"sample": range(len(x)), "stage": stage}
        columns |= _numbered("target", run.y_star)
        columns |= _numbered("x", x)
        unknown = torch.full_like(run.y_star, math.nan)
        columns |= _numbered("surrogate", unknown if surrogate is None else surrogate)
        columns |= _numbered("y", verification.y[:, :m])
        columns["resim_error"] = verification.resim_error.numpy()
        columns["hit"] = _judged(verification)
        columns["in_bounds"] = task.in_bounds(x).numpy()
        columns["replaced"] = fresh.numpy()
        for j, label in enumerate(task.property_labels[m:]):
            columns[label] = verification.y[:, m + j].numpy()
        if interval is not None:
            columns |= _numbered("low", interval[0]) | _numbered("high", interval[1])
        columns["basis"] = basis(verification.y, surrogate is not None, interval, beside_failure(task, x))
        if not task.columns:  # else the table's own names follow
            columns |= words_of_categories(task, x)
        blocks.append(pd.DataFrame(columns))
    return pd.concat(blocks, ignore_index=True)


def _of_starts(run: RunResult) -> Verification:
    """What Ω says of the posterior samples, if that costs next to nothing."""
    task = run.task
    if not task.verifies_by_default or run.verification.calls < len(run):
        return Verification.nowhere(task, len(run))
    tolerances = task.tolerances if run.target is None else run.target.tolerances(task)
    if run.target is not None:
        free = torch.tensor([goal.kind == "anything" for goal in run.target.goals])
        tolerances = torch.where(free, math.inf, tolerances)
    return verify(task, run.posterior, run.y_star, None, tolerances)


def _judged(verification: Verification) -> pd.Series:
    """(n,) whether each design is a hit; empty where Ω did not run."""
    ran = verification.resim_error.isfinite().numpy()
    return pd.Series(verification.hit.numpy()).astype("boolean").where(ran)


def named_table(run: RunResult) -> pd.DataFrame:
    """One row per design: inputs, properties by Ω and by the surrogate, and hits, with names and units."""
    task, by_omega = run.task, run.verification
    columns: dict[str, Any] = {"sample": range(len(run))}
    for variable, values in zip(task.variables, run.final.double().numpy().T, strict=True):
        columns[variable.label] = [variable.show(v) for v in values] if variable.kind == "category" else values
    if task.omega is not None:
        columns |= dict(zip(task.property_labels, by_omega.y.double().numpy().T, strict=True))
    if run.surrogate is not None:
        predicted = [f"{p.name} predicted" + (f" [{p.unit}]" if p.unit else "") for p in task.targets]
        columns |= dict(zip(predicted, run.surrogate.double().numpy().T, strict=True))
        if run.interval is not None:
            for name, low, high in zip(predicted, *run.interval.numpy().transpose(0, 2, 1), strict=True):
                columns |= {f"{name}, 90 % from": low, f"{name}, 90 % to": high}
    if task.omega is not None:
        columns["hit"] = _judged(by_omega)
    columns["rests on"] = run.basis
    return pd.DataFrame(columns)


def _numbered(name: str, values: Tensor) -> dict[str, Any]:
    return {f"{name}{j + 1}": column for j, column in enumerate(values.double().numpy().T)}
