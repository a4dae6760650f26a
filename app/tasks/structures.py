"""Crystal structures to take away: a button for each format, a ZIP with a file for each cell."""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from app.components.share import zipped
from ipage_core.problem.task import Task
from ipage_core.tasks.export import files

FORMATS = {"cif": "CIF", "poscar": "POSCAR", "extxyz": "extxyz"}


def ask(task: Task | str, frame: pd.DataFrame, which: str, name: str) -> None:
    """The buttons for the cells in ``frame``, which the labels call ``which``; files are ``name``-cif.zip and so on."""
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
    """A ZIP with a file a cell, ids as in the CSV."""
    return zipped(files(task, form, frame))
