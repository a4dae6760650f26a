"""The tasks by name: ``TASKS`` holds those that ship and, once the registry has looked, those of packages and users.

A new one that ships is a module with a ``TASK`` and a line in ``MODULES``.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from ipage_core.runtime.catalog import Catalog

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


TASKS: Catalog[Task] = Catalog(_shipped)
"""Read-only; only :mod:`ipage_core.registry` adds to it. The modules of the tasks are loaded when it is first read."""


class _Tasks(ModuleType):
    """``ipage_core.tasks`` is a package, and calling it lists all tasks, those of users too: ``ipage_core.tasks()``."""

    def __call__(self) -> dict[str, Task]:
        return dict(import_module("ipage_core.registry").tasks())  # a step up, taken only when it is called


sys.modules[__name__].__class__ = _Tasks
