"""The table of designs: what each achieves beside what was asked, and how its columns are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from ipage_core.solutions import Solutions
from ipage_core.tasks import TASKS, Task

if TYPE_CHECKING:
    from app.runs import Run

BADGES = {"verified": "gray", "hit": "green", "in prior": "blue", "replaced": "orange"}


def table(found: Solutions, start: str, start_y: np.ndarray | None) -> pd.DataFrame:
    """One row per sample. ``start`` names what was proposed, ``start_y`` (n, m) is what Ω says of it, where known."""
    task, checked = found.task, found.verification
    final = start if found.localized is None else "localized"
    names = y_names(task)
    table: dict[str, Any] = {"sample": np.arange(len(found.final))}
    table |= {f"{name}*": column for name, column in zip(names, found.y_star.numpy().T, strict=True)}
    if start_y is not None and found.localized is not None:
        table |= {f"{name} {start}": column for name, column in zip(names, start_y.T, strict=True)}
    table |= {f"{name} {final}": checked.y[:, j].numpy() for j, name in enumerate(names)}
    table["off by"] = checked.resim_error.sqrt().numpy()
    table["badges"] = badges(found)
    if found.modes is not None and (found.modes >= 0).any():
        table["loop"] = pd.array([k + 1 if k >= 0 else None for k in found.modes.tolist()], dtype="Int64")
    stages = {final: found.final} | ({start: found.posterior} if found.localized is not None else {})
    for stage, x in stages.items():
        table |= {f"{name} {stage}": column for name, column in zip(x_names(task), x.numpy().T, strict=True)}
    return pd.DataFrame(table)


def badges(found: Solutions) -> list[list[str]]:
    """For each sample, which of ``BADGES`` it wears."""
    worn = (
        found.verification.resim_error.isfinite().tolist(),
        found.verification.hit.tolist(),
        found.task.in_bounds(found.final).tolist(),
        found.replaced.tolist(),
    )
    return [[name for name, has in zip(BADGES, row, strict=True) if has] for row in zip(*worn, strict=True)]


def y_names(task: Task) -> list[str]:
    """'y', or 'y₁', 'y₂': short names of the targets."""
    return ["y"] if task.n_targets == 1 else [f"y{chr(0x2080 + j + 1)}" for j in range(task.n_targets)]


def x_names(task: Task) -> list[str]:
    """The first word of each coordinate's label."""
    return [label.split(" ")[0] for label in task.x_labels]


def columns(run: Run) -> dict[str, Any]:
    """Number formats, and for every column the full label with its unit on hovering."""
    task = TASKS[run.task]
    labels = dict(zip(y_names(task), task.property_labels, strict=False)) | dict(
        zip(x_names(task), task.x_labels, strict=True)
    )
    config: dict[str, Any] = {}
    for column in run.table.columns:
        name, _, stage = column.partition(" ")
        if name in labels and stage:
            told = f"{labels[name]} of the {stage} design" + (", by the true Ω" if name in y_names(task) else "")
            config[column] = st.column_config.NumberColumn(format="%.5f", help=told)
        elif column.endswith("*"):
            config[column] = st.column_config.NumberColumn(format="%.5g", help=f"target, {labels[column[:-1]]}")
    return config | {
        "sample": st.column_config.NumberColumn(pinned=True, width="small", help="the id that every export shares"),
        "off by": st.column_config.NumberColumn(format="%.1e", help="distance |Ω(x) − y*|, in the units of y"),
        "badges": st.column_config.MultiselectColumn(
            options=list(BADGES),
            color=list(BADGES.values()),
            width=280,
            help="verified: Ω ran on it; hit: within tolerance; in prior: inside the prior's bounds; "
            "replaced: a fresh sample took the place of one that stalled",
        ),
        "loop": st.column_config.NumberColumn(width="small", help="the loop of solutions on which it lies"),
    }
