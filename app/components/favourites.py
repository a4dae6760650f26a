"""Designs that the user keeps, names and compares; they last as long as the session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app.components.chart import chart
from app.components.tables import shown_names, x_names, y_names
from app.figures.playback import Size
from app.figures.run import Run
from app.figures.theme import Dict
from ipage_core.problem.request import DesignRequest
from ipage_core.tasks import TASKS


def kept() -> list[dict[str, Any]]:
    """All kept designs, the oldest first."""
    return st.session_state.setdefault("favourites", [])


def ask_to_keep(request: DesignRequest, run: Run, sample: int) -> None:
    """The button that keeps the chosen sample."""

    def keep() -> None:
        names = {one["name"] for one in kept()}
        number = next(k for k in range(1, len(names) + 2) if f"design {k}" not in names)
        kept().append(
            {
                "name": f"design {number}",
                "task": run.task,
                "method": run.method,
                "sample": sample,
                "address": f"{request.to_query()}&sample={sample}",
                "x": run.x[-1, sample].astype(float),
                "y_star": run.aims[sample],
                "y": run.achieved[sample, : len(run.y_star)],
                "off_by": float(run.off_by[sample]),
            }
        )

    st.button("Keep it", icon=":material/star:", on_click=keep, key="keep", width="stretch")


Draw = Callable[[str, list[tuple[str, np.ndarray]], bool, Size], Dict]
"""(task, (name, design (d,)) for each kept design, dark, size) → figure of the kept designs side by side."""


def show(task: str, draw: Draw, dark: bool, size: Size) -> None:
    """The kept designs of a task side by side; the user can rename, remove and compare them."""
    mine = [one for one in kept() if one["task"] == task]
    if not mine:
        return
    st.subheader("Favourites", divider="gray")
    st.caption(
        "Click a name to change it. Tick rows and press the bin to remove them. Kept designs last until you "
        "close this tab."
    )
    version = st.session_state.get("favourites_version", 0)
    edited = st.data_editor(
        _table(task, mine),
        key=f"favourites-{task}-{len(mine)}-{version}",
        num_rows="delete",
        hide_index=True,
        disabled=[c for c in _table(task, mine).columns if c != "name"],
        column_config=_formats(task),
    )
    left = [mine[int(k)] | {"name": str(edited.loc[k, "name"])} for k in edited.index]
    if [one["name"] for one in left] != [one["name"] for one in mine]:
        st.session_state.favourites = [one for one in kept() if one["task"] != task] + left
        st.session_state.favourites_version = version + 1
        st.rerun()
    chart(draw(task, [(one["name"], one["x"]) for one in mine], dark, size), key="favourites-figure")


def _table(task: str, mine: list[dict[str, Any]]) -> pd.DataFrame:
    problem = TASKS[task]
    rows: dict[str, Any] = {"name": [one["name"] for one in mine]}
    for j, name in enumerate(y_names(problem)):
        rows[f"{name}*"] = [one["y_star"][j] for one in mine]
        rows[f"{name} by Ω"] = [one["y"][j] for one in mine]
    rows["off by"] = [one["off_by"] for one in mine]
    for j, name in enumerate(shown_names(problem)):
        rows[name] = [one["x"][j] for one in mine]
    rows["method"] = [one["method"] for one in mine]
    rows["sample"] = [one["sample"] for one in mine]
    return pd.DataFrame(rows)


def _formats(task: str) -> dict[str, Any]:
    problem = TASKS[task]
    config: dict[str, Any] = {"name": st.column_config.TextColumn(max_chars=40, pinned=True, required=True)}
    for name, label in zip(x_names(problem), problem.x_labels, strict=True):
        config[name] = st.column_config.NumberColumn(format="%.5f", help=label)
    for name in y_names(problem):
        config[f"{name} by Ω"] = st.column_config.NumberColumn(format="%.5f")
    return config | {"off by": st.column_config.NumberColumn(format="%.1e", help="distance |Ω(x) − y*|")}
