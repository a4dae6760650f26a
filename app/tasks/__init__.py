"""Task-specific parts of the pages: figures and panel, one folder per task.

``figure.py`` draws: arrays in, Plotly out, no Streamlit. ``panel.py`` holds ``PANEL``, an instance of a subclass of
:class:`app.tasks.panel.TaskPanel`, which overrides what is special about the task on a page. A task without a folder
here gets the ``TaskPanel`` itself; nothing else in the app refers to a task by its name.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ipage_core.tasks import TASKS

if TYPE_CHECKING:
    from app.tasks.panel import TaskPanel

FOLDERS = {
    "sinewave": "sinewave",
    "robotic_arm": "robotic_arm",
    "robotic_arm_kruse": "robotic_arm",
    "ballistics": "ballistics",
    "architecture": "cells",
    "crystal": "crystal",
    "silicon": "silicon",
}
"""Name of a task → its folder here."""


def panel_of(task: str) -> TaskPanel:
    """The task's panel; imported on request, because it may import much."""
    where = ""
    if task in TASKS and TASKS[task].models_folder is not None:
        where = "table." if TASKS[task].data_folder is not None else "problem."
    where = f"{FOLDERS[task]}." if task in FOLDERS else where
    result: TaskPanel = import_module(f"app.tasks.{where}panel").PANEL
    return result
