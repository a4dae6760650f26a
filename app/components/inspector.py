"""The table of designs and the details of one design."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from app.components import favourites
from app.components.choice import chosen_sample, picked
from app.components.tables import BADGES, MOST_COLUMNS, badges, columns, table, unit_of, x_names, y_names
from app.components.words import cards, sample_figures
from app.figures.run import Run
from app.state.inspection import Inspection, inspect
from ipage_core.problem.request import DesignRequest
from ipage_core.tasks import TASKS

HEIGHT = 480
"""Height of the table of designs in pixels: about that of the panel beside it."""


def show_table(run: Run) -> None:
    """Every design; clicking a row chooses it."""
    shown = table(run)
    st.dataframe(
        shown,
        hide_index=True,
        height=HEIGHT,
        column_config=columns(run, list(shown.columns)),
        key="designs",
        on_select=lambda: picked("designs"),
        selection_mode="single-row",
    )


def show_sample(request: DesignRequest, run: Run) -> None:
    """Details of the chosen sample."""
    sample = chosen_sample(run)
    if sample is None:
        st.subheader("One design closely", divider="gray")
        st.caption("Click a row of the table, or a point of the figure: the design opens here.")
        return
    seen = inspect(run, sample)
    st.subheader(f"Sample {sample}", divider="gray")
    worn = badges(run)[sample]
    left, right = st.columns([2.2, 1], vertical_alignment="bottom")
    left.markdown(" ".join(f":{color}-badge[{name}]" for name, color in BADGES.items() if name in worn))
    with right:
        favourites.ask_to_keep(request, run, sample)
    st.html(cards(sample_figures(run, sample, seen)))
    show_details(run, sample, seen)


def show_details(run: Run, sample: int, seen: Inspection) -> None:
    """The path of a sample, and the training pairs nearest to it."""
    steps, near = st.tabs(["Step by step", "Nearest training pairs"])
    with steps:
        path = "This sample's path, from the proposal to the result."
        watches = "; Ω only checks it" if TASKS[run.task].omega else ""
        st.caption(f"{path} Localization reduces the error by the surrogate f{watches}.")
        st.dataframe(trace(run, sample, seen), hide_index=True, column_config=formats(run))
    with near:
        st.caption("The training pairs nearest to this sample. Distances are in box widths.")
        st.dataframe(neighbours(run, seen), hide_index=True, column_config=formats(run))


def trace(run: Run, sample: int, seen: Inspection) -> pd.DataFrame:
    """One row per frame: the design, its properties by f and by Ω, and their distance from y*."""
    task = TASKS[run.task]
    rows = {"": list(run.labels)}
    rows |= dict(list(zip(x_names(task), run.x[:, sample].T.astype(float), strict=True))[:MOST_COLUMNS])
    if seen.f is not None:
        rows |= {f"f: {name}": column for name, column in zip(y_names(task), seen.f.T, strict=True)}
        rows["‖f(x) − y*‖²"] = np.square(seen.f - run.aims[sample]).sum(1)
    if run.y is not None:
        rows |= {f"Ω: {name}": column for name, column in zip(y_names(task), run.y[:, sample].T, strict=True)}
        rows["‖Ω(x) − y*‖²"] = run.omega_error[:, sample]
    return pd.DataFrame(rows)


def neighbours(run: Run, seen: Inspection) -> pd.DataFrame:
    """One row per training pair, the nearest first."""
    task = TASKS[run.task]
    rows = {"distance": seen.near_distance}
    by = "Ω" if task.omega else "measured"
    rows |= {f"{by}: {name}": column for name, column in zip(y_names(task), seen.near_y.T, strict=True)}
    rows |= dict(list(zip(x_names(task), seen.near_x.T, strict=True))[:MOST_COLUMNS])
    return pd.DataFrame(rows)


def formats(run: Run) -> dict:
    task = TASKS[run.task]
    config = {
        name: st.column_config.NumberColumn(f"{name}{unit_of(label)}", format="%.5f", help=label)
        for name, label in zip(x_names(task), task.x_labels, strict=True)
    }
    for name, label in zip(y_names(task), task.property_labels, strict=False):
        config[f"f: {name}"] = st.column_config.NumberColumn(
            f"f: {name}{unit_of(label)}", format="%.5f", help=f"{label}, by the surrogate"
        )
        config[f"Ω: {name}"] = st.column_config.NumberColumn(
            f"Ω: {name}{unit_of(label)}", format="%.5f", help=f"{label}, by the true Ω"
        )
    for name in ("‖f(x) − y*‖²", "‖Ω(x) − y*‖²", "distance"):
        config[name] = st.column_config.NumberColumn(format="%.3g")
    return config
