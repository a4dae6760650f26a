"""Pure functions: data → a plotly figure as a plain dict. One file for each family of tasks."""

from importlib import import_module
from types import ModuleType

FAMILIES = {
    "sinewave": "sinewave",
    "robotic_arm": "robotic_arm",
    "robotic_arm_kruse": "robotic_arm",
    "ballistics": "ballistics",
}


def family(task: str) -> ModuleType:
    """The module whose ``figure(run, dark, size)`` draws a task; ``generic`` for one without its own picture."""
    return import_module(f"app.figures.{FAMILIES.get(task, 'generic')}")
