"""The table of designs: each result beside its target, and the format of the columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
import torch

from app.figures.run import Run
from ipage_core.problem.task import Task
from ipage_core.tasks import TASKS
from ipage_core.tasks.table.trust import interval_text

BADGES = {"verified": "gray", "predicted": "violet", "hit": "green", "in prior": "blue", "replaced": "orange"}
RESTS_ON = (
    "verified by Ω: Ω ran on it. Predicted, 90 % interval: the surrogate alone, calibrated on results that it has not "
    "learned. Predicted: the surrogate alone, with unknown error. Not predicted: a sample of a network."
)
MOST_COLUMNS = 12
"""Maximum number of coordinates in a table; the CSV holds all."""
PIXELS = 1024
"""From this number of coordinates on, the table shows none: a few of them would not be informative."""


def table(run: Run) -> pd.DataFrame:
    """One row per sample."""
    task, start = TASKS[run.task], run.labels[0]
    final = "localized" if run.localizes else start
    names = y_names(task)
    columns: dict[str, Any] = {"sample": np.arange(run.n)}
    columns |= {f"{name}*": column for name, column in zip(names, run.aims.T, strict=True)}
    columns |= {f"{name} {final}": run.achieved[:, j] for j, name in enumerate(names)}
    shown = run.final
    for j, name in enumerate(names, start=1):
        if f"low{j}" in shown:
            ends = zip(shown[f"low{j}"], shown[f"high{j}"], strict=True)
            columns |= {f"{name} predicted": shown[f"surrogate{j}"]}
            columns |= {f"{name}, 90 %": [interval_text(low, high) for low, high in ends]}
    columns["off by"] = run.off_by
    columns["rests on"] = shown["basis"]
    columns |= _coordinates(task, final, run.x[-1])
    columns["badges"] = badges(run)
    if run.modes is not None and (run.modes[-1] >= 0).any():
        columns["loop"] = pd.array([k + 1 if k >= 0 else None for k in run.modes[-1].tolist()], dtype="Int64")
    for j, label in enumerate(task.property_labels[task.n_targets :], start=task.n_targets):
        columns[label] = run.achieved[:, j]
    if run.localizes:
        if run.y is not None:
            columns |= {f"{name} {start}": column for name, column in zip(names, run.y[0].T, strict=True)}
        columns |= _coordinates(task, start, run.x[0])
    return pd.DataFrame(columns)


def _coordinates(task: Task, stage: str, x: np.ndarray) -> dict[str, Any]:
    return {f"{name} {stage}": column for name, column in zip(shown_names(task), x.astype(float).T, strict=False)}


def badges(run: Run) -> list[list[str]]:
    """For each sample, its ``BADGES``."""
    inside = TASKS[run.task].in_bounds(torch.from_numpy(run.x[-1])).tolist()
    known = run.verified.tolist()
    worn = zip(known, [not one for one in known], run.hit.tolist(), inside, run.replaced.tolist(), strict=True)
    return [[name for name, has in zip(BADGES, row, strict=True) if has] for row in worn]


def y_names(task: Task) -> list[str]:
    """'y', or 'y₁', 'y₂': short names of the targets."""
    return ["y"] if task.n_targets == 1 else [f"y{chr(0x2080 + j + 1)}" for j in range(task.n_targets)]


def x_names(task: Task) -> list[str]:
    """The first word of each coordinate's label; if these are not unique, x1, x2, …"""
    names = [label.split(" ")[0] for label in task.x_labels]
    return names if len(set(names)) == task.d else [f"x{j + 1}" for j in range(task.d)]


def shown_names(task: Task) -> list[str]:
    """Names of the coordinates that a table shows."""
    return x_names(task)[:MOST_COLUMNS] if task.d < PIXELS else []


def columns(run: Run, names: list[str]) -> dict[str, Any]:
    """Number formats of the columns ``names``, each with its full label and unit as a tooltip."""
    task = TASKS[run.task]
    labels = dict(zip(y_names(task), task.property_labels, strict=False)) | dict(
        zip(x_names(task), task.x_labels, strict=True)
    )
    config: dict[str, Any] = {}
    for column in names:
        name, _, stage = column.partition(" ")
        unit = unit_of(labels.get(name, ""))
        if name in labels and stage:
            help_text = f"{labels[name]} of the {stage} design" + (", by the true Ω" if name in y_names(task) else "")
            config[column] = st.column_config.NumberColumn(f"{column}{unit}", format="%.5f", help=help_text)
        elif column.endswith("*"):
            target = labels[column[:-1]]
            config[column] = st.column_config.NumberColumn(
                f"{column}{unit_of(target)}", format="%.5g", width=90, help=f"target, {target}"
            )
    for label, name in zip(task.property_labels, y_names(task), strict=False):
        config[f"{name}, 90 %"] = st.column_config.TextColumn(help=f"{label}: holds about 90 % of results of Ω")
        config[f"{name} predicted"] = st.column_config.NumberColumn(format="%.5g", help=f"{label}, by the surrogate")
    return config | {
        "rests on": st.column_config.TextColumn(help=RESTS_ON),
        "sample": st.column_config.NumberColumn(
            pinned=True, width="small", help="number of the sample, the same in every export"
        ),
        "off by": st.column_config.NumberColumn(
            f"off by{_shared_unit(task)}",
            format="%.3g",
            width=96,  # by itself it is as wide as the first rows need, and cuts 0.00000331 off below them
            help="distance |Ω(x) − y*|, in the units of y",
        ),
        "badges": st.column_config.MultiselectColumn(
            options=list(BADGES),
            color=list(BADGES.values()),
            width=280,
            help="verified: Ω ran on it; predicted: it rests on the surrogate alone; hit: within tolerance; "
            "in prior: inside the prior's bounds; "
            "replaced: a fresh sample replaced one that stalled",
        ),
        "loop": st.column_config.NumberColumn(width="small", help="the loop of solutions on which it lies"),
    }


def unit_of(label: str) -> str:
    """The unit of a label with its brackets, as ' [m]', or nothing."""
    return f" [{label.partition(' [')[2]}" if " [" in label else ""


def _shared_unit(task: Task) -> str:
    """The unit that all targets share, in brackets, or nothing."""
    units = {unit_of(label) for label in task.property_labels[: task.n_targets]}
    return units.pop() if len(units) == 1 else ""
