"""Reading an uploaded table: settings that correct wrong guesses, markers of missing values, a summary of columns."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from ipage_core.tasks.table import reader as tables

KINDS = {
    "real": "numbers",
    "integer": "whole numbers",
    "boolean": "yes or no",
    "category": "category",
    "date": "dates",
    "text": "text",
    "empty": "nothing",
}
SEPARATORS = {",": "comma", ";": "semicolon", "tab": "tab", "blank": "blank", "|": "bar |"}
DECIMALS = {".": "point 3.98", ",": "comma 3,98"}
LARGE = 20 * 2**20
"""Bytes from which on the server drops an upload that it cannot read. Otherwise Streamlit holds it until two
minutes after the tab is closed, and a class could fill the memory with refused files."""
ENCODINGS = ["utf-8", "cp1252", "utf-16", "mac_roman", "cp850", "cp1250", "cp1251", "shift_jis", "gb18030"]


@st.cache_data(max_entries=4, show_spinner="Reading …")
def read(files: list[tuple[str, bytes]], settings: tables.Settings) -> tuple[tables.Table | None, str]:
    """The table, or an error message."""
    try:
        return tables.read_table(files, settings), ""
    except ValueError as error:
        return None, str(error)


def drop_large(uploads: list[UploadedFile], wrong: str) -> None:
    """Drop refused uploads from the server's memory if they are large: the page starts anew, with a message."""
    context, large = get_script_run_ctx(), [upload for upload in uploads if upload.size > LARGE]
    if context is None or not large:
        return
    for upload in large:
        context.uploaded_file_mgr.remove_file(context.session_id, upload.file_id)
    names = " and ".join(upload.name for upload in large)
    st.session_state.own_refused = f"{wrong}. The server has dropped {names}."
    st.session_state.own_upload = st.session_state.get("own_upload", 0) + 1  # a new widget: the old one holds a copy
    st.rerun()


def ask_settings(mark: str) -> tables.Settings:
    """Settings for reading the file, to correct wrong guesses."""
    with st.expander("How the file is read: correct wrong guesses"):
        places = st.columns(5)
        separator = places[0].selectbox(
            "Separator", ["guess", *SEPARATORS], format_func=lambda s: SEPARATORS.get(s, s), key=f"own-separator-{mark}"
        )
        decimal = places[1].selectbox(
            "Decimal mark", ["guess", *DECIMALS], format_func=lambda s: DECIMALS.get(s, s), key=f"own-decimal-{mark}"
        )
        missing = places[2].text_input(
            "Also missing",
            key=f"own-missing-{mark}",
            help="Markers of missing values, separated by blanks: -999 n.b.",
        )
        encoding = places[3].selectbox("Encoding", ["guess", *ENCODINGS], key=f"own-encoding-{mark}")
        sheet = places[4].text_input(
            "Sheet", key=f"own-sheet-{mark}", placeholder="first one", help="Name of the sheet of an Excel file."
        )
    return tables.Settings(
        separator=None if separator == "guess" else separator,
        decimal=None if decimal == "guess" else decimal,
        missing=tuple(missing.split()),
        encoding=None if encoding == "guess" else encoding,
        sheet=sheet.strip() or None,
    )


def offer_missing(table: tables.Table, names: list[str], mark: str) -> None:
    """A button that drops rows with a probable marker of missing values."""
    markers = {f"{c.sentinel:.12g}" for name in names if (c := table.columns[name]).sentinel is not None}
    for value in sorted(markers):
        st.button(
            f"Leave out rows with {value}",
            key=f"own-leave-{value}-{mark}",
            icon=":material/filter_alt_off:",
            on_click=_add_missing,
            args=(value, f"own-missing-{mark}"),
        )


def _add_missing(value: str, key: str) -> None:
    st.session_state[key] = " ".join([*str(st.session_state.get(key, "")).split(), value])


def summary(table: tables.Table) -> pd.DataFrame:
    """One row per column of the table."""
    return pd.DataFrame(
        [
            {
                "column": c.name,
                "kind": KINDS[c.kind],
                "unit": c.unit,
                "missing": c.missing,
                "distinct": c.distinct,
                "lowest": c.low,
                "highest": c.high,
                "most frequent value": f"{100 * c.share:.0f} % are {c.spike:g}" if c.spike is not None else "",
            }
            for c in table.columns.values()
        ]
    )
