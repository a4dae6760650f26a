"""Downloads of crystal structures: one button per format, a ZIP with one file per cell."""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from app.components.share import zipped
from ipage_core.problem.task import Task
from ipage_core.tasks.export import files

FORMATS = {"cif": "CIF", "poscar": "POSCAR", "extxyz": "extxyz"}


def ask(task: Task | str, frame: pd.DataFrame, which: str, name: str) -> None:
    """The buttons for the cells in ``frame``, called ``which`` in the labels; files are ``name``-cif.zip and so on."""
    for place, (form, label) in zip(st.columns(3), FORMATS.items(), strict=True):
        place.download_button(
            f"{label}, {which}",
            partial(archive, task, frame, form),
            file_name=f"{name}-{form}.zip",
            mime="application/zip",
            key=f"export-{form}",
            icon=":material/folder_zip:",
            on_click="ignore",
            width="stretch",
        )


def archive(task: Task | str, frame: pd.DataFrame, form: str) -> bytes:
    """A ZIP with one file per cell, ids as in the CSV."""
    return zipped(files(task, form, frame))
