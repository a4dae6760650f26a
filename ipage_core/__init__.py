"""Inverse design: find every design x that has a target property, Ω(x) = y*.

>>> import ipage_core as ipage
>>> designs = ipage.design("sinewave", target=1.2, n=10)
>>> int(designs.verification.hit.sum())
10
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ipage_core.runtime.catalog import REFRESHERS
from ipage_core.runtime.lazy import late

if TYPE_CHECKING:
    from ipage_core.api import Model, Solutions, design, load, read_table, tasks, train
    from ipage_core.problem.goal import Goal
    from ipage_core.problem.request import DesignRequest
    from ipage_core.problem.target import Target
    from ipage_core.problem.task import Property, Task, Variable

REFRESHERS.append(late("ipage_core.registry:refresh"))
_HOME = {
    "api": ("Model", "design", "load", "read_table", "tasks", "train"),
    "inference.solutions": ("Solutions",),
    "problem.request": ("DesignRequest",),
    "problem.target": ("Goal", "Target"),
    "problem.task": ("Property", "Task", "Variable"),
}
__all__ = [
    "DesignRequest",
    "Goal",
    "Model",
    "Property",
    "Solutions",
    "Target",
    "Task",
    "Variable",
    "design",
    "load",
    "read_table",
    "tasks",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import a name when it is first used, so that ``import ipage_core`` stays fast."""
    if name == "__version__":
        from importlib.metadata import version

        return version("ipage-explorer")
    for module, names in _HOME.items():
        if name in names:
            return getattr(import_module(f"ipage_core.{module}"), name)
    raise AttributeError(f"module 'ipage_core' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
