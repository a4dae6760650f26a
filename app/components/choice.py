"""The one sample that the page shows in detail: chosen by a click on a point, by a table row, or by its number."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.figures.run import Run

KEY = "sample"
CONFIG = {"displayModeBar": "hover", "modeBarButtonsToRemove": ["zoomIn2d", "zoomOut2d", "autoScale2d", "pan2d"]}
"""Options of Plotly's toolbar: only the useful buttons."""


def ask_sample(run: Run) -> None:
    """Input for the sample's number, kept in the address."""
    st.number_input(
        "Go to sample no.",
        min_value=0,
        value=None,
        step=1,
        placeholder="Go to sample no.",
        label_visibility="collapsed",
        key=KEY,
        bind="query-params",
        help=f"0 to {run.n - 1}. Or click a point of the figure, or a row of the table.",
    )
    if (st.session_state.get(KEY) or 0) >= run.n:
        st.caption(f"The samples run from 0 to {run.n - 1}.")


def chosen_sample(run: Run) -> int | None:
    """The chosen sample, if this run has it."""
    sample = st.session_state.get(KEY)
    return int(sample) if sample is not None and 0 <= sample < run.n else None


def ask_plane(labels: list[str], usual: tuple[int, int], places: list[Any]) -> tuple[int, int]:
    """Choose the two coordinates to draw, across and up; kept in the address and shared by all views."""
    first = labels.index(places[0].selectbox("Across", labels, usual[0], key="across", bind="query-params"))
    second = labels.index(places[1].selectbox("Up", labels, usual[1], key="up", bind="query-params"))
    if first == second:
        st.info("Choose two different coordinates.", icon=":material/info:")
    return first, second


def clicked(chart: str) -> None:
    """Callback of a figure: each point carries its sample's id."""
    for point in st.session_state[chart].selection.points:
        data = point.get("customdata")
        data = data[0] if isinstance(data, list | tuple) else data
        if data is not None:
            st.session_state[KEY] = int(data)
            return


def picked(table: str, samples: list[int] | None = None) -> None:
    """Callback of the table; ``samples``: the ids of its rows, by default 0, 1, …"""
    rows = st.session_state[table].selection.rows
    if rows:
        st.session_state[KEY] = int(rows[0] if samples is None else samples[rows[0]])
