"""Charts from plain dicts, without Plotly's validation: the tests have validated them already, which saves time here.

Below a figure stands the table of its data, for screen readers and spreadsheets.
"""

from __future__ import annotations

import functools
from typing import Any

import pandas as pd
import streamlit as st

from app.figures.theme import Dict
from ipage_core.runtime.files import spreadsheet_safe


def chart(figure: Dict, **options: Any) -> None:
    """``st.plotly_chart`` without Plotly's validation of every number in every frame, which delays every visitor."""
    st.plotly_chart(_unchecked()(dressed(figure)), **options)


def numbers(frame: pd.DataFrame, name: str, key: str = "") -> None:
    """The data of a figure in a folded table, with a download as ``name``.csv; set ``key`` where names repeat."""
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
    """Add Plotly's current template, as ``plotly.graph_objects.Figure`` would, and encode arrays as bytes."""
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
    """A figure for Streamlit; its class is created here so that Plotly is imported only when needed."""
    from plotly.basedatatypes import BaseFigure

    class Unchecked(BaseFigure):
        def __init__(self, figure: Dict) -> None:
            self.__dict__["figure"] = figure

        def to_dict(self) -> Dict:
            return self.__dict__["figure"]

    return Unchecked
