"""One start to its end: descent, clean-up, flips; on the extrapolated mesh too; and goals pushed as far as they go."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ipage_core.tasks.cells.descent import SHARPNESS, CellSpace, descend
from ipage_core.tasks.cells.flips import Finished, finish
from ipage_core.tasks.cells.goals import Goal, Goals
from ipage_core.tasks.cells.mesh import OPERATORS, Mesh
from ipage_core.tasks.cells.properties import values
from ipage_core.tasks.cells.topology import is_admissible

Array = NDArray[np.float64]

CORRECTIONS = 2
"""Times the aims are moved by what the clean-up has cost (output space mapping)."""
FAR = 4.0
"""Misfit of a clean cell, in tolerances, from which moving the aims is worth more than flips."""
ENOUGH = 0.5
"""Residual at which a cell is finished on the extrapolated mesh: what its error may add then stays within the rest."""
FLIPS_ALONE = 40.0
"""Misfit of a cell, in tolerances, up to which flips alone are tried on it."""
PUSHES = 12
"""Steps by which a property that is to be minimized or maximized is tightened, at most."""


def attempt(
    kind: str,
    u: Array,
    aims: Goals,
    space: CellSpace,
    mesh: Mesh,
    rng: np.random.Generator,
    way: list[Array] | None = None,
) -> tuple[Finished | None, int]:
    """One start to its end.

    Args:
        kind: "flips": u is black and white, and is not descended; else any name.
        u: (side, side) in [0, 1].
        aims: what to reach.
        space: where.
        mesh: at which the goals have to be met.
        rng: of every random choice.
        way: densities on the way are appended to it.

    Returns:
        The cell, or None where none could be cleaned, and the evaluations of the operator.
    """
    ended, calls = _on_pixels(kind, u, aims, space, rng, way)
    if mesh == "pixel":
        return ended, calls
    # Designed on pixels to aims moved by what the mesh hides, then finished on the true property.
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
    """The property of an open goal pushed by bounds that tighten, while every other goal stays met.

    Args as of :func:`attempt`; ``ended`` is a cell that meets ``aims``. Returns the cell and the evaluations.
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
