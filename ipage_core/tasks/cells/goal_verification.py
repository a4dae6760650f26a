"""``verify`` of a table of cells that were designed for goals: every goal again, from the pixels."""

from __future__ import annotations

import math
import re
from typing import cast, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipage_core.problem.goal import expression
from ipage_core.tasks.cells.goal_design import cell_goals
from ipage_core.tasks.cells.goal_table import AND, columns
from ipage_core.tasks.cells.goals import Goal
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
    cells, parts, met = pixels(frame), list[pd.DataFrame](), 0
    judge = frame["goals"].fillna("").astype(str) + "\n" + frame["mesh"].fillna("").astype(str)
    for said in judge.unique():
        text, _, mesh = said.rpartition("\n")
        if mesh not in get_args(Mesh):
            raise ValueError(f"mesh '{mesh}' is not known; accepted: {', '.join(get_args(Mesh))}")
        goals = parsed(text)
        rows = (judge == said).to_numpy()
        computed = columns(goals, cells[rows], stiffness(cells[rows], cast(Mesh, mesh)), cast(Mesh, mesh))
        met += int((computed["misfit"] <= 1).sum())
        parts.append(frame[rows].assign(**computed))
    judged = " or ".join(MESHES[mesh] for mesh in MESHES if mesh in set(frame["mesh"]))
    said = f"{met} of {len(cells)} cells meet every goal, by finite elements at {judged}"
    return pd.concat(parts).sort_index(), said


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
