"""Figures on the page as they are: plain dicts, which tests have validated, so that nobody waits for that again.

Beneath a figure stands what it is drawn of, for those who cannot see it, and for spreadsheets.
"""

from __future__ import annotations

import functools
from typing import Any

import pandas as pd
import streamlit as st

from app.figures.theme import Dict
from ipage_core.runtime.files import spreadsheet_safe


def chart(figure: Dict, **options: Any) -> None:
    """``st.plotly_chart``, without Plotly's check of every number of every frame, which holds up everybody's page."""
    st.plotly_chart(_unchecked()(dressed(figure)), **options)


def numbers(frame: pd.DataFrame, name: str, key: str = "") -> None:
    """What a figure is drawn of, folded away: a table, and the same as ``name``.csv; ``key`` where names repeat."""
    formats = {column: st.column_config.NumberColumn(format="%.5g") for column in frame.select_dtypes("floating")}
    with st.expander("The figure as a table"):
        st.dataframe(frame, hide_index=True, height=240, column_config=formats)
        st.download_button(
            "Download CSV",
            functools.partial(spreadsheet_safe(frame).to_csv, index=False),
            file_name=f"{name}.csv",
            mime="text/csv",
            key=f"numbers-{key or name}",
            icon=":material/download:",
            on_click="ignore",
        )


def dressed(figure: Dict) -> Dict:
    """With Plotly's current template, which ``plotly.graph_objects.Figure`` would add, and arrays as bytes."""
    from _plotly_utils.utils import convert_to_base64

    figure = figure | {"layout": {"template": _template(), **figure["layout"]}}
    if not figure.get("frames"):
        figure.pop("frames", None)
    convert_to_base64(figure)
    return figure


@functools.cache
def _template() -> Dict:
    from plotly import io

    return io.templates[io.templates.default].to_plotly_json()


@functools.cache
def _unchecked() -> type:
    """A figure for Streamlit; made here, so that nothing of Plotly is imported before it is needed."""
    from plotly.basedatatypes import BaseFigure

    class Unchecked(BaseFigure):
        def __init__(self, figure: Dict) -> None:
            self.__dict__["figure"] = figure

        def to_dict(self) -> Dict:
            return self.__dict__["figure"]

    return Unchecked
