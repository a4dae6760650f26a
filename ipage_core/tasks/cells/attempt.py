"""One start of the solver: descent, clean-up and flips, on either mesh; then open goals are pushed to their limit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ipage_core.tasks.cells.annealing import anneal
from ipage_core.tasks.cells.descent import SHARPNESS, CellSpace, descend
from ipage_core.tasks.cells.flips import Finished, finish
from ipage_core.tasks.cells.goals import Goal, Goals
from ipage_core.tasks.cells.mesh import OPERATORS, Mesh
from ipage_core.tasks.cells.properties import values
from ipage_core.tasks.cells.topology import is_admissible

Array = NDArray[np.float64]

CORRECTIONS = 2
"""How often the aims are shifted by the change that the clean-up caused (output space mapping)."""
FAR = 4.0
"""Misfit of a clean cell, in tolerances, above which shifting the aims works better than flips."""
ENOUGH = 0.5
"""Residual at which a cell is finished on the extrapolated mesh; it leaves room for the remaining mesh error."""
FLIPS_ALONE = 40.0
"""Largest misfit of a cell, in tolerances, for which flips alone are tried."""
PUSHES = 12
"""Maximum number of steps that tighten a property to be minimized or maximized."""


def attempt(
    kind: str,
    u: Array,
    aims: Goals,
    space: CellSpace,
    mesh: Mesh,
    rng: np.random.Generator,
    way: list[Array] | None = None,
) -> tuple[Finished | None, int]:
    """Run one start to its end.

    Args:
        kind: "flips" or "annealed": u is black and white and skips the descent; any other name: u is descended first.
        u: (side, side) in [0, 1].
        aims: the goals.
        space: resolution, symmetry, masks and the smallest feature.
        mesh: the mesh on which the goals must be met.
        rng: source of every random choice.
        way: list that receives the intermediate densities.

    Returns:
        The cell, or None if the clean-up failed, and the number of operator evaluations.
    """
    ended, calls = _on_pixels(kind, u, aims, space, rng, way)
    if mesh == "pixel":
        return ended, calls
    # Design on pixels with aims shifted by the mesh error, then finish on the extrapolated property.
    if ended is None or not ended.misfit < FLIPS_ALONE:
        return None, calls
    true = finish(ended.cell, aims, space, rng, OPERATORS[mesh], rounds=0)
    ended, used = _on_pixels(
        "flips", ended.cell.astype(np.float64), aims.shifted(ended.values - true.values), space, rng
    )
    calls += true.calls + used
    assert ended is not None
    last = finish(ended.cell, aims, space, rng, OPERATORS[mesh], enough=ENOUGH)
    return last, calls + last.calls


def _on_pixels(
    kind: str,
    u: Array,
    aims: Goals,
    space: CellSpace,
    rng: np.random.Generator,
    way: list[Array] | None = None,
) -> tuple[Finished | None, int]:
    if kind == "flips":
        ended = finish(u > 0.5, aims, space, rng)
        return ended, ended.calls
    if kind == "annealed":
        ended = anneal(u > 0.5, aims, space, rng)
        return ended, ended.calls
    best, calls, moved = None, 0, aims
    for k in range(1 + CORRECTIONS):
        u, density, used = descend(u, moved, space, sharpness=SHARPNESS if k == 0 else SHARPNESS[-2:], way=way)
        calls += used
        cell = space.clean(density)
        if cell is None:
            continue
        seen = finish(cell, aims, space, rng, rounds=0)
        calls += seen.calls
        if best is None or seen.misfit < best.misfit:
            best = seen
        if seen.misfit < FAR:
            break
        moved = moved.shifted(aims.residual(seen.values).clip(-30, 30) * aims.tolerance)
    if best is None:
        return None, calls
    if way is not None:
        way.append(best.cell.astype(np.float64))
    ended = finish(best.cell, aims, space, rng)
    return ended, calls + ended.calls


def pushed(
    ended: Finished,
    goal: Goal,
    aims: Goals,
    space: CellSpace,
    mesh: Mesh,
    rng: np.random.Generator,
    way: list[Array] | None = None,
) -> tuple[Finished, int]:
    """Push the property of an open goal by tightening bounds while every other goal stays met.

    Args as in :func:`attempt`; ``ended`` is a cell that meets ``aims``. Returns the cell and the evaluations.
    """
    sign, calls = (-1 if goal.kind == "minimize" else 1), 0

    def now(cell: Finished) -> float:
        return float(values((goal.name,), cell.stiffness, cell.cell.mean())[0])

    step = 0.1 * max(abs(now(ended)), 0.1)
    for _ in range(PUSHES):
        bound = Goal(goal.name, "at most" if sign < 0 else "at least", now(ended) + sign * step, 0.1 * step)
        tighter = Goals.of([bound])
        both = replace(
            aims,
            names=aims.names + tighter.names,
            aim=np.append(aims.aim, tighter.aim),
            tolerance=np.append(aims.tolerance, tighter.tolerance),
            side=np.append(aims.side, tighter.side),
        )
        trial, used = attempt("nearest", 0.1 + 0.8 * ended.cell.astype(np.float64), both, space, mesh, rng)
        calls += used
        if trial is not None and trial.misfit <= 1 and is_admissible(trial.cell):
            k = len(aims.names)
            misfit = float(np.abs(aims.residual(trial.values[:k])).max())
            if way is not None:
                way.append(ended.cell.astype(np.float64))
            ended = replace(trial, values=trial.values[:k], misfit=misfit)
        else:
            step /= 2
            if step < 0.005 * max(abs(now(ended)), 0.1):
                break
    return ended, calls
