"""How each task looks: its own figure, and its own part of a page.

A task's figure module has

- ``picture(scene, run, box, colors, size)``: the designs where one sees what they do, in one panel;
- ``figure(run, dark, size, chosen)``: that panel, animated, with the panels beside it.

A task without a figure of its own gets :mod:`app.figures.generic`.
"""

from importlib import import_module
from types import ModuleType

from ipage_core.tasks import TASKS

FIGURES = {
    "sinewave": "app.tasks.sinewave",
    "robotic_arm": "app.tasks.robotic_arm",
    "robotic_arm_kruse": "app.tasks.robotic_arm",
    "ballistics": "app.tasks.ballistics",
    "architecture": "app.tasks.cells.figure",
    "crystal": "app.tasks.crystal.figure",
}
PANELS = {"architecture": "app.tasks.cells.panel", "crystal": "app.tasks.crystal.panel"}
"""Tasks with a closer look, constraints and files of their own."""


def family(task: str) -> ModuleType:
    """The module that draws a task; ``generic`` for one without its own picture."""
    return import_module(FIGURES.get(task, "app.figures.generic"))


def hidden(task: str) -> tuple[str, ...]:
    """Views that say nothing of this task's designs, so are not offered."""
    return getattr(family(task), "HIDDEN", ())


def own(task: str) -> ModuleType | None:
    """The module that looks closely at this task's designs; loaded when asked for, for it may bring much along."""
    if TASKS[task].folder is not None:
        return import_module("app.tasks.table.panel")
    return import_module(PANELS[task]) if task in PANELS else None
