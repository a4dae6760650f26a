"""Creating and removing the tasks of own tables, with their trainings."""

from __future__ import annotations

import shutil
from typing import Any

import pandas as pd
import streamlit as st

from app.tasks import panel_of
from app.tasks.table.columns import kinds_of_x
from app.workers import trainings
from ipage_core import registry as home
from ipage_core.inference.methods import METHODS
from ipage_core.problem.task import Task
from ipage_core.tasks.table import own_data


def make(
    frame: pd.DataFrame,
    x: list[str],
    y: list[str],
    edited: pd.DataFrame,
    source: str,
    title: str,
    settings: dict[str, Any],
    decimal: str | None,
) -> None:
    """Create the task and queue its training."""
    folder = home.home() / "tasks" / own_data.slug(title)
    rows = edited.to_dict("records")
    called = {r["column"]: str(r["called"] or r["column"]).strip() for r in rows}
    bounds = {
        called[r["column"]]: (float(r["low"]), float(r["high"]))
        for r in rows
        if r["as"] == "x" and r["kind"] != "category" and pd.notna(r["low"]) and pd.notna(r["high"])
    }
    units = {called[r["column"]]: str(r["unit"] or "") for r in rows}
    frame = frame[[*x, *y]].rename(columns=called)
    x, y = [called[name] for name in x], [called[name] for name in y]
    try:
        if len(set(called.values())) < len(called):
            raise ValueError("Two columns have the same name; accepted: different names")
        if (folder / own_data.CARD).exists():
            raise ValueError(f"Data named '{title}' exist already: choose another name")
        task = own_data.create(
            folder,
            frame,
            x,
            y,
            source=source,
            title=title,
            units=units,
            bounds=bounds,
            kinds=kinds_of_x(rows, called),
            decimal=decimal,
        )
        models = list(METHODS[task.default_method].trained)
        trainings.add(title, task.name, task.default_method, models, folder, data=folder, **settings)
    except (ValueError, OSError) as error:
        st.session_state.own_said = str(error)
        return
    st.session_state.own_made = task.name
    st.session_state.own_upload = st.session_state.get("own_upload", 0) + 1


def remove(task: Task) -> None:
    """Delete its folder and take its trainings off the list."""
    for training in trainings.trainings():
        if training.task == task.name:
            trainings.remove(training.number)
    folder = panel_of(task.name).data(task)
    if folder is not None and folder.parent == (home.home() / "tasks").resolve():
        shutil.rmtree(folder)
