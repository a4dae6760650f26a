"""Export of cells for print, cutting or display: one file, or all in an archive."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from app.components.share import zipped
from app.figures.run import Run
from ipage_core.tasks.cells.export import FORMATS, Layout, files
from ipage_core.tasks.cells.material import Material
from ipage_core.tasks.cells.task import SIDE


def show_files(run: Run, sample: int | None) -> None:
    """Files of the chosen design of a run, or of all designs in one archive."""
    st.subheader("Files to print, cut or show", divider="gray")
    if not np.isin(run.x[-1], (0, 1)).all():
        st.info(
            "These cells are grey as the posterior draws them. Choose a method that localizes: its cells are black and "
            "white.",
            icon=":material/info:",
        )
        return
    ask_files(cells_of(run), sample)


def cells_of(run: Run) -> np.ndarray:
    """The final cells of a run. → (n, 32, 32)."""
    return run.x[-1].round().reshape(run.n, SIDE, SIDE)


def ask_files(cells: np.ndarray, sample: int | None, key: str = "", width_mm: float = 10.0) -> None:
    """Layout, material and format for cells (n, side, side); ``key`` distinguishes the widgets of two pages.

    ``width_mm``: width of a cell until another one is typed.
    """
    places = st.columns(4, vertical_alignment="bottom")
    across = places[0].number_input("Cells across", 1, 20, 3, key=f"{key}tiles_x")
    up = places[1].number_input("Cells up", 1, 20, 3, key=f"{key}tiles_y")
    cell_mm = places[2].number_input("Cell [mm]", 0.01, 1000.0, width_mm, key=f"{key}cell_mm-{width_mm:g}")
    thick = places[3].number_input(
        "Thickness [mm]", 0.01, 1000.0, 5.0, key=f"{key}thick_mm", help="Height of the STL and the 3MF."
    )
    places = st.columns([1.2, 1, 1.2], vertical_alignment="bottom")
    name = places[0].text_input("Material", "solid", max_chars=40, key=f"{key}material")
    young = places[1].number_input(
        "Its E_s [GPa]",
        min_value=0.0001,
        max_value=2000.0,
        value=None,
        key=f"{key}young",
        placeholder="relative",
        help="Young's modulus of the solid. With it the files state moduli in GPa, else in units of E_s.",
    )
    contacts = places[2].selectbox(
        "Corner contacts",
        ["join", "separate"],
        key=f"{key}contacts",
        help="How to treat two solid pixels that touch only at a corner. Localized cells have none.",
    )
    layout = Layout((int(across), int(up)), float(cell_mm), float(thick), contacts)
    material = Material(name.strip() or "solid", young)
    form = st.segmented_control(
        "Format",
        list(FORMATS),
        default="stl",
        required=True,
        format_func=str.upper,
        key=f"{key}form",
        width="content",
    )
    left, right = st.columns(2)
    left.download_button(
        f"Download sample {sample} as {form.upper()}" if sample is not None else "Choose a sample to download it alone",
        partial(one_file, cells, sample, form, layout, material) if sample is not None else b"",
        file_name=f"cell-{sample}.{form}",
        icon=":material/download:",
        on_click="ignore",
        width="stretch",
        disabled=sample is None,
        key=f"{key}file-one",
    )
    right.download_button(
        f"Download all {len(cells)} as {form.upper()} in a ZIP",
        partial(archive, cells, form, layout, material),
        file_name=f"architecture_{form}.zip",
        mime="application/zip",
        icon=":material/folder_zip:",
        on_click="ignore",
        width="stretch",
        key=f"{key}file-all",
    )
    st.caption(
        "The number in a file's name is the sample of the table and of the CSV. STL, 3MF, DXF and SVG are in "
        "millimetres. Each file names its unit and the material with its E_s; all but the STL, which has no room for "
        "it, also hold the cell's properties and its thinnest wall. The sheet begins at the pixel where its outer edge "
        "cuts off least."
    )


def rows(cells: np.ndarray, samples: list[int]) -> pd.DataFrame:
    """The ``samples`` of cells (n, side, side) as rows for the exports."""
    flat = cells.reshape(len(cells), -1)[samples]
    pixels = pd.DataFrame(flat, columns=[f"x{j + 1}" for j in range(flat.shape[1])])
    return pd.concat((pd.DataFrame({"sample": samples}), pixels), axis=1)


def one_file(cells: np.ndarray, sample: int, form: str, layout: Layout, material: Material | None = None) -> bytes:
    """One cell's file."""
    return next(iter(files(rows(cells, [sample]), form, layout, material).values()))


def archive(cells: np.ndarray, form: str, layout: Layout, material: Material | None = None) -> bytes:
    """All cells' files in a ZIP."""
    return zipped(files(rows(cells, list(range(len(cells)))), form, layout, material))
