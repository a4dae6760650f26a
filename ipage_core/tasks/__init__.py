"""The shipped tasks, by name: ``TASKS``, loaded when it is first read. A new one is a module with a ``TASK``.

Loading is late because torch is: who wants one task's operator, or only the names, does not wait for it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipage_core.problem.task import Task

    TASKS: dict[str, Task]

MODULES = {
    "sinewave": "sinewave",
    "robotic_arm": "robotic_arm",
    "robotic_arm_kruse": "robotic_arm_kruse",
    "ballistics": "ballistics",
    "crystal": "crystal.task",
    "architecture": "cells.task",
}
"""Name → module in this folder."""


class _Tasks(ModuleType):
    """``ipage_core.tasks`` is a package, and calling it lists all tasks, those of users too: ``ipage_core.tasks()``."""

    def __call__(self) -> dict[str, Task]:
        return dict(import_module("ipage_core.registry").tasks())  # a step up, taken only when it is called


sys.modules[__name__].__class__ = _Tasks


def __getattr__(name: str) -> dict[str, Task]:
    if name != "TASKS":
        raise AttributeError(f"module {__name__} has no attribute {name}")
    globals()["TASKS"] = tasks = {
        task: import_module(f"ipage_core.tasks.{module}").TASK for task, module in MODULES.items()
    }
    return tasks
