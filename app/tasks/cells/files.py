"""Cells as files to print, cut or show: one of them, or all in an archive."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from app.components.share import zipped
from app.figures.run import Run
from ipage_core.tasks.cells.export import FORMATS, Layout, files
from ipage_core.tasks.cells.task import TASK


def show_files(run: Run, sample: int | None) -> None:
    """PNG, SVG, DXF and STL of the chosen design, or of all in one archive."""
    st.subheader("Files to print, cut or show", divider="gray")
    if not np.isin(run.x[-1], (0, 1)).all():
        st.info(
            "These cells are grey as the posterior draws them. Choose a method that localizes: its cells are black and "
            "white.",
            icon=":material/info:",
        )
        return
    places = st.columns(5, vertical_alignment="bottom")
    across = places[0].number_input("Cells across", 1, 20, 3, key="tiles_x")
    up = places[1].number_input("Cells up", 1, 20, 3, key="tiles_y")
    cell_mm = places[2].number_input("Cell [mm]", 0.01, 1000.0, 10.0, key="cell_mm")
    thick = places[3].number_input(
        "Thickness [mm]", 0.01, 1000.0, 5.0, key="thick_mm", help="Height of the STL and the 3MF."
    )
    contacts = places[4].selectbox(
        "Corner contacts",
        ["join", "separate"],
        key="contacts",
        help="What becomes of two solid pixels that meet at a corner only. Localized cells have none.",
    )
    layout = Layout((int(across), int(up)), float(cell_mm), float(thick), contacts)
    form = st.segmented_control(
        "Format", list(FORMATS), default="stl", required=True, format_func=str.upper, key="form", width="content"
    )
    left, right = st.columns(2)
    one = None if sample is None else sample
    left.download_button(
        f"Download sample {one} as {form.upper()}" if one is not None else "Choose a sample to download it alone",
        partial(one_file, run, one, form, layout) if one is not None else b"",
        file_name=f"cell-{one}.{form}",
        icon=":material/download:",
        on_click="ignore",
        width="stretch",
        disabled=one is None,
        key="file-one",
    )
    right.download_button(
        f"Download all {run.n} as {form.upper()} in a ZIP",
        partial(archive, run, form, layout),
        file_name=f"architecture_{form}.zip",
        mime="application/zip",
        icon=":material/folder_zip:",
        on_click="ignore",
        width="stretch",
        key="file-all",
    )
    st.caption(
        "The number in a file's name is the sample of the table and of the CSV. STL and 3MF are in millimetres; the "
        "3MF also holds that unit, the material and the cell's properties."
    )


def rows(run: Run, samples: list[int]) -> pd.DataFrame:
    """The result's ``samples`` as the exports read them."""
    cells = pd.DataFrame(run.x[-1, samples].round(), columns=[f"x{j + 1}" for j in range(TASK.d)])
    return pd.concat((pd.DataFrame({"sample": samples}), cells), axis=1)


def one_file(run: Run, sample: int, form: str, layout: Layout) -> bytes:
    return next(iter(files(rows(run, [sample]), form, layout).values()))


def archive(run: Run, form: str, layout: Layout) -> bytes:
    return zipped(files(rows(run, list(range(run.n))), form, layout))
