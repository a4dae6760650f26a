"""Designs of a problem of one's own: prediction with its interval, result of Ω, and what each design rests on."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from app.components.choice import picked
from app.components.tables import MOST_COLUMNS, badges, columns, x_names, y_names
from app.figures.run import Run
from ipage_core.tasks import TASKS
from ipage_core.tasks.table.own_task import shown
from ipage_core.tasks.table.trust import interval_text

INTERVAL = "Holds about 90 % of results of this property by itself; calibrated on left-out rows."
RESTS_ON = (
    "verified by Ω: your program has evaluated it. Predicted, 90 % interval: the surrogate alone, whose errors on "
    "left-out rows give the interval. Predicted: the surrogate alone. Nearest evaluation failed: your program failed "
    "on the evaluated design that is nearest, so it may fail here too."
)
NEAREST = "The evaluated design, or measured row, that is nearest to a design that Ω has not verified."


def table(run: Run) -> pd.DataFrame:
    """One row per design."""
    task, final = TASKS[run.task], run.final
    rows: dict[str, Any] = {"sample": final["sample"]}
    for j, name in enumerate(y_names(task), start=1):
        rows |= {f"{name}*": final[f"target{j}"], f"{name} predicted": final[f"surrogate{j}"]}
        if f"low{j}" in final:
            ends = zip(final[f"low{j}"], final[f"high{j}"], strict=True)
            rows[f"{name}, 90 %"] = [interval_text(low, high) for low, high in ends]
        rows[f"{name} by Ω"] = final[f"y{j}"]
    rows |= {"rests on": final["basis"], "badges": badges(run)}
    if "nearest_row" in final:
        rows |= {"nearest": final["nearest_row"], "distance": final["nearest_distance"]}
        rows |= {f"{name} of nearest": final[f"nearest_y{j}"] for j, name in enumerate(y_names(task), start=1)}
    names = list(zip(x_names(task), range(task.d), strict=True))[:MOST_COLUMNS]
    return pd.DataFrame(rows | {name: shown(task, j, final[f"x{j + 1}"]) for name, j in names})


def show(run: Run) -> None:
    """The table; clicking a row chooses its design."""
    rows, task = table(run), TASKS[run.task]
    config = columns(run, list(rows.columns))
    config |= {
        "rests on": st.column_config.TextColumn(help=RESTS_ON),
        "nearest": st.column_config.TextColumn(help=NEAREST),
        "distance": st.column_config.NumberColumn(format="%.3f", help="to the nearest one, in widths of the box"),
    }
    for name, target in zip(y_names(task), task.targets, strict=True):
        config[f"{name} predicted"] = st.column_config.NumberColumn(
            format="%.5g", help=f"{target.label}, by the surrogate"
        )
        config[f"{name}, 90 %"] = st.column_config.TextColumn(help=INTERVAL)
        config[f"{name} by Ω"] = st.column_config.NumberColumn(format="%.5g", help=f"{target.label}, by your program")
        config[f"{name} of nearest"] = st.column_config.NumberColumn(format="%.5g", help=NEAREST)
    st.dataframe(
        rows,
        hide_index=True,
        height=480,
        column_config={name: config[name] for name in rows if name in config},
        key="designs",
        on_select=lambda: picked("designs"),
        selection_mode="single-row",
        placeholder="–",
    )
