"""Class: what every visitor of this classroom has chosen and found, live."""

from __future__ import annotations

import time

import pandas as pd
import streamlit as st

from app.components.chart import chart
from app.components.look import is_dark
from app.components.words import method_name
from app.figures.class_overview import figure
from app.state.class_board import board

EVERY = 3
"""Seconds between updates."""

st.markdown("#### The class")
st.caption(
    f"The latest result of each visitor, updated every {EVERY} seconds. Visitors have numbers, not names; each finds "
    "their own number at the end of the sidebar of Explore (on a phone, *Settings and pages* opens it). Nothing is "
    "kept when the server ends."
)


@st.fragment(run_every=EVERY)
def live() -> None:
    """The table, and the results by sampling."""
    rows = board().table(time.time())
    if rows.empty:
        st.info("No result yet. Results appear here as soon as somebody opens Explore.", icon=":material/school:")
        return
    st.markdown(summary(rows))
    loops = rows[rows["loops"].notna()]
    if len(loops):
        chart(figure(loops, is_dark()), key="class-loops", config={"displayModeBar": False})
        st.caption(
            "Each dot is a visitor: the number of designs and of loops found, by sampling. Equal results lie side by "
            "side. A visitor whose target has no numbered loops has no dot, and – in the column loops."
        )
    st.dataframe(
        shown(rows),
        hide_index=True,
        placeholder="–",
        column_config={"best guess, off by": st.column_config.NumberColumn(format="%.3g")},
    )


def shown(rows: pd.DataFrame) -> pd.DataFrame:
    """The table as it is read: names of methods, and loops with the number that there are."""
    found = rows["loops"].astype("string") + " of " + rows["loops of"].astype("string")
    return rows.assign(method=rows["method"].map(method_name), loops=found).drop(columns="loops of")


def summary(rows: pd.DataFrame) -> str:
    """The class in one sentence."""
    people = "1 visitor" if len(rows) == 1 else f"{len(rows)} visitors"
    tasks = ", ".join(f"{name} {count}" for name, count in rows["task"].value_counts().items())
    samplings = ", ".join(f"{name} {count}" for name, count in rows["sampling"].value_counts().items())
    return f"**{people}**. Tasks: {tasks}. Samplings: {samplings}."


live()
