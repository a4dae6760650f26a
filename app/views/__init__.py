"""What the page is made of: one function a view, (settings, run) → widgets and figures."""

from importlib import import_module
from types import ModuleType

from ipage_core.tasks import TASKS

OWN = {"architecture": "cells", "crystal": "crystal"}
"""Tasks with a closer look, constraints and files of their own."""


def own(task: str) -> ModuleType | None:
    """The module that looks closely at this task's designs; loaded when asked for, for it may bring much along."""
    if TASKS[task].folder is not None:
        return import_module("app.views.own_task")
    return import_module(f"app.views.{OWN[task]}") if task in OWN else None
