"""``verify`` of a table of cells that were designed for goals: every goal again, from the pixels."""

from __future__ import annotations

import math
import re
from typing import Any, cast, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipage_core.problem.goal import expression
from ipage_core.tasks.cells.goal_design import cell_goals
from ipage_core.tasks.cells.goal_table import AND, columns
from ipage_core.tasks.cells.goals import Goal, outcome
from ipage_core.tasks.cells.mesh import MESHES, Mesh, stiffness


def verify_table(frame: pd.DataFrame) -> tuple[pd.DataFrame, str] | None:
    """Apply Ω to a table of cells that were designed for goals, each at the mesh that it was designed for.

    Returns:
        The table with its columns computed again, and the outcome in a sentence; None for other tables.

    Raises:
        ValueError: the pixels, the goals or the mesh of a row are not accepted.
    """
    if not {"goals", "mesh"} <= set(frame.columns):
        return None
    cells, parts, judged = pixels(frame), list[pd.DataFrame](), list[tuple[list[Goal], Any, Any]]()
    judge = frame["goals"].fillna("").astype(str) + "\n" + frame["mesh"].fillna("").astype(str)
    for each in judge.unique():
        text, _, mesh = each.rpartition("\n")
        if mesh not in get_args(Mesh):
            raise ValueError(f"mesh '{mesh}' is not known; accepted: {', '.join(get_args(Mesh))}")
        goals = parsed(text)
        rows = (judge == each).to_numpy()
        computed = columns(goals, cells[rows], stiffness(cells[rows], cast(Mesh, mesh)), cast(Mesh, mesh))
        achieved = np.stack([computed[f"y{j + 1}"] for j in range(len(goals))], axis=1)
        judged.append((goals, achieved, computed["hit"]))
        parts.append(frame[rows].assign(**computed))
    at = " or ".join(MESHES[mesh] for mesh in MESHES if mesh in set(frame["mesh"]))
    if len(judged) > 1:  # of several questions only their hits are counted
        met = np.concatenate([met for *_, met in judged])
        judged = [([], np.empty((len(met), 0)), met)]
    return pd.concat(parts).sort_index(), outcome(*judged[0], at)


def pixels(frame: pd.DataFrame) -> NDArray[np.bool_]:
    """The cells of a table's columns x1, x2, … → (n, side, side).

    Raises:
        ValueError: they are not cells of zeros and ones with an accepted number of pixels.
    """
    numbered = sorted((n for n in map(str, frame.columns) if re.fullmatch(r"x[0-9]+", n)), key=lambda n: int(n[1:]))
    side = math.isqrt(len(numbered))
    if side not in (32, 48, 64) or numbered != [f"x{j + 1}" for j in range(side**2)]:
        raise ValueError(f"expected cells of 32, 48 or 64 pixels a side, got {len(numbered)} columns x1, x2, …")
    values = frame[numbered].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    if not np.isin(values, (0, 1)).all():
        raise ValueError("expected pixels of 0 and 1")
    return values.reshape(-1, side, side).astype(bool)


def parsed(text: str) -> list[Goal]:
    """The goals of a cell in the column ``goals``.

    Raises:
        ValueError: one is not understood.
    """
    return [goal for one in text.split(AND) for goal in cell_goals(*expression(one))]
