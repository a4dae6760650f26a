"""Columns that cells and their goals determine: ``design`` writes them, ``verify`` computes them again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ipage_core.tasks.cells.features import smallest_features
from ipage_core.tasks.cells.goals import Goal, Goals, interval
from ipage_core.tasks.cells.mesh import Mesh, stiffness
from ipage_core.tasks.cells.properties import TABLE, values
from ipage_core.tasks.cells.starts import mean_and_sd

Array = NDArray[np.float64]
AND = " & "
"""Between the goals in the column ``goals``; commas and semicolons could be taken for a table's separator."""


def z_score(name: str, value: Any) -> Any:
    """Z-score of a property: (value − mean)/SD over the paper's cells; for E_x it is the paper's y."""
    mean, sd = mean_and_sd(name)
    return (value - mean) / sd


def squared_errors(goals: Sequence[Goal], achieved: Array) -> Array:
    """Squared distance from the accepted range, summed over the goals with a number, in their units. (n, k) → (n,)."""
    closed = np.array([not goal.open for goal in goals])
    aims = Goals.of(goals)
    off = achieved[:, closed] - (aims.aim - aims.side * aims.tolerance)
    off = np.where(aims.side > 0, np.minimum(off, 0), np.where(aims.side < 0, np.maximum(off, 0), off))
    return np.asarray((off**2).sum(1))


def columns(goals: Sequence[Goal], cells: ArrayLike, c: Array, mesh: Mesh) -> dict[str, Any]:
    """Columns that the cells, their stiffness and the goals determine.

    Args:
        goals: k goals.
        cells: (n, side, side).
        c: (n, 3, 3), the stiffness at the mesh.
        mesh: the mesh that judges.
    """
    cells = np.asarray(cells, dtype=bool)
    volume, names = cells.mean((1, 2)), [goal.name for goal in goals]
    achieved, every = values(names, c, volume), values(list(TABLE), c, volume)
    closed = np.array([not goal.open for goal in goals])
    result: dict[str, Any] = {f"y{j + 1}": column for j, column in enumerate(achieved.T)}
    misfit = np.abs(Goals.of(goals).residual(achieved[:, closed])).max(1)
    result |= {"resim_error": squared_errors(goals, achieved), "hit": misfit <= 1} | dict(
        zip(TABLE, every.T, strict=True)
    )
    result |= {f"z_{name}": z_score(name, column) for name, column in zip(names, achieved.T, strict=True)}
    result |= {} if "z_E_x" in result else {"z_E_x": z_score("E_x", result["E_x"])}
    if mesh == "converged":  # the values on the pixel mesh, for comparison
        coarse = values(names, stiffness(cells, "pixel"), volume)
        result |= {f"{name} on pixels": column for name, column in zip(names, coarse.T, strict=True)}
    solid, void = np.array([smallest_features(cell) for cell in cells]).T
    result |= {"solid_feature": solid, "void_feature": void, "misfit": misfit}
    return result | {"goals": written(goals), "mesh": mesh}


def written(goals: Sequence[Goal]) -> str:
    """The goals as text from which the same goals can be read: an interval stays one, as its ends have own tolerances.

    >>> written(interval("E_x", 0.3, 0.302) + [Goal("volume", "at most", 0.5)])
    'E_x=0.3:0.302 & volume<=0.5'
    """
    parts, left = list[str](), list(goals)
    while left:
        ends = [left[0].value, left[1].value] if len(left) > 1 else [0.0, 0.0]
        if ends[0] < ends[1] and left[:2] == interval(left[0].name, *ends):
            parts.append(f"{left[0].name}={ends[0]:.15g}:{ends[1]:.15g}")
            del left[:2]
        else:
            parts.append(left.pop(0).text)
    return AND.join(parts)
