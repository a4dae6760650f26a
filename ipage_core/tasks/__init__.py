"""The tasks by name. ``TASKS`` holds the shipped tasks; the registry adds those of packages and users.

To ship a new task, write a module with a ``TASK`` and add a line to ``MODULES``.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from ipage_core.runtime.catalog import REFRESHERS, Catalog

if TYPE_CHECKING:
    from ipage_core.problem.task import Task

MODULES = {
    "sinewave": "sinewave",
    "robotic_arm": "robotic_arm",
    "robotic_arm_kruse": "robotic_arm_kruse",
    "ballistics": "ballistics",
    "crystal": "crystal.task",
    "silicon": "silicon.task",
    "architecture": "cells.task",
}
"""Name → module in this folder."""


def _shipped() -> dict[str, Task]:
    return {task: import_module(f"ipage_core.tasks.{module}").TASK for task, module in MODULES.items()}


TASKS: Catalog[Task] = Catalog(_shipped, ("packages", "files", "problems", "tables", "named"))
"""Read-only; only :mod:`ipage_core.registry` adds to it. The first access imports the modules of the tasks."""


class _Tasks(ModuleType):
    """Makes the package callable: ``ipage_core.tasks()`` lists all tasks, including those of users."""

    def __call__(self) -> dict[str, Task]:
        for refresh in REFRESHERS:
            refresh()
        return dict(TASKS)


sys.modules[__name__].__class__ = _Tasks
