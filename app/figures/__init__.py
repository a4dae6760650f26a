"""Pure functions: data → a plotly figure as a plain dict.

A family of tasks has one file here, and nothing else of the app knows about it. It draws

- ``picture(scene, run, box, colors, size)``: the designs where one sees what they do, in one panel;
- ``figure(run, dark, size, chosen)``: that panel, animated, with the panels beside it.

All other figures (posterior, pair plot, latent designs, comparisons, the inspector's) take any task with any number of
coordinates and targets. A task without a file of its own gets ``generic``.
"""

from importlib import import_module
from types import ModuleType

FAMILIES = {
    "sinewave": "sinewave",
    "robotic_arm": "robotic_arm",
    "robotic_arm_kruse": "robotic_arm",
    "ballistics": "ballistics",
    "architecture": "architecture",
    "crystal": "crystal",
}


def family(task: str) -> ModuleType:
    """The module that draws a task; ``generic`` for one without its own picture."""
    return import_module(f"app.figures.{FAMILIES.get(task, 'generic')}")


def hidden(task: str) -> tuple[str, ...]:
    """Views that say nothing of this task's designs, so are not offered."""
    return getattr(family(task), "HIDDEN", ())
